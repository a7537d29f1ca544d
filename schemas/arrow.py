"""Arrow types and the provenance columns that every published row carries."""

import pyarrow as pa

from schemas.plan import Column

STRATUM = "_stratum"
"""Name of the column, seen by generators alone, that holds each row's stratum."""

ROW = "_row"
"""Name of the column that holds a row's position: of a real row in the source, of a made one in its chunk."""
PARENT_ROW = "_parent_row"
"""Name of the column in which an augmenting generator says which row of its fitted table a row was made from."""

PROVENANCE = pa.schema(
    [
        pa.field("_id", pa.string(), nullable=False),
        pa.field("_origin", pa.string(), nullable=False),
        pa.field("_generator", pa.string()),
        pa.field("_seed", pa.int64()),
        pa.field("_parent", pa.string()),
    ]
)
"""`_id` unique row id; `_origin` real, synthetic or augmented; `_generator`, `_seed` (the request's) and `_parent`
(the real row an augmented one was made from) are null where they do not apply."""

_TIMES = (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
_TYPES = {str(t): t for t in (pa.int64(), pa.float64(), pa.bool_(), pa.string(), *_TIMES)}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type that `str(type)` names; raises KeyError for one that makeweight does not use."""
    return _TYPES[name]


def source_schema(columns: list[Column]) -> pa.Schema:
    """Return the schema of the source's own columns, all nullable."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])


def dataset_schema(columns: list[Column]) -> pa.Schema:
    """Return the schema of the published rows: the source's columns, then provenance."""
    return pa.schema([*source_schema(columns), *PROVENANCE])
