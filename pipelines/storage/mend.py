"""Removes damaged files, with all files that were made from them, so that the same build makes them again.

It knows the names of files, not their content. What it removes is made again from the rest, with the same bytes. It is
the one table of which file depends on which.
"""

import re
from collections.abc import Callable

from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.errors import DamageError

Remedy = tuple[str, str, Callable[[Workspace, str], list[Folder | tuple[Folder, str]]]]


def _parts_of_chunk(workspace: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return a staged chunk's files, and the accepted rows that were chosen from it."""
    return [(workspace.staged, f"{name}.rows.arrow"), (workspace.staged, f"{name}.rejected.arrow"), workspace.filled]


def _parts_of_model(workspace: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return a fitted model, and the decision to use it again, which has to be made anew."""
    return [workspace.models.at(name), (workspace.work, "carried.json")]


_REMEDIES: list[Remedy] = [
    (r"work/real/.*", "the copy of the source is", lambda workspace, _: [workspace.real]),
    (r"work/staged/([^.]*)\..*", "a staged chunk is", _parts_of_chunk),
    (
        r"work/carried[./].*",
        "rows kept of the version before are",
        lambda workspace, _: [(workspace.work, "carried.json")],
    ),
    (r"work/filled/.*", "the choice of accepted rows is", lambda workspace, _: [workspace.filled]),
    (r"work/validators/([^/]*)/.*", "a fitted validator is", lambda workspace, name: [workspace.validators.at(name)]),
    (r"work/privacy/.*", "what the privacy gate measured is", lambda workspace, _: [workspace.work.at("privacy")]),
    (r"work/plan\.json", "the plan is", lambda workspace, _: [(workspace.work, "plan.json")]),
    (r"models/([^/]*\.training)/.*", "the training is", lambda workspace, name: [workspace.models.at(name)]),
    (r"models/([^/]*)/.*", "a fitted model is", _parts_of_model),
    (r"evaluation/built\..*", "rows of an evaluation are", lambda workspace, _: [(workspace.evaluation, "built.json")]),
    (r"evaluation/(trials/.*)", "a trial of the evaluation is", lambda workspace, name: [(workspace.evaluation, name)]),
    (r"evaluation/.*", "rows of an evaluation are", lambda workspace, _: [(workspace.evaluation, "real.json")]),
]
"""A pattern of a file's path in the build's hidden folder, what the file is in words, and what has to be removed."""


def clear_damage(damage: DamageError, workspace: Workspace) -> str:
    """Remove what the damaged file belongs to, and return in a sentence what is made again.

    Raises the damage itself if no step makes the file again.
    """
    inside = damage.path.removeprefix(f"{workspace.hidden.inner()}/").replace(f"work-{workspace.key}/", "work/", 1)
    for pattern, what, parts in _REMEDIES:
        if match := re.fullmatch(pattern, inside):
            for part in parts(workspace, match[match.re.groups]):
                folder, name = part if isinstance(part, tuple) else (part, "")
                folder.remove(name)
            return f"{damage.shown} {'is gone' if damage.gone else 'is damaged'}; {what} made again"
    raise damage
