"""Arrow types and the provenance columns that every published row carries."""

import json
from collections.abc import Mapping

import pyarrow as pa

from schemas.plan import Column
from schemas.stored import type_named

STRATUM = "_stratum"
"""Name of the column, seen by generators alone, that holds each row's stratum."""

REASON = "_reason"
"""Name of the column that says why a candidate was rejected."""

ROW = "_row"
"""Name of the column that holds a row's position: of a real row in the source, of a made one in its chunk."""
PARENT_ROW = "_parent_row"
"""Name of the column in which an augmenting generator says which row of its fitted table a row was made from."""

PRIVATE = {"private": "true"}
"""Metadata, seen only by generators, of a field whose rare values no made row may show."""

SHARED = 10
"""The fewest real rows with a value of a private column for which a made row may show it."""

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

CARRIED = ("_id", "_generator", "_seed")
"""Provenance columns, beside the parent, that a made row keeps from version to version."""

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""An encoded image and the name of its file: the struct that Hugging Face's `datasets` decodes by itself.

In the tables that generators are fitted on, the field's metadata gives the encoding of made images: `format` (`png`,
`jpeg` or `webp`; the default is png) and `quality` (of jpeg and webp, 1 to 100)."""

BBOX = pa.list_(pa.float32(), 4)
"""A box as COCO writes it: x and y of its upper left corner, width, height, in pixels."""

RLE = pa.struct([pa.field("size", pa.list_(pa.int32(), 2)), pa.field("counts", pa.string())])
"""A mask as COCO's compressed run lengths: `size` is height and width."""

OBJECTS = pa.list_(pa.struct([pa.field("bbox", BBOX), pa.field("category", pa.string())]))
"""The objects in an image, each a box and its class."""

MASKED_OBJECTS = pa.list_(pa.struct([*OBJECTS.value_type, pa.field("segmentation", RLE)]))
"""The objects in an image, each a box, its class, and a mask or null."""

_TIMES = (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
_TYPES = {str(t): t for t in (pa.int64(), pa.float64(), pa.bool_(), pa.string(), *_TIMES)}
_DTYPES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "date32[day]": "date32",
    "timestamp[us, tz=UTC]": "timestamp[us, tz=UTC]",
}
NESTED: dict[str, pa.DataType] = {"image": IMAGE, "objects": OBJECTS, "masked objects": MASKED_OBJECTS}
"""The types of images and of the objects marked in them, by their names in a plan."""


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type that `str(type)` or `NESTED` names; raises KeyError for any other."""
    return NESTED.get(name) or _TYPES[name]


def source_schema(columns: list[Column]) -> pa.Schema:
    """Return the schema of the source's columns with the types that makeweight computes with, all nullable."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])


def published_schema(columns: list[Column]) -> pa.Schema:
    """Return the schema of the source's columns with the types of the dataset, all nullable."""
    kinds = [type_named(column.stored) if column.stored else arrow_type(column.type) for column in columns]
    return pa.schema([pa.field(column.name, kind) for column, kind in zip(columns, kinds, strict=True)])


def dataset_schema(columns: list[Column], says: Mapping[str, str | bool] | None = None) -> pa.Schema:
    """Return the schema of the published rows: the source's columns, then provenance.

    For images and for classes with names, its metadata describes the columns to Hugging Face's `datasets`. The facts
    about the dataset in `says` are in the metadata too, as JSON under `makeweight`.
    """
    schema = pa.schema([*published_schema(columns), *PROVENANCE])
    metadata = {"makeweight": json.dumps(says, sort_keys=True)} if says else {}
    named = {column.name: column.names for column in columns if column.names}
    if named or any(column.type in NESTED for column in columns):
        features = {field.name: _feature(field.type) for field in schema}
        features |= {name: {"names": names, "_type": "ClassLabel"} for name, names in named.items()}
        metadata["huggingface"] = json.dumps({"info": {"features": features}})
    return schema.with_metadata(metadata or None)


def _feature(kind: pa.DataType) -> dict[str, object]:
    """Return an Arrow type in the form that `datasets.Features.from_dict` reads."""
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_dictionary(kind):
        return _feature(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": _DTYPES.get(str(kind), str(kind)), "_type": "Value"}
