"""The rows of the web page: the figures of each build, from manifest and evaluation alone. Knows no HTML.

Versions of one dataset lie in sibling folders (v00001, v00002 …) and make one group, the newest first.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import unquote

from pipelines.dataset.builds import FoundBuild, State
from pipelines.storage.folder import is_uri
from pipelines.storage.workspace import VERSION
from schemas.errors import OutputError
from schemas.evaluation import EVALUATION, Evaluation, Verdict
from schemas.manifest import Manifest

READERS = 16
"""Evaluations that are read at the same time: an object store answers each after a while."""
NAMED = 20
"""Classes of a build that the page names, and finds by their names."""
SEGMENTS = 8
"""Classes that the picture of a build shows one by one, the largest before; the others are put together."""


@dataclass(frozen=True)
class Counts:
    """Rows of one or several classes (boxes, for marked images): in the source, and real and made in the dataset."""

    before: int
    real: int
    made: int


@dataclass(frozen=True)
class Row:
    """One build. Without a manifest there are no figures; without an evaluation of this very dataset no `verdict`.

    `version` is the name of its folder among the versions of one dataset; `share_made` is the share of its made rows.
    """

    build: FoundBuild
    name: str
    version: str
    classes: dict[str, Counts]
    share_made: float | None
    verdict: Verdict | None

    @property
    def state(self) -> State:
        """The state of the build."""
        return self.build.state

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the published dataset."""
        return self.build.manifest

    @property
    def segments(self) -> list[Counts]:
        """The classes as the picture shows them."""
        counts = sorted(self.classes.values(), key=lambda one: -one.before)
        rest = counts[SEGMENTS:]
        if not rest:
            return counts
        before, real, made = (
            sum(part) for part in zip(*((one.before, one.real, one.made) for one in rest), strict=True)
        )
        return [*counts[:SEGMENTS], Counts(before, real, made)]


def make_groups(builds: Sequence[FoundBuild]) -> list[list[Row]]:
    """Return the rows of the builds: versions of one dataset together, newest first; the latest group first."""
    with ThreadPoolExecutor(READERS) as readers:
        verdicts = list(readers.map(_verdict, builds))
    rows = [_row(build, verdict) for build, verdict in zip(builds, verdicts, strict=True)]
    rows.sort(key=_series)
    groups = [_newest_first(group) for _, group in groupby(rows, key=_series)]
    return sorted(groups, key=lambda group: -(group[0].build.published or 0))


def _series(row: Row) -> str:
    """Return a key that versions of one dataset share, and that no other build has."""
    path, question, options = row.build.path.partition("?")
    return path.rstrip("/").removesuffix(row.version) + question + options


def _newest_first(group: Iterable[Row]) -> list[Row]:
    return sorted(group, key=lambda row: (len(row.version), row.version), reverse=True)


def _row(build: FoundBuild, verdict: Verdict | None) -> Row:
    parent, _, base = build.path.partition("?")[0].rstrip("/").rpartition("/")
    base = unquote(base) if is_uri(build.path) else base
    version, manifest = base if VERSION.fullmatch(base) else "", build.manifest
    if manifest is None:
        return Row(build, parent.rpartition("/")[2] if version else base, version, {}, None, None)
    made = sum(one.synthetic for one in manifest.counts.values())
    share = made / manifest.rows if manifest.rows else None
    return Row(build, manifest.name, version, _classes(manifest), share, verdict)


def _classes(manifest: Manifest) -> dict[str, Counts]:
    if manifest.boxes:
        return {name: Counts(boxes.before, boxes.real, boxes.made) for name, boxes in manifest.boxes.items()}
    before = manifest.source_counts
    return {name: Counts(before.get(name, 0), one.real, one.synthetic) for name, one in manifest.counts.items()}


def _verdict(build: FoundBuild) -> Verdict | None:
    """Return the evaluation's verdict on the published dataset, if there is one that this version can read."""
    if build.manifest is None or build.folder is None or EVALUATION not in build.files:
        return None
    try:
        evaluation = Evaluation.model_validate_json(build.folder.read(EVALUATION))
    except (ValueError, FileNotFoundError, PermissionError, OutputError):
        return None
    return evaluation.utility.verdict if evaluation.content_hash == build.manifest.content_hash else None
