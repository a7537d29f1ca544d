"""Draws the rows to measure from streams: equally many of each class on every side. Knows no measure.

Figures of sets depend on the number of rows and on the mix of classes, so that figures of made rows alone say little.
The real rows of each class are therefore split into two halves: one is the reference, the other is measured in place of
made rows. Its figures are those of a perfect generator.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.classes import rows_by_class
from pipelines.fit.even_sample import draw_evenly
from pipelines.plan.seeds import derive_seed
from pipelines.source.strata import stratum_column
from pipelines.validate.sample import quota
from schemas.arrow import ROW, STRATUM, source_schema
from schemas.manifest import Manifest

ID, PARENT = "_id", "_parent"


@dataclass(frozen=True)
class Drawn:
    """Rows with the source's columns, `_stratum` and `_id`; made rows also have `_parent`.

    `parents` holds the real rows from which the made ones were made, each once.
    """

    real: pa.Table
    made: pa.Table
    parents: pa.Table


@dataclass(frozen=True)
class Sides:
    """Three tables with the same number of rows of each class: two halves of the real rows, and made rows."""

    reference: pa.Table
    real: pa.Table
    made: pa.Table

    @property
    def rows(self) -> int:
        """The number of rows of each side."""
        return int(self.made.num_rows)


def draw(
    manifest: Manifest, real: Iterable[pa.Table], published: Iterable[pa.Table], rows: int, seed: int, *, whole: bool
) -> Drawn:
    """Draw made rows from the published ones, twice as many real rows of the same classes, and the parents.

    `real` holds the source's columns and `_row`, their position; `published` the rows of the shards. Classes without
    made rows are left out of the real ones unless `whole`.
    """
    schema = source_schema(manifest.columns).append(pa.field(ID, pa.string())).append(pa.field(STRATUM, pa.string()))
    made_schema = schema.append(pa.field(PARENT, pa.string()))
    streams = chain([made_schema.empty_table()], _select_made(published, manifest, made_schema))
    made = draw_evenly(streams, rows, derive_seed(seed, "fidelity", "made"))
    wanted, strata = (pc.unique(made[name].combine_chunks()).drop_null() for name in (PARENT, STRATUM))
    parents: list[pa.Table] = [schema.empty_table()]

    def streamed() -> Iterator[pa.Table]:
        yield schema.empty_table()
        for table in real:
            identified = _identify_rows(table, manifest, schema)
            parents.append(identified.filter(pc.is_in(identified[ID], wanted)))
            yield identified if whole else identified.filter(pc.is_in(identified[STRATUM], strata))

    drawn = draw_evenly(streamed(), 2 * rows, derive_seed(seed, "fidelity", "real"))
    return Drawn(drawn, made, pa.concat_tables(parents).combine_chunks())


def _select_made(published: Iterable[pa.Table], manifest: Manifest, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the made rows with their class."""
    for table in published:
        rows = table.filter(pc.not_equal(table["_origin"], "real"))
        yield _cast_to(rows.append_column(STRATUM, stratum_column(rows, manifest.by, manifest.class_values)), schema)


def _identify_rows(table: pa.Table, manifest: Manifest, schema: pa.Schema) -> pa.Table:
    """Return real rows with their class and the ids that published rows have."""
    ids = pc.binary_join_element_wise("real", table[ROW].cast(pa.string()), "-")
    known = table.select([column.name for column in manifest.columns]).append_column(ID, ids)
    return _cast_to(known.append_column(STRATUM, stratum_column(table, manifest.by, manifest.class_values)), schema)


def _cast_to(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table([table[field.name].cast(field.type) for field in schema], schema=schema)


def even_sides(drawn: Drawn, rows: int, seed: int) -> Sides:
    """Return sides of at most about `rows` rows; each class has as many as it has made rows, or half its real rows.

    Classes without made rows, or with fewer than two real ones, are left out.
    """
    real, made = rows_by_class(drawn.real[STRATUM]), rows_by_class(drawn.made[STRATUM])
    both = [name for name in made if len(real.get(name, ())) > 1]
    sizes = np.array([min(len(real[name]) // 2, len(made[name])) for name in both], np.int64)
    most = quota(sizes, rows)
    members: list[list[NDArray[np.int64]]] = [[], [], []]
    for name, size in zip(both, np.minimum(sizes, most), strict=True):
        rng = np.random.default_rng(derive_seed(seed, "sides", name))
        shuffled = rng.permutation(real[name])
        members[0].append(shuffled[:size])
        members[1].append(shuffled[size : 2 * size])
        members[2].append(rng.permutation(made[name])[:size])
    tables = (drawn.real, drawn.real, drawn.made)
    reference, other, new = (_take_members(table, where) for table, where in zip(tables, members, strict=True))
    return Sides(reference, other, new)


def _take_members(table: pa.Table, members: list[NDArray[np.int64]]) -> pa.Table:
    return table.take(pa.array(np.concatenate([np.zeros(0, np.int64), *members])))


def by_class(table: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of each class; the classes are sorted by name."""
    return {name: table.take(pa.array(members)) for name, members in rows_by_class(table[STRATUM]).items()}
