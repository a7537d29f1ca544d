"""Makes writes to a local disk durable: files, and their names in folders, are there after a power loss."""

import errno
import os


def sync_file(path: str) -> None:
    """Wait until the disk has the file's bytes. The file's name is in its folder, see `sync_folder`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """Wait until the disk has the names in the folder, if the filesystem supports that."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


def sync_below(folder: str) -> None:
    """Wait until the disk has all files in the folder and below it."""
    for path, _, names in os.walk(folder):
        for name in names:
            sync_file(os.path.join(path, name))
        sync_folder(path)


def make_folder(path: str) -> None:
    """Make the folder and its parents unless they exist, and wait until the disk has their names.

    Raises PermissionError where no folder can be made, as in /proc, for which the system says "not found".
    """
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.makedirs(path, exist_ok=True)
    except FileNotFoundError as error:
        raise PermissionError(errno.EPERM, "no folder can be made there", path) from error
    sync_folder(os.path.dirname(path))
