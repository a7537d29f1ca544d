"""Where the web page finds what lies beside a build: relative to itself where that can be, else by a whole URI."""

import os
import posixpath
from pathlib import Path
from urllib.parse import quote, urlsplit

from pipelines.storage.folder import is_uri


def link(build: str, name: str, out: str) -> str:
    """Return the address of the file `name` of a build, for a page in the folder `out`; both without credentials."""
    if is_uri(build) != is_uri(out):
        return _whole(build, name)
    if is_uri(build):
        there, here = urlsplit(build), urlsplit(out)
        same = (there.scheme, there.netloc, there.query) == (here.scheme, here.netloc, here.query)
        return _relative(there.path, quote(name), here.path) if same else _whole(build, name)
    return quote(_relative(build, name, out)) if is_below(build, out) else _whole(build, name)


def place(build: str, out: str) -> str:
    """Return how the page names the place of a build: from its own folder, if it is below."""
    return os.path.relpath(build, out) if is_below(build, out) else build


def is_below(build: str, out: str) -> bool:
    """Whether a build lies in the folder `out` or deeper."""
    return f"{build.rstrip('/')}/".startswith(f"{out.rstrip('/')}/")


def _relative(build: str, name: str, out: str) -> str:
    return posixpath.relpath(f"{build or '/'}/{name}", out or "/")


def _whole(build: str, name: str) -> str:
    if not is_uri(build):
        return Path(build, name).as_uri()
    parts = urlsplit(build)
    return f"{parts.scheme}://{parts.netloc}{parts.path}/{quote(name)}"
