"""Names the Arrow types that columns of a source may have, also those that makeweight does not compute with.

A name is `str(type)` if the type can be read from it; otherwise the name contains the bytes of the type.
"""

import base64
import re
from collections.abc import Callable

import pyarrow as pa

_PLAIN = {
    str(kind): kind
    for kind in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null(), pa.date32(), pa.date64()),
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()),
        *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    )
}
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}
_PATTERNS: dict[str, Callable[..., pa.DataType]] = {
    r"decimal(32|64|128|256)\((\d+), (-?\d+)\)": lambda bits, *digits: _DECIMALS[bits](*map(int, digits)),
    r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]": pa.timestamp,
    r"fixed_size_binary\[(\d+)\]": lambda width: pa.binary(int(width)),
}
_BYTES = "arrow:"


def type_name(kind: pa.DataType) -> str:
    """Return the name of the type, which `type_named` reads."""
    name = str(kind)
    try:
        known = type_named(name) == kind
    except (KeyError, ValueError, pa.ArrowInvalid):
        known = False
    if known:
        return name
    schema = pa.schema([pa.field("x", kind)]).serialize()
    return _BYTES + base64.b64encode(schema.to_pybytes()).decode()


def type_named(name: str) -> pa.DataType:
    """Return the Arrow type of that name; raises KeyError for any other."""
    if name.startswith(_BYTES):
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(name.removeprefix(_BYTES)))).field(0).type
    for pattern, make in _PATTERNS.items():
        if found := re.fullmatch(pattern, name):
            return make(*found.groups())
    return _PLAIN[name]


def shown_type(name: str) -> str:
    """Return the name of a type in the form that messages show."""
    return str(type_named(name)) if name.startswith(_BYTES) else name
