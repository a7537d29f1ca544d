"""Hashes the content of a local file or folder. A large file's hash is cached until its size or times change.

The cache is one file in the user's state folder. Where it cannot be written, large files are hashed each time.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from schemas.hashing import json_hash

LARGE = 64 << 20
"""Bytes from which on a file's hash is cached."""
FILE, MOST = "hashes.json", 1_000
"""The name of the cache file, and the most hashes in it."""


def hash_contents(path: str) -> str:
    """Return the SHA-256 of a file, or of all files below a folder with their names; hidden files are left out."""
    root = Path(path)
    if root.is_file():
        return _hash_file(root)
    files = sorted(file for file in root.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(root)))
    named = {file.relative_to(root).as_posix(): _hash_file(file) for file in files}
    return json_hash(named, sort_keys=False)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _hash_file(file: Path) -> str:
    about = file.stat()
    if about.st_size < LARGE:
        return _sha256(file)
    key = json.dumps([os.path.realpath(file), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns])
    known = _read_cache()
    if key not in known:
        known = {**dict(list(known.items())[-MOST:]), key: _sha256(file)}
        _write_cache(known)
    return known[key]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _cache_file() -> Path:
    return user_state_path("makeweight", appauthor=False) / FILE


def _read_cache() -> dict[str, str]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_cache_file().read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _write_cache(known: dict[str, str]) -> None:
    with suppress(OSError):
        _cache_file().parent.mkdir(parents=True, exist_ok=True)
        temporary = _cache_file().with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(known))
        os.replace(temporary, _cache_file())
