"""A hash of what is in a local file or folder; of large files it is kept, for as long as the file system says the same.

Kept hashes lie in one file of the user's own. Where it cannot be written, large files are hashed each time.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

LARGE = 64 << 20
"""Bytes from which on the hash of a file is kept."""
FILE, MOST = "hashes.json", 1_000
"""Where they are kept, and how many."""


def content_of(place: str) -> str:
    """Return the SHA-256 of a file, or of all files below a folder by their names; hidden ones are left out."""
    root = Path(place)
    if root.is_file():
        return _hash(root)
    files = sorted(file for file in root.rglob("*") if file.is_file() and not _hidden(file.relative_to(root)))
    named = {file.relative_to(root).as_posix(): _hash(file) for file in files}
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _hash(file: Path) -> str:
    about = file.stat()
    if about.st_size < LARGE:
        return _sha256(file)
    key = json.dumps([os.path.realpath(file), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns])
    known = _known()
    if key not in known:
        known = {**dict(list(known.items())[-MOST:]), key: _sha256(file)}
        _keep(known)
    return known[key]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _place() -> Path:
    return user_state_path("makeweight", appauthor=False) / FILE


def _known() -> dict[str, str]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_place().read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _keep(known: dict[str, str]) -> None:
    with suppress(OSError):
        _place().parent.mkdir(parents=True, exist_ok=True)
        temporary = _place().with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(known))
        os.replace(temporary, _place())
