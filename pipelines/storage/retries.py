"""Tells errors of the system that may pass from those that come again. `actors.is_lost` does that for Ray."""

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
"""Errors that come again at every try. A missing file is none of them: on NFS it may still appear."""


def is_transient(error: BaseException) -> bool:
    """Whether an error may be gone at the next try: of a network, a store, a busy disk.

    Any other exception comes from a mistake in code, and would be raised again.
    """
    return isinstance(error, OSError) and error.errno not in CERTAIN
