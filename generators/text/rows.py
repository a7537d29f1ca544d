"""Tables of a text and its class: the input and output of every generator of texts. Knows no model."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.arrow import PARENT_ROW
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest


def text_name(table: pa.Table, label: str) -> str:
    """Return the name of the text column; raises GeneratorError if the table is not a text and a class."""
    names = [name for name in table.column_names if name != label]
    if len(names) != 1 or not pa.types.is_string(table.schema.field(names[0]).type):
        raise GeneratorError(
            f"a generator of texts learns from one text column beside the class {label!r}, got {names}; leave the"
            " other columns out, or name the text with source.text"
        )
    return str(names[0])


def texts_of(table: pa.Table, label: str) -> list[str]:
    """Return the texts in order; raises GeneratorError if one is missing."""
    column = table[text_name(table, label)]
    if column.null_count:
        raise GeneratorError(f"{column.null_count:,} texts are missing; leave those rows out (source.missing_text)")
    return list(column.to_pylist())


def text_table(
    schema: pa.Schema,
    label: str,
    request: SampleRequest,
    texts: Sequence[str] | pa.Array,
    parents: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Return the request's rows as a table of `schema`, with `_parent_row` if `parents` are given."""
    columns = {label: pa.repeat(pa.scalar(request.stratum, pa.string()), request.rows)}
    table = pa.table([columns.get(name, pa.array(texts, pa.string())) for name in schema.names], schema=schema)
    return table if parents is None else table.append_column(PARENT_ROW, pa.array(parents, pa.int64()))


def string_schema(names: Sequence[str]) -> pa.Schema:
    """Return the schema of string columns of these names."""
    return pa.schema([pa.field(name, pa.string()) for name in names])
