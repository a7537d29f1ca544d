"""What is written to a local disk, and is there after a power loss: files, and the names by which folders hold them."""

import errno
import os


def sync_file(path: str) -> None:
    """Wait until the disk has the file's bytes; its name is in the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """Wait until the disk has the names in the folder, where its filesystem can tell."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


def sync_below(folder: str) -> None:
    """Wait until the disk has all that is in the folder and below it."""
    for place, _, names in os.walk(folder):
        for name in names:
            sync_file(os.path.join(place, name))
        sync_folder(place)


def make_folder(path: str) -> None:
    """Make the folder, and those above it, unless it is there; the disk has their names then.

    Where a system has places that take none, as /proc, it says that something is not there; that is a refusal here.
    """
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.makedirs(path, exist_ok=True)
    except FileNotFoundError as error:
        raise PermissionError(errno.EPERM, "no folder can be made there", path) from error
    sync_folder(os.path.dirname(path))
