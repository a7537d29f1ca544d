"""Checks a published dataset against its manifest: counts again, hashes again, and says which shard is wrong."""

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

from pipelines.dataset.beside import is_evaluation, is_pipe
from pipelines.dataset.ledger import WHOLE, is_open, shards_of
from pipelines.dataset.publish import is_sealed, read_manifest
from pipelines.dataset.seal import is_sealed_or_older, is_unbroken, sha256
from pipelines.dataset.versions import faults_beside, latest
from pipelines.dataset.write import content_hash, row_digests
from pipelines.source.exact import simple_rows
from pipelines.source.fingerprint import row_hashes
from pipelines.source.strata import stratum_column
from pipelines.storage.encryption import Key, read_key
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace, version_workspace
from pipelines.validate.memory import FingerprintSet
from schemas.arrow import dataset_schema
from schemas.errors import OutputError
from schemas.evaluation import EVALUATION, EVALUATION_PAGE
from schemas.manifest import CARD, DATA, MANIFEST, REPORT, Manifest, Shard
from schemas.versions import LATEST

PARQUET = (".parquet", ".pq", ".parq")
"""How the names of files end that readers take for Parquet."""


@dataclass
class Verification:
    """What was found: `problems` is empty when the dataset is what its manifest says; `key` opens the shards."""

    manifest: Manifest
    key: Key | None = None
    problems: list[str] = field(default_factory=list)
    rows: int = 0


def verify(path: str) -> Verification:
    """Read every shard of the dataset at `path`, one in memory at a time, and compare it with the manifest.

    Of a dataset with versions that is the newest.
    """
    folder = latest(path)
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
            _count(table, manifest, counts)
            _count_boxes(table, manifest, boxes)
            digests.append(row_digests(table))
            _refuse_repeated(table, ids, shard, found)
            found.rows += table.num_rows
    _compare_counts(manifest, counts, found)
    _compare_boxes(manifest, boxes, found)
    if not found.problems and content_hash(dataset_schema(manifest.columns), digests) != manifest.content_hash:
        found.problems.append("content_hash differs: the rows are not those that were published, or not in that order")
    _compare_manifest(folder, manifest, found)
    _compare_files(folder, manifest, found)
    _compare_evaluation(folder, manifest, found)
    _find_strangers(folder, manifest, found)
    _find_links(folder, (*WHOLE, DATA), found)
    if folder.path != path:
        _find_links(Folder(path), (LATEST, CARD, os.path.basename(folder.inner())), found)
        found.problems.extend(faults_beside(Folder(path)))
    if found.problems and is_open(_place(path, folder)):
        found.problems.append("a build was stopped while it published here: run the same command again, and look again")
    return found


def _compare_manifest(folder: Folder, manifest: Manifest, found: Verification) -> None:
    data = folder.read(MANIFEST)
    if not is_unbroken(data):
        found.problems.append(f"{MANIFEST} was changed since it was published")
    elif not is_sealed_or_older(data, manifest.versions.get("makeweight")):
        found.problems.append(f"{MANIFEST} was changed since it was published: its seal is gone")


def _place(path: str, folder: Folder) -> Workspace:
    """Return the folders of the build that published here; nothing of them but their names is known."""
    if folder.path == path:
        return Workspace(folder, "")
    return version_workspace(Folder(path), os.path.basename(folder.inner()))


def _read_shard(folder: Folder, shard: Shard, found: Verification) -> pa.Table | None:
    """Return the shard's rows, or nothing when it is not what was published; the reason is then in `problems`."""
    try:
        return _checked_shard(folder, shard, found)
    except OutputError as error:  # it may not be read
        found.problems.append(str(error))
        return None


def _checked_shard(folder: Folder, shard: Shard, found: Verification) -> pa.Table | None:
    """Return the same; raises OutputError for what may not be read."""
    if folder.is_link(shard.path):
        found.problems.append(f"{shard.path} is a link to a file elsewhere, and not the one that was published")
    if is_pipe(folder, shard.path):
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


def _count(table: pa.Table, manifest: Manifest, counts: Counter[tuple[str, bool]]) -> None:
    strata = stratum_column(simple_rows(table, manifest.columns), manifest.by, manifest.class_values)
    names = strata.dictionary.to_pylist()
    codes = np.asarray(strata.indices)
    real = np.asarray(pc.equal(table["_origin"], "real"))
    for is_real in (True, False):
        for code, rows in enumerate(np.bincount(codes[real == is_real], minlength=len(names))):
            counts[names[code], is_real] += int(rows)


def _refuse_repeated(table: pa.Table, ids: FingerprintSet, shard: Shard, found: Verification) -> None:
    repeated = int(np.count_nonzero(~ids.admit(row_hashes(table.select(["_id"])))))
    if repeated:
        found.problems.append(f"{shard.path} repeats {repeated:,} row ids")


def _compare_counts(manifest: Manifest, counts: Counter[tuple[str, bool]], found: Verification) -> None:
    for name, wanted in manifest.counts.items():
        got = (counts.pop((name, True), 0), counts.pop((name, False), 0))
        if got != (wanted.real, wanted.synthetic):
            expected = f"{wanted.real:,} real and {wanted.synthetic:,} synthetic"
            found.problems.append(f"class {name!r} has {got[0]:,} real and {got[1]:,} synthetic rows, not {expected}")
    for (name, _), rows in counts.items():
        if rows:
            found.problems.append(f"class {name!r} with {rows:,} rows is not in the manifest")


def _count_boxes(table: pa.Table, manifest: Manifest, boxes: Counter[str]) -> None:
    """Count the objects themselves, not what the row says of them."""
    for column in manifest.columns:
        if column.role == "objects":
            categories = pc.list_flatten(table[column.name].combine_chunks()).field("category")
            for name in categories.value_counts():
                boxes[name["values"].as_py()] += name["counts"].as_py()


def _compare_boxes(manifest: Manifest, boxes: Counter[str], found: Verification) -> None:
    for name, wanted in (manifest.boxes or {}).items():
        if boxes[name] != wanted.reached:
            found.problems.append(f"class {name!r} has {boxes[name]:,} boxes, the manifest says {wanted.reached:,}")


def _compare_files(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Compare card, Croissant file and report with what was published; older manifests do not list them."""
    for name, wanted in manifest.files.items():
        _compare(folder, name, found, partial(_has_hash, wanted))
    if manifest.files:
        _compare(folder, REPORT, found, lambda data: is_sealed(data.decode(errors="replace"), manifest))


def _compare_evaluation(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Compare an evaluation and its page, where there is one, with what was written, and with this dataset.

    Nothing else names them, so that nothing tells of an evaluation that was removed together with its page.
    """
    if not (folder.exists(EVALUATION) or folder.exists(EVALUATION_PAGE)):
        return
    data = _compare(folder, EVALUATION, found, is_evaluation)
    told = json.loads(data) if data else {}
    if data and not is_sealed_or_older(data, manifest.versions.get("makeweight")):
        found.problems.append(f"{EVALUATION} was changed since it was published: its seal is gone")
    if data and told["content_hash"] != manifest.content_hash:
        found.problems.append(f"{EVALUATION} is of another dataset")
    _compare(folder, EVALUATION_PAGE, found, partial(_has_hash, told.get("page")))


def _has_hash(wanted: str | None, data: bytes) -> bool:
    """Whether these bytes have the hash that was written down, if one was."""
    return wanted in (None, sha256(data))


def _compare(folder: Folder, name: str, found: Verification, same: Callable[[bytes], bool]) -> bytes | None:
    """Return a file's bytes if they are the `same` as were published; what is wrong is then in `problems`."""
    try:
        if is_pipe(folder, name):
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


def _find_links(folder: Folder, names: Iterable[str], found: Verification) -> None:
    """Find what lies elsewhere, where who writes there changes it."""
    for name in names:
        if folder.is_link(name):
            found.problems.append(f"{name} is a link to what lies elsewhere, and not what was published")


def _find_strangers(folder: Folder, manifest: Manifest, found: Verification) -> None:
    """Find what programs that take all Parquet files below a folder would read as rows of this dataset."""
    known = shards_of(manifest)
    try:
        names = folder.all_names()
    except OutputError as error:  # of what may not be read
        found.problems.append(str(error))
        return
    visible = (name for name in names if not name.startswith(".") and "/." not in name)
    strangers = {name for name in visible if name.startswith(f"{DATA}/") or name.endswith(PARQUET)} - known
    found.problems.extend(f"{name} is not in the manifest" for name in sorted(strangers))
