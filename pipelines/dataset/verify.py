"""Checks a published dataset against its manifest: it counts and hashes all rows again, and names wrong shards."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.dataset.companions import is_evaluation, is_special_file
from pipelines.dataset.ledger import DATASET_FILES, has_ledger, shard_paths
from pipelines.dataset.publish import is_report_intact, read_manifest
from pipelines.dataset.seal import is_record_intact, is_sealed_or_older, sha256
from pipelines.dataset.versions import find_dataset, find_series_faults
from pipelines.dataset.write import content_hash, row_digests
from pipelines.source.fingerprint import row_hashes
from pipelines.source.stored_types import simple_rows
from pipelines.source.strata import stratum_column
from pipelines.storage.encryption import Key, read_key
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace, make_version_workspace
from pipelines.validate.memory import FingerprintSet
from schemas.arrow import dataset_schema
from schemas.errors import OutputError
from schemas.evaluation import EVALUATION, EVALUATION_PAGE
from schemas.manifest import CARD, DATA, MANIFEST, REPORT, Manifest, Shard
from schemas.versions import LATEST

PARQUET = (".parquet", ".pq", ".parq")
"""The ends of file names that readers take for Parquet."""


@dataclass
class Verification:
    """The result of a check: `problems` is empty if the dataset is as its manifest says. `key` decrypts the shards."""

    manifest: Manifest
    key: Key | None = None
    problems: list[str] = field(default_factory=list)
    rows: int = 0


def verify(path: str) -> Verification:
    """Compare every shard of the dataset at `path` with its manifest, and return what is wrong.

    Of a dataset with versions the newest is checked. One shard at a time is in memory. Raises OutputError if there is
    no complete dataset.

    Example::

        assert not verify("tumours-balanced").problems
    """
    folder = find_dataset(path)
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError(f"{folder.shown} holds no complete dataset: there is no manifest.json; run its build again")
    found = Verification(manifest, read_key(manifest.encryption_key_env))
    counts: Counter[tuple[str, bool]] = Counter()
    boxes: Counter[str] = Counter()
    digests: list[bytes] = []
    ids = FingerprintSet()
    for shard in manifest.shards:
        table = _read_shard(folder, shard, found)
        if table is not None:
            _count_rows(table, manifest, counts)
            _count_boxes(table, manifest, boxes)
            digests.append(row_digests(table))
            _check_ids(table, ids, shard, found)
            found.rows += table.num_rows
    _check_counts(manifest, counts, found)
    _check_boxes(manifest, boxes, found)
    if not found.problems and content_hash(dataset_schema(manifest.columns), digests) != manifest.content_hash:
        found.problems.append("content_hash differs: the rows are not those that were published, or not in that order")
    _check_manifest(folder, manifest, found)
    _check_files(folder, manifest, found)
    _check_evaluation(folder, manifest, found)
    _check_foreign_files(folder, manifest, found)
    _check_links(folder, (*DATASET_FILES, DATA), found)
    if folder.path != path:
        _check_links(Folder(path), (LATEST, CARD, os.path.basename(folder.inner())), found)
        found.problems.extend(find_series_faults(Folder(path)))
    if found.problems and has_ledger(_find_workspace(path, folder)):
        found.problems.append("a build was stopped while it published here: run the same command again, and look again")
    return found


def _check_manifest(folder: Folder, manifest: Manifest, found: Verification) -> None:
    data = folder.read(MANIFEST)
    if not is_record_intact(data):
        found.problems.append(f"{MANIFEST} was changed since it was published")
    elif not is_sealed_or_older(data, manifest.versions.get("makeweight")):
        found.problems.append(f"{MANIFEST} was changed since it was published: its seal is gone")


def _find_workspace(path: str, folder: Folder) -> Workspace:
    """Return the workspace of the build that published this dataset; its key is not known."""
    if folder.path == path:
        return Workspace(folder, "")
    return make_version_workspace(Folder(path), os.path.basename(folder.inner()))


def _read_shard(folder: Folder, shard: Shard, found: Verification) -> pa.Table | None:
    """Return the shard's rows, or None if they cannot be read as published; `found.problems` then says why."""
    try:
        return _read_intact_shard(folder, shard, found)
    except OutputError as error:  # it may not be read
        found.problems.append(str(error))
        return None


def _read_intact_shard(folder: Folder, shard: Shard, found: Verification) -> pa.Table | None:
    """Return the shard's rows as `_read_shard` does; raises OutputError for a file that may not be read."""
    if folder.is_link(shard.path):
        found.problems.append(f"{shard.path} is a link to a file elsewhere, and not the one that was published")
    if is_special_file(folder, shard.path):
        found.problems.append(f"{shard.path} is no file, but a pipe, socket or device")
        return None
    try:
        data = folder.read(shard.path)
    except OSError as error:
        problem = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        found.problems.append(f"{shard.path} {problem}")
        return None
    if len(data) != shard.bytes:
        found.problems.append(f"{shard.path} has {len(data):,} bytes, the manifest says {shard.bytes:,}")
    elif (got := sha256(data)) != shard.sha256:
        found.problems.append(f"{shard.path} was changed: its SHA-256 is {got}, the manifest says {shard.sha256}")
    try:
        table = pq.read_table(
            pa.BufferReader(data), decryption_properties=found.key.decryption() if found.key else None
        )
    except (pa.ArrowInvalid, OSError) as error:
        other = (
            f", or {found.manifest.encryption_key_env} holds another key than it was written with" if found.key else ""
        )
        found.problems.append(f"{shard.path} is no Parquet file any more{other}: {error}")
        return None
    if not table.schema.equals(dataset_schema(found.manifest.columns)):
        found.problems.append(f"{shard.path} has other columns than the manifest says")
        return None
    if table.num_rows != shard.rows:
        found.problems.append(f"{shard.path} has {table.num_rows:,} rows, the manifest says {shard.rows:,}")
    return table


def _count_rows(table: pa.Table, manifest: Manifest, counts: Counter[tuple[str, bool]]) -> None:
    strata = stratum_column(simple_rows(table, manifest.columns), manifest.by, manifest.class_values)
    names = strata.dictionary.to_pylist()
    codes = np.asarray(strata.indices)
    real = np.asarray(pc.equal(table["_origin"], "real"))
    for is_real in (True, False):
        for code, rows in enumerate(np.bincount(codes[real == is_real], minlength=len(names))):
            counts[names[code], is_real] += int(rows)


def _check_ids(table: pa.Table, ids: FingerprintSet, shard: Shard, found: Verification) -> None:
    repeated = int(np.count_nonzero(~ids.admit(row_hashes(table.select(["_id"])))))
    if repeated:
        found.problems.append(f"{shard.path} repeats {repeated:,} row ids")


def _check_counts(manifest: Manifest, counts: Counter[tuple[str, bool]], found: Verification) -> None:
    for name, wanted in manifest.counts.items():
        got = (counts.pop((name, True), 0), counts.pop((name, False), 0))
        if got != (wanted.real, wanted.synthetic):
            expected = f"{wanted.real:,} real and {wanted.synthetic:,} synthetic"
            found.problems.append(f"class {name!r} has {got[0]:,} real and {got[1]:,} synthetic rows, not {expected}")
    for (name, _), rows in counts.items():
        if rows:
            found.problems.append(f"class {name!r} with {rows:,} rows is not in the manifest")


def _count_boxes(table: pa.Table, manifest: Manifest, boxes: Counter[str]) -> None:
    """Count the objects of each category in the rows, without regard to the rows' own counts."""
    for column in manifest.columns:
        if column.role == "objects":
            categories = pc.list_flatten(table[column.name].combine_chunks()).field("category")
            for name in categories.value_counts():
                boxes[name["values"].as_py()] += name["counts"].as_py()


def _check_boxes(manifest: Manifest, boxes: Counter[str], found: Verification) -> None:
    for name, wanted in (manifest.boxes or {}).items():
        if boxes[name] != wanted.reached:
            found.problems.append(f"class {name!r} has {boxes[name]:,} boxes, the manifest says {wanted.reached:,}")


def _check_files(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Compare card, Croissant file and report with their hashes; older manifests do not list them."""
    for name, wanted in manifest.files.items():
        _check_file(folder, name, found, partial(_has_hash, wanted))
    if manifest.files:
        _check_file(folder, REPORT, found, lambda data: is_report_intact(data.decode(errors="replace"), manifest))


def _check_evaluation(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Compare an evaluation and its page, if there is one, with their seals and with this dataset.

    Nothing else names them, so an evaluation that was removed together with its page is not missed.
    """
    if not (folder.exists(EVALUATION) or folder.exists(EVALUATION_PAGE)):
        return
    data = _check_file(folder, EVALUATION, found, is_evaluation)
    evaluation = json.loads(data) if data else {}
    if data and not is_sealed_or_older(data, manifest.versions.get("makeweight")):
        found.problems.append(f"{EVALUATION} was changed since it was published: its seal is gone")
    if data and evaluation["content_hash"] != manifest.content_hash:
        found.problems.append(f"{EVALUATION} is of another dataset")
    _check_file(folder, EVALUATION_PAGE, found, partial(_has_hash, evaluation.get("page")))


def _has_hash(wanted: str | None, data: bytes) -> bool:
    """Whether the bytes have the wanted SHA-256; True if none was written down."""
    return wanted in (None, sha256(data))


def _check_file(folder: Folder, name: str, found: Verification, same: Callable[[bytes], bool]) -> bytes | None:
    """Return a file's bytes if `same` takes them for those published, else None; `found.problems` then says why."""
    try:
        if is_special_file(folder, name):
            found.problems.append(f"{name} is no file, but a pipe, socket or device")
            return None
        data = folder.read(name)
    except FileNotFoundError:
        found.problems.append(f"{name} is missing")
        return None
    except OutputError as error:  # it may not be read
        found.problems.append(str(error))
        return None
    if same(data):
        return data
    found.problems.append(f"{name} was changed since it was published")
    return None


def _check_links(folder: Folder, names: Iterable[str], found: Verification) -> None:
    """Report links: whoever writes to their targets changes what was published."""
    for name in names:
        if folder.is_link(name):
            found.problems.append(f"{name} is a link to what lies elsewhere, and not what was published")


def _check_foreign_files(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Report foreign files that a program which reads all Parquet files below a folder would take for shards."""
    known = shard_paths(manifest)
    try:
        names = folder.all_names()
    except OutputError as error:  # of what may not be read
        found.problems.append(str(error))
        return
    visible = (name for name in names if not name.startswith(".") and "/." not in name)
    strangers = {name for name in visible if name.startswith(f"{DATA}/") or name.endswith(PARQUET)} - known
    found.problems.extend(f"{name} is not in the manifest" for name in sorted(strangers))
