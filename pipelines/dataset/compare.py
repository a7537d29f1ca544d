"""Compares two published datasets: by their manifests, and where the content differs by their rows.

The shards stream through; of each row 16 bytes are kept. Knows no source: only what was published.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.dataset.publish import read_manifest
from pipelines.dataset.shards import dataset_batches
from pipelines.dataset.versions import latest
from pipelines.source.fingerprint import Words, row_hashes
from pipelines.storage.folder import Folder
from schemas.errors import OutputError
from schemas.manifest import Manifest

FIELDS = ("name", "seed", "modality", "label", "by", "generator", "model_fingerprint", "spec_fingerprint",
          "source_fingerprint", "encryption_key_env", "content_hash")  # fmt: skip
"""What of two manifests is compared by itself."""


@dataclass(frozen=True)
class ClassChange:
    """Rows of a class before and after, real and made ones; of marked images, boxes. All 0 where it is missing."""

    old_real: int
    old_made: int
    new_real: int
    new_made: int

    @property
    def old(self) -> int:
        """All before."""
        return self.old_real + self.old_made

    @property
    def new(self) -> int:
        """All after."""
        return self.new_real + self.new_made


@dataclass(frozen=True)
class RowChange:
    """Rows of one origin by their values in the columns that both datasets have.

    `same` rows are in both, whatever their `_id` and place; `replaced` of the `added` ones have the `_id` of a row that
    had other values.
    """

    same: int
    added: int
    removed: int
    replaced: int


@dataclass
class Comparison:
    """What two datasets differ in; `same` says that they hold the same rows in the same order.

    `rows` is by origin, and empty where no column is in both; `columns` says `added`, `removed`, or how the type
    changed; `fields` and `versions` hold the old and the new value where they differ.
    """

    old: Manifest
    new: Manifest
    same: bool
    classes: dict[str, ClassChange]
    columns: dict[str, str]
    fields: dict[str, tuple[Any, Any]]
    versions: dict[str, tuple[str | None, str | None]]
    rows: dict[str, RowChange] = field(default_factory=dict)


def compare_builds(old: str, new: str) -> Comparison:
    """Return what differs between two published datasets; raises OutputError where one is none or cannot be read."""
    folders = latest(old), latest(new)
    before, after = (_complete(folder) for folder in folders)
    found = Comparison(
        old=before,
        new=after,
        same=before.content_hash == after.content_hash,
        classes=_classes(before, after),
        columns=_columns(before, after),
        fields=_differing(before, after),
        versions=_changes(before.versions, after.versions),
    )
    if not found.same:
        found.rows = _rows(folders[0], before, folders[1], after)
    return found


def _complete(folder: Folder) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError(f"{folder.shown} holds no complete dataset: there is no manifest.json; give a published one")
    return manifest


def _differing(old: Manifest, new: Manifest) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(old, name), getattr(new, name)) for name in FIELDS}
    pairs["splits"] = (_splits(old), _splits(new))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _splits(manifest: Manifest) -> dict[str, int]:
    """Return the rows of each split."""
    rows: dict[str, int] = {}
    for shard in manifest.shards:
        rows[shard.split] = rows.get(shard.split, 0) + shard.rows
    return rows


def _changes(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys([*old, *new])
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _classes(old: Manifest, new: Manifest) -> dict[str, ClassChange]:
    """Return the counts of all classes of both, changed or not."""
    before, after = _counts(old), _counts(new)
    names = dict.fromkeys([*before, *after])
    return {name: ClassChange(*before.get(name, (0, 0)), *after.get(name, (0, 0))) for name in names}


def _counts(manifest: Manifest) -> dict[str, tuple[int, int]]:
    if manifest.boxes:
        return {name: (boxes.real, boxes.made) for name, boxes in manifest.boxes.items()}
    return {name: (counts.real, counts.synthetic) for name, counts in manifest.counts.items()}


def _columns(old: Manifest, new: Manifest) -> dict[str, str]:
    before = {column.name: column.type for column in old.columns}
    after = {column.name: column.type for column in new.columns}
    told = {name: "removed" for name in before if name not in after}
    told |= {name: "added" for name in after if name not in before}
    both = [name for name in before if name in after]
    return told | {name: f"{before[name]} → {after[name]}" for name in both if before[name] != after[name]}


def _rows(old: Folder, before: Manifest, new: Folder, after: Manifest) -> dict[str, RowChange]:
    types = {column.name: (column.type, column.stored) for column in after.columns}
    shared = [column.name for column in before.columns if types.get(column.name) == (column.type, column.stored)]
    if not shared:
        return {}
    one, other = _read(old, before, shared), _read(new, after, shared)
    nothing = np.zeros((0, 2), np.uint64)
    origins = sorted({*one, *other}, key=lambda origin: (origin != "real", origin))
    return {origin: _compare(one.get(origin, nothing), other.get(origin, nothing)) for origin in origins}


def _read(folder: Folder, manifest: Manifest, shared: list[str]) -> dict[str, NDArray[np.uint64]]:
    """Return a hash of the `_id` and one of the shared columns' values for each row, by origin."""
    parts: dict[str, list[Words]] = {}
    for rows in dataset_batches(folder, manifest, ["_id", "_origin", *shared]):
        ids, values = row_hashes(rows.select(["_id"])), row_hashes(rows.select(shared))
        hashes = np.stack([ids, values], axis=1)
        for origin in rows["_origin"].unique().to_pylist():
            among = np.asarray(pc.equal(rows["_origin"], origin))
            parts.setdefault(origin, []).append(hashes[among])
    return {origin: np.concatenate(found) for origin, found in parts.items()}


def _compare(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> RowChange:
    """Compare rows, each an `_id` and its values as hashes; rows of equal values may be in there several times."""
    before, had = np.unique(old[:, 1], return_counts=True)
    after, has = np.unique(new[:, 1], return_counts=True)
    _, one, other = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    same = int(np.minimum(had[one], has[other]).sum())
    _, one, other = np.intersect1d(old[:, 0], new[:, 0], return_indices=True)
    differs = new[other[old[one, 1] != new[other, 1]], 1]
    replaced = int(np.count_nonzero(~np.isin(differs, before)))
    return RowChange(same, len(new) - same, len(old) - same, replaced)
