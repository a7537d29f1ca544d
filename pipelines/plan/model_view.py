"""Converts rows to what a generator sees, and back: no ids or constants, and `_stratum` for the `by` columns.

The stratum decides the `by` columns, so they are restored exactly, and the class of a synthetic row is never wrong.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.modality import modality_of_columns
from pipelines.source.id_forms import made_ids
from pipelines.source.stored_types import settled
from schemas.arrow import IMAGE, PRIVATE, STRATUM, arrow_type, source_schema
from schemas.errors import GeneratorError
from schemas.plan import Column, Plan, SampleRequest, SourceProfile
from schemas.stored import type_named


def modelled(profile: SourceProfile) -> list[Column]:
    """Return the columns that the generator learns and makes, in the source's order.

    A source of texts has only its text, a source of images the image and its boxes: see `Modality.learnt`.
    """
    roles = modality_of_columns(profile.columns).learnt
    return [column for column in profile.columns if column.role in roles and column.name not in profile.by]


def to_model(table: pa.Table, plan: Plan) -> pa.Table:
    """Return the rows that a generator is fitted on; `table` has the source's columns and `_stratum`."""
    view = table.select([column.name for column in modelled(plan.profile)])
    private = {column.name for column in plan.profile.columns if column.private}
    if plan.encoding or private:
        view = view.cast(pa.schema([_told(field, plan, field.name in private) for field in view.schema]))
    return view.append_column(pa.field(STRATUM, pa.string()), table[STRATUM].cast(pa.string()))


def _told(field: pa.Field, plan: Plan, private: bool) -> pa.Field:
    """Return the field with metadata on what the generator must know beside the type."""
    if field.type == IMAGE and plan.encoding:
        return field.with_metadata(plan.encoding)
    return field.with_metadata(PRIVATE) if private else field


def from_model(made: pa.Table, request: SampleRequest, plan: Plan) -> pa.Table:
    """Return the rows that a generator made with the source's columns and types.

    Columns that describe a real row beside its text (a date, a sender) are null in made rows.
    Raises GeneratorError if the generator did not keep to the request.
    """
    if made.num_rows != request.rows:
        problem = f"{made.num_rows} rows made of {request.rows} that were asked for"
        raise GeneratorError(f"generator {plan.generator.name!r}, class {request.stratum!r}: {problem}")
    stratum = plan.stratum(request.stratum)
    fixed = dict(zip(plan.by, stratum.key, strict=True))
    made_columns = modelled(plan.profile)
    columns = []
    for column in plan.profile.columns:
        if column.name in fixed:
            columns.append(_repeat(fixed[column.name], column, request.rows))
        elif column.role == "id":
            columns.append(fresh_ids(column, request, plan))
        elif column.role == "constant":
            columns.append(_repeat(column.constant, column, request.rows))
        elif column not in made_columns:
            columns.append(_repeat(None, column, request.rows))
        else:
            columns.append(_settled(_cast(made, column, plan), column))
    return pa.table(columns, schema=source_schema(plan.profile.columns))


def _settled(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    return pa.chunked_array([settled(values.combine_chunks(), column)]) if column.stored else values


def _cast(made: pa.Table, column: Column, plan: Plan) -> pa.ChunkedArray:
    try:
        return made[column.name].cast(arrow_type(column.type))
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        problem = f"column {column.name!r} is not of type {column.type}: {error}"
        raise GeneratorError(f"generator {plan.generator.name!r}: {problem}") from error


def _repeat(value: Any, column: Column, rows: int) -> pa.Array:
    wanted = arrow_type(column.type)
    if value is None:
        return pa.nulls(rows, wanted)
    return pa.repeat(pc.cast(pa.scalar(value), wanted), rows)


def fresh_ids(column: Column, request: SampleRequest, plan: Plan) -> pa.Array:
    """Return ids that no real row has and no other synthetic row gets."""
    position = np.arange(request.rows, dtype=np.int64) + request.chunk * request.rows
    number = position * len(plan.strata) + plan.numbers[request.stratum]
    if column.type != "int64":
        salt = f"{plan.seed} {plan.profile.content} {column.name}"
        made = made_ids(column.form, number.tolist(), ids_needed(plan), salt) if column.form else None
        return pa.array(made or [f"synthetic-{request.seed:016x}-{row}" for row in range(request.rows)], pa.string())
    first = int(column.maximum or 0) + 1
    if first + ids_needed(plan) >= 2**63:  # there is no room above the real ids
        return pa.array(int(column.minimum or 0) - 1 - number, pa.int64())
    return pa.array(first + number, pa.int64())


def ids_needed(plan: Plan) -> int:
    """Return an upper bound for the number of candidates of all strata."""
    most = max((stratum.make + 2 * stratum.chunk_rows for stratum in plan.strata), default=0)
    return int((most * plan.attempts_per_row + 1) * len(plan.strata))


def with_room_for_ids(plan: Plan) -> Plan:
    """Return the plan with wider id columns where their type has no room for the ids of made rows."""
    columns = [_with_room(column, plan) for column in plan.profile.columns]
    return plan.model_copy(update={"profile": plan.profile.model_copy(update={"columns": columns})})


def _with_room(column: Column, plan: Plan) -> Column:
    if column.role != "id" or column.type != "int64" or column.stored is None or not plan.makes_rows:
        return column
    last = int(column.maximum or 0) + ids_needed(plan)
    kind = type_named(column.stored)
    if pa.types.is_decimal(kind):
        room = last < 10 ** (kind.precision - kind.scale)
    else:
        room = last < 2 ** (kind.bit_width - pa.types.is_signed_integer(kind))
    if room:
        return column
    changed = f"{column.stored} in the source, int64 here, which has room for the ids of made rows"
    told = "; ".join(filter(None, [column.changed, changed]))
    return column.model_copy(update={"stored": None, "changed": told})
