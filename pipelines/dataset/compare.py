"""Compares two published datasets by their manifests, and by their rows if the content hashes differ.

Shards are read a batch at a time, and 16 bytes of each row are kept. The sources are not needed.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.dataset.publish import read_manifest
from pipelines.dataset.shards import dataset_batches
from pipelines.dataset.versions import find_dataset
from pipelines.source.fingerprint import Words, row_hashes
from pipelines.storage.folder import Folder
from schemas.errors import OutputError
from schemas.manifest import Manifest

FIELDS = ("name", "seed", "modality", "label", "by", "generator", "model_fingerprint", "spec_fingerprint",
          "source_fingerprint", "encryption_key_env", "content_hash")  # fmt: skip
"""The fields of two manifests that are compared one by one."""


@dataclass(frozen=True)
class ClassChange:
    """Real and made rows of a class in both datasets; boxes of marked images. All are 0 if the class is missing."""

    old_real: int
    old_made: int
    new_real: int
    new_made: int

    @property
    def old(self) -> int:
        """Rows in the old dataset."""
        return self.old_real + self.old_made

    @property
    def new(self) -> int:
        """Rows in the new dataset."""
        return self.new_real + self.new_made


@dataclass(frozen=True)
class RowChange:
    """Rows of one origin, compared by their values in the columns that both datasets have.

    `same` rows are in both, whatever their `_id` and order. `replaced` of the `added` rows have the `_id` of an old row
    with other values.
    """

    same: int
    added: int
    removed: int
    replaced: int


@dataclass
class Comparison:
    """The differences of two datasets; `same` says that they hold the same rows in the same order.

    `rows` is by origin, and empty if the datasets share no column. `columns` says `added`, `removed`, or how the type
    changed. `fields` and `versions` hold the old and the new value of what differs.
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
    """Compare the published datasets at two paths or URIs; of a dataset with versions, the newest.

    Raises OutputError if there is no complete dataset, or if it cannot be read.

    Example::

        changes = compare_builds("tumours-v1", "tumours-v2")
        print(changes.same, changes.classes["malignant"].new, changes.rows["real"].added)
    """
    folders = find_dataset(old), find_dataset(new)
    before, after = (_read_complete(folder) for folder in folders)
    found = Comparison(
        old=before,
        new=after,
        same=before.content_hash == after.content_hash,
        classes=_compare_classes(before, after),
        columns=_compare_columns(before, after),
        fields=_compare_fields(before, after),
        versions=_compare_versions(before.versions, after.versions),
    )
    if not found.same:
        found.rows = _compare_rows(folders[0], before, folders[1], after)
    return found


def _read_complete(folder: Folder) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError(f"{folder.shown} holds no complete dataset: there is no manifest.json; give a published one")
    return manifest


def _compare_fields(old: Manifest, new: Manifest) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(old, name), getattr(new, name)) for name in FIELDS}
    pairs["splits"] = (_count_split_rows(old), _count_split_rows(new))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _count_split_rows(manifest: Manifest) -> dict[str, int]:
    """Return the rows of each split."""
    rows: dict[str, int] = {}
    for shard in manifest.shards:
        rows[shard.split] = rows.get(shard.split, 0) + shard.rows
    return rows


def _compare_versions(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys([*old, *new])
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _compare_classes(old: Manifest, new: Manifest) -> dict[str, ClassChange]:
    """Return the counts of all classes in either dataset, changed or not."""
    before, after = _class_counts(old), _class_counts(new)
    names = dict.fromkeys([*before, *after])
    return {name: ClassChange(*before.get(name, (0, 0)), *after.get(name, (0, 0))) for name in names}


def _class_counts(manifest: Manifest) -> dict[str, tuple[int, int]]:
    if manifest.boxes:
        return {name: (boxes.real, boxes.made) for name, boxes in manifest.boxes.items()}
    return {name: (counts.real, counts.synthetic) for name, counts in manifest.counts.items()}


def _compare_columns(old: Manifest, new: Manifest) -> dict[str, str]:
    before = {column.name: column.type for column in old.columns}
    after = {column.name: column.type for column in new.columns}
    changes = {name: "removed" for name in before if name not in after}
    changes |= {name: "added" for name in after if name not in before}
    both = [name for name in before if name in after]
    return changes | {name: f"{before[name]} → {after[name]}" for name in both if before[name] != after[name]}


def _compare_rows(old: Folder, before: Manifest, new: Folder, after: Manifest) -> dict[str, RowChange]:
    types = {column.name: (column.type, column.stored) for column in after.columns}
    shared = [column.name for column in before.columns if types.get(column.name) == (column.type, column.stored)]
    if not shared:
        return {}
    one, other = _hash_rows(old, before, shared), _hash_rows(new, after, shared)
    nothing = np.zeros((0, 2), np.uint64)
    origins = sorted({*one, *other}, key=lambda origin: (origin != "real", origin))
    return {origin: _compare_hashes(one.get(origin, nothing), other.get(origin, nothing)) for origin in origins}


def _hash_rows(folder: Folder, manifest: Manifest, shared: list[str]) -> dict[str, NDArray[np.uint64]]:
    """Return two hashes for each row by origin: of the `_id`, and of the values in shared columns. Shape (rows, 2)."""
    parts: dict[str, list[Words]] = {}
    for rows in dataset_batches(folder, manifest, ["_id", "_origin", *shared]):
        ids, values = row_hashes(rows.select(["_id"])), row_hashes(rows.select(shared))
        hashes = np.stack([ids, values], axis=1)
        for origin in rows["_origin"].unique().to_pylist():
            among = np.asarray(pc.equal(rows["_origin"], origin))
            parts.setdefault(origin, []).append(hashes[among])
    return {origin: np.concatenate(found) for origin, found in parts.items()}


def _compare_hashes(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> RowChange:
    """Compare rows by the hashes of `_id` and values, shape (rows, 2); rows of equal values may occur several times."""
    before, had = np.unique(old[:, 1], return_counts=True)
    after, has = np.unique(new[:, 1], return_counts=True)
    _, one, other = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    same = int(np.minimum(had[one], has[other]).sum())
    _, one, other = np.intersect1d(old[:, 0], new[:, 0], return_indices=True)
    differs = new[other[old[one, 1] != new[other, 1]], 1]
    replaced = int(np.count_nonzero(~np.isin(differs, before)))
    return RowChange(same, len(new) - same, len(old) - same, replaced)
