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


def _parts_of_chunk(place: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return a staged chunk's files, and the accepted rows that were chosen from it."""
    return [(place.staged, f"{name}.rows.arrow"), (place.staged, f"{name}.rejected.arrow"), place.filled]


def _parts_of_model(place: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return a fitted model, and the decision to use it again, which has to be made anew."""
    return [place.models.at(name), (place.work, "carried.json")]


_REMEDIES: list[Remedy] = [
    (r"work/real/.*", "the copy of the source is", lambda place, _: [place.real]),
    (r"work/staged/([^.]*)\..*", "a staged chunk is", _parts_of_chunk),
    (r"work/carried[./].*", "rows kept of the version before are", lambda place, _: [(place.work, "carried.json")]),
    (r"work/filled/.*", "the choice of accepted rows is", lambda place, _: [place.filled]),
    (r"work/validators/([^/]*)/.*", "a fitted validator is", lambda place, name: [place.validators.at(name)]),
    (r"work/privacy/.*", "what the privacy gate measured is", lambda place, _: [place.work.at("privacy")]),
    (r"work/plan\.json", "the plan is", lambda place, _: [(place.work, "plan.json")]),
    (r"models/([^/]*\.training)/.*", "the training is", lambda place, name: [place.models.at(name)]),
    (r"models/([^/]*)/.*", "a fitted model is", _parts_of_model),
    (r"evaluation/built\..*", "rows of an evaluation are", lambda place, _: [(place.evaluation, "built.json")]),
    (r"evaluation/(trials/.*)", "a trial of the evaluation is", lambda place, name: [(place.evaluation, name)]),
    (r"evaluation/.*", "rows of an evaluation are", lambda place, _: [(place.evaluation, "real.json")]),
]
"""A pattern of a file's path in the build's hidden folder, what the file is in words, and what has to be removed."""


def clear_damage(damage: DamageError, place: Workspace) -> str:
    """Remove what the damaged file belongs to, and return in a sentence what is made again.

    Raises the damage itself if no step makes the file again.
    """
    inside = damage.path.removeprefix(f"{place.hidden.inner()}/").replace(f"work-{place.key}/", "work/", 1)
    for pattern, what, parts in _REMEDIES:
        if match := re.fullmatch(pattern, inside):
            for part in parts(place, match[match.re.groups]):
                folder, name = part if isinstance(part, tuple) else (part, "")
                folder.remove(name)
            return f"{damage.shown} {'is gone' if damage.gone else 'is damaged'}; {what} made again"
    raise damage
