"""Clears away what was found damaged, with all that was concluded from it: the one table of what hangs on what.

The same build makes it again, from what is left, and it is the same then. Knows where things lie, not what is in them.
"""

import re
from collections.abc import Callable

from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.errors import DamageError

Remedy = tuple[str, str, Callable[[Workspace, str], list[Folder | tuple[Folder, str]]]]


def _chunk(place: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return a staged chunk's files; and what was decided on it, so that it is asked for again."""
    return [(place.staged, f"{name}.rows.arrow"), (place.staged, f"{name}.rejected.arrow"), place.filled]


def _model(place: Workspace, name: str) -> list[Folder | tuple[Folder, str]]:
    """Return something fitted; and the decision to use it again, which may have to be another one now."""
    return [place.models.at(name), (place.work, "carried.json")]


_REMEDIES: list[Remedy] = [
    (r"work/real/.*", "the copy of the source is", lambda place, _: [place.real]),
    (r"work/staged/([^.]*)\..*", "a staged chunk is", _chunk),
    (r"work/carried[./].*", "rows kept of the version before are", lambda place, _: [(place.work, "carried.json")]),
    (r"work/filled/.*", "the choice of accepted rows is", lambda place, _: [place.filled]),
    (r"work/validators/([^/]*)/.*", "a fitted validator is", lambda place, name: [place.validators.at(name)]),
    (r"work/privacy/.*", "what the privacy gate measured is", lambda place, _: [place.work.at("privacy")]),
    (r"work/plan\.json", "the plan is", lambda place, _: [(place.work, "plan.json")]),
    (r"models/([^/]*\.training)/.*", "the training is", lambda place, name: [place.models.at(name)]),
    (r"models/([^/]*)/.*", "a fitted model is", _model),
    (r"evaluation/built\..*", "rows of an evaluation are", lambda place, _: [(place.evaluation, "built.json")]),
    (r"evaluation/(trials/.*)", "a trial of the evaluation is", lambda place, name: [(place.evaluation, name)]),
    (r"evaluation/.*", "rows of an evaluation are", lambda place, _: [(place.evaluation, "real.json")]),
]
"""By a file's place in the build's hidden folder: what it is, in words, and what has to go."""


def clear_damage(damage: DamageError, place: Workspace) -> str:
    """Remove what the damaged file belongs to, and return in words what is made again.

    Raises the damage where nothing makes it again.
    """
    inside = damage.path.removeprefix(f"{place.hidden.inner()}/").replace(f"work-{place.key}/", "work/", 1)
    for pattern, what, parts in _REMEDIES:
        if found := re.fullmatch(pattern, inside):
            for part in parts(place, found[found.re.groups]):
                folder, name = part if isinstance(part, tuple) else (part, "")
                folder.remove(name)
            return f"{damage.shown} {'is gone' if damage.gone else 'is damaged'}; {what} made again"
    raise damage
