"""Makes one chunk: sample, validate, stage. Knows one fitted generator and the fitted validators, but no Ray.

A chunk that is already staged is read instead of made again: so a killed build continues.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.base import Generator
from pipelines.fill.loop import ChunkResult
from pipelines.plan.model_view import fresh_ids, from_model
from pipelines.source.ingest import fingerprint
from pipelines.storage.folder import Folder
from pipelines.validate.base import Batch, Sketching, Validator, explain_validator_errors, reasons_of
from schemas.arrow import CARRIED, PARENT_ROW, REASON, ROW, STRATUM
from schemas.errors import DamageError
from schemas.plan import Plan, SampleRequest

REJECTED = "rejected"
SHOWN_CHUNKS, SHOWN_ROWS = 2, 8
"""Of so many first chunks of each stratum, so many rejected rows are kept for the report."""


@dataclass(frozen=True)
class ChunkMaker:
    """Serves requests with a fitted generator and fitted validators; stages the rows that pass in `staged`.

    `parents` holds the source row of each row that the generator was fitted on (int64). The first chunks of a stratum
    may be rows of an earlier version, from `carried`; the validators check them like any others.
    """

    plan: Plan
    generator: Generator
    validators: Sequence[Validator]
    parents: NDArray[np.int64]
    staged: Folder
    carried: Folder

    def make(self, request: SampleRequest) -> ChunkResult:
        """Return the chunk's counts and sketches, once its rows are in the staged file."""
        try:
            return read_result(self.staged, request)
        except DamageError as damage:
            return self._make(request, remade=not damage.gone)

    def _make(self, request: SampleRequest, remade: bool) -> ChunkResult:
        made = self._sample_candidates(request)
        table = made.select([column.name for column in self.plan.profile.columns])
        prints = fingerprint(table, self.plan) if self.validators else np.zeros(table.num_rows, np.uint64)
        parents = np.asarray(made[PARENT_ROW]) if PARENT_ROW in made.column_names else None
        batch = Batch(table, prints, request.stratum, parents)
        keep, rejected, shown = self._check(batch)
        passed = _select(batch, keep)
        sketches = tuple(v.sketch(passed) for v in self.validators if isinstance(v, Sketching))
        counts = (batch.table.num_rows, len(keep), rejected)
        result = ChunkResult(request.stratum, request.chunk, *counts, sketches, remade)
        if shown and request.chunk < SHOWN_CHUNKS:
            self.staged.write_arrow(_name(request, REJECTED), _rejected_rows(batch, shown))
        rows = passed.table.append_column(ROW, pa.array(keep))
        for name in (name for name in (PARENT_ROW, *CARRIED) if name in made.column_names):
            rows = rows.append_column(name, made[name].take(pa.array(keep)))
        self.staged.write_arrow(_name(request), _with_sketches(rows, result))
        return result

    def _sample_candidates(self, request: SampleRequest) -> pa.Table:
        """Return the request's rows: the source's columns, and `_parent_row` where each was made from a real row."""
        if request.chunk < self.plan.stratum(request.stratum).carried:
            return self._read_carried(request)
        made = self.generator.sample(request)
        table = from_model(made, request, self.plan)
        if PARENT_ROW not in made.column_names:
            return table
        return table.append_column(PARENT_ROW, pa.array(self.parents[np.asarray(made[PARENT_ROW])]))

    def _read_carried(self, request: SampleRequest) -> pa.Table:
        """Return rows of an earlier version, with new ids, since newer real rows may have their ids."""
        rows = self.carried.read_arrow(_name(request))
        for number, column in enumerate(self.plan.profile.columns):
            if column.role == "id":
                ids = fresh_ids(column, request, self.plan).slice(0, rows.num_rows)
                rows = rows.set_column(number, rows.schema.field(number), ids)
        return rows.drop_columns(PARENT_ROW) if rows[PARENT_ROW].null_count else rows

    def _check(self, batch: Batch) -> tuple[NDArray[np.int32], dict[str, int], list[tuple[int, str]]]:
        """Return the rows that every validator keeps, the reasons of the others, and some of these by position."""
        alive = np.arange(batch.table.num_rows, dtype=np.int32)
        reasons: Counter[str] = Counter()
        shown: list[tuple[int, str]] = []
        for step, validator in zip(self.plan.validators, self.validators, strict=True):
            if not len(alive):
                break
            with explain_validator_errors(step.name, "check"):
                verdict = validator.check(_select(batch, alive))
            lost = alive[~verdict.keep]
            reasons.update(reasons_of(validator.name, len(lost), verdict.details))
            shown.extend((int(row), validator.name) for row in lost[:SHOWN_ROWS])
            alive = alive[verdict.keep]
        return alive, dict(reasons), shown


def _select(batch: Batch, rows: NDArray[np.int32]) -> Batch:
    if len(rows) == batch.table.num_rows:
        return batch
    sources = None if batch.rows is None else batch.rows[rows]
    return Batch(batch.table.take(pa.array(rows)), batch.fingerprints[rows], batch.stratum, sources)


def _name(request: SampleRequest, kind: str = "rows") -> str:
    return staged_name(request.stratum, request.chunk, kind)


def staged_name(stratum: str, chunk: int, kind: str = "rows") -> str:
    """Return the name of the staged file; the folder is a hash of the class's name, which may be any text."""
    import xxhash

    return f"{xxhash.xxh3_128_hexdigest(stratum.encode())}/{chunk:08d}.{kind}.arrow"


def _with_sketches(table: pa.Table, result: ChunkResult) -> pa.Table:
    """Return the rows with their sketches; the counts are in the schema's metadata."""
    for number, sketch in enumerate(result.sketches):
        column = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(sketch.itemsize * (sketch.shape[1] if sketch.ndim > 1 else 1)),
            len(sketch),
            [None, pa.py_buffer(np.ascontiguousarray(sketch))],
        )
        table = table.append_column(f"_sketch{number}", column)
    shapes = [[sketch.dtype.str, list(sketch.shape)] for sketch in result.sketches]
    counts = {"sampled": result.sampled, "rejected": dict(result.rejected), "sketches": shapes}
    return table.replace_schema_metadata({"makeweight": json.dumps(counts)})


def _rejected_rows(batch: Batch, shown: list[tuple[int, str]]) -> pa.Table:
    rows = batch.table.take(pa.array([row for row, _ in shown], pa.int32()))
    rows = rows.append_column(STRATUM, pa.repeat(pa.scalar(batch.stratum), len(shown)))
    return rows.append_column(REASON, pa.array([reason for _, reason in shown], pa.string()))


def read_result(folder: Folder, request: SampleRequest) -> ChunkResult:
    """Return the result in a staged chunk; raises DamageError if the chunk is missing or damaged."""
    table = folder.read_arrow(_name(request))
    counts: dict[str, Any] = json.loads(table.schema.metadata[b"makeweight"])
    sketches = tuple(
        np.frombuffer(table[f"_sketch{i}"].combine_chunks().buffers()[1], np.dtype(dtype)).reshape(shape).copy()
        for i, (dtype, shape) in enumerate(counts["sketches"])
    )
    return ChunkResult(request.stratum, request.chunk, counts["sampled"], table.num_rows, counts["rejected"], sketches)
