"""Describes the files of a source that are not read, so that none is skipped silently."""

import os
from collections import Counter

from pipelines.source.files import EXTENSIONS, Files
from pipelines.source.splits import ClassFolders
from schemas.errors import join_first
from schemas.spec import Source

NAMED = 3
"""The most files or folders that are named; the rest is counted."""


def unread(files: Files) -> list[str]:
    """Return at most one sentence on files of the source that are not read, with their number and extensions."""
    if not files.others:
        return []
    endings = Counter(os.path.splitext(name)[1].lower() or "no ending" for name in files.others)
    first = sorted(endings.items(), key=lambda one: (-one[1], one[0]))[: NAMED + 2]
    told = ", ".join(f"{ending} {number:,}" for ending, number in first)
    more = ", …" if len(endings) > len(first) else ""
    return [f"Files of the source that are not read: {len(files.others):,} ({told}{more})."]


def unread_classes(files: Files, source: Source) -> list[str]:
    """Return at most one sentence, which names the class folders of which no file is read."""
    classes = ClassFolders(files.names, source.split)
    read = {classes.find(name) for name in files.names}
    missing = Counter(found for name in files.others if (found := classes.find(name)) not in {None, *read})
    if not missing:
        return []
    known = [ending for ending, found in EXTENSIONS.items() if found == files.format]
    advice = f"convert its files to {' or '.join(known[:NAMED])}" if len(missing) == 1 else "convert their files"
    return [f"Folders of which nothing is read, so that they are no class: {join_first(map(str, missing))}; {advice}."]
