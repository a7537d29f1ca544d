"""Finds builds and writes the web page over them; refuses to overwrite foreign files."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pyarrow import fs

from pipelines.dataset.builds import find_builds
from pipelines.dataset.versions import version_folders
from pipelines.report.site.page import GENERATOR, render_site
from pipelines.report.site.rows import Row, make_groups
from pipelines.storage.folder import Folder, explain_errors, is_uri
from pipelines.storage.workspace import HIDDEN
from schemas.errors import OutputError
from schemas.manifest import MANIFEST

PAGE = "index.html"
HEAD = 2000
"""Within so many bytes from its beginning, a page says what wrote it."""


@dataclass(frozen=True)
class Site:
    """A written page: its path, and what it shows."""

    page: str
    groups: list[list[Row]]

    @property
    def states(self) -> dict[str, int]:
        """The number of builds by state."""
        return dict(sorted(Counter(row.state for group in self.groups for row in group).items()))

    @property
    def builds(self) -> int:
        """The number of builds."""
        return sum(map(len, self.groups))


def write_site(folders: Sequence[str], out: str | None = None) -> Site:
    """Write `index.html` over all builds below the folders; to `out`, or into the folder if there is only one.

    Raises OutputError where a folder does not exist, or where the page would replace another one.
    """
    target = _target(folders, out)
    builds = {build.path: build for folder in folders for build in find_builds(folder)}  # folders may overlap
    groups = make_groups(list(builds.values()))
    title = ", ".join(dict.fromkeys(_last_part(folder) for folder in folders))
    page = render_site(groups, title, target.shown, time.time())
    target.write(PAGE, page.encode())
    return Site(target.at(PAGE).shown, groups)


def _target(folders: Sequence[str], out: str | None) -> Folder:
    """Return the folder for the page, after checking that it may be written there."""
    if out is None and len(folders) != 1:
        raise OutputError(f"builds of {len(folders)} folders, but no place for the page; name a folder by --out")
    folder = Folder(_absolute(folders[0] if out is None else out))
    with explain_errors(folder.shown):
        info = folder.filesystem.get_file_info(folder.inner())
    if info.is_file:
        raise OutputError(f"{folder.shown} is a file; name a folder by --out")
    if folder.exists(MANIFEST) or (folder.exists(HIDDEN) and not version_folders(folder)):
        raise OutputError(f"{folder.shown} is a dataset itself, and nothing is added to it; name a folder by --out")
    _refuse_foreign(folder)
    return folder


def _refuse_foreign(folder: Folder) -> None:
    with explain_errors(folder.shown):
        if folder.filesystem.get_file_info(folder.inner(PAGE)).type == fs.FileType.NotFound:
            return
        head = folder.read(PAGE)[:HEAD]
    if GENERATOR.encode() not in head:
        raise OutputError(
            f"{folder.at(PAGE).shown} was not written by makeweight, and is left as it is; remove it, or name another"
            " folder by --out"
        )


def _absolute(path: str) -> str:
    return path if is_uri(path) else os.path.abspath(os.path.expanduser(path))


def _last_part(folder: str) -> str:
    """Return the last part of a folder's path or URI."""
    whole = Folder(_absolute(folder)).shown.partition("?")[0].rstrip("/")
    return whole.rpartition("/")[2] or whole
