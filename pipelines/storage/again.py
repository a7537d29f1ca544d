"""Whether the system may do what it refused, when it is asked once more. What Ray loses, `actors.py` tells."""

import errno

CERTAIN = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EINVAL,
    }
)
"""Errors that come again however often it is tried; a file that is not there yet may come, as on NFS."""


def may_pass(error: BaseException) -> bool:
    """Whether what failed may go well when it is done once more: a network, a store, a busy disk.

    What a mistake in code raises, a generator's or our own, would be raised again.
    """
    return isinstance(error, OSError) and error.errno not in CERTAIN
