"""Cell types: which Arrow type a column of texts has, and how a text is read as that type.

The type of a column is the join of the types of its cells, so that it does not depend on how a file is cut into blocks:
null < int64 < double, null < date32 < timestamp, and whatever else meets is a string, with the original text kept.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import NO_TEXT
from pipelines.source.cells import texts as array_of
from pipelines.source.stored_types import nearest
from schemas.arrow import arrow_type

NULL = "null"
INTEGER, NUMBER, BOOLEAN, STRING = "int64", "double", "bool", "string"
DATE, TIMESTAMP, ZONED = "date32[day]", "timestamp[us]", "timestamp[us, tz=UTC]"

_WIDER = {frozenset((INTEGER, NUMBER)): NUMBER, frozenset((DATE, TIMESTAMP)): TIMESTAMP}
_CANDIDATES = {
    NULL: (INTEGER, NUMBER, BOOLEAN, DATE, TIMESTAMP, ZONED),
    INTEGER: (INTEGER, NUMBER),
    NUMBER: (NUMBER,),
    BOOLEAN: (BOOLEAN,),
    DATE: (DATE, TIMESTAMP),
    TIMESTAMP: (TIMESTAMP,),
    ZONED: (ZONED,),
    STRING: (),
}
DECLARED = {
    "integer": (INTEGER,),
    "number": (NUMBER,),
    "boolean": (BOOLEAN,),
    "date": (DATE,),
    "timestamp": (TIMESTAMP, ZONED),
    "string": (STRING,),
    "category": (STRING,),
}
"""The Arrow types that a type of `source.types` stands for; `id` says nothing of the type."""

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_CODE = r"^[+-]?0[0-9xX]|^\+[0-9]{8,}$"
"""What is written like a number and is none: zeros in front, and an international telephone number."""
_LONGEST = 40
"""Characters of a whole number that is written with a point or an exponent, at most."""
_HEAD = 64
"""Texts that are tried first: a cast that fails is slow, since it words an error for every cell."""
_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31: what Python and ISO 8601 can write


def join(one: str, other: str) -> str:
    """Return the narrowest type that holds the cells of both types."""
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    return _WIDER.get(frozenset((one, other)), STRING)


def infer(texts: pa.Array, so_far: str = NULL) -> tuple[str, pa.Array]:
    """Return the type of a block of texts, joined with the type of those before it, and the texts as that type.

    A cell is a number only if its text is how one writes a number: `00123` keeps its zeros and stays text, and so do
    `+4917012345`, a telephone number, and an integer that int64 cannot hold, which a double would round. Dates and
    times are those of ISO 8601.
    """
    if texts.null_count == len(texts):
        return so_far, texts
    head = texts.drop_null().slice(0, _HEAD)
    for candidate in _CANDIDATES[so_far]:
        if _as_written(head, candidate) is None:
            continue
        values = _as_written(texts, candidate)
        if values is not None:
            return join(so_far, candidate), values
    return STRING, texts


def convert(cells: pa.Array, name: str) -> pa.Array | None:
    """Return the cells, texts or typed ones, as the type of that name; None if one of them does not fit.

    More is read than `infer` takes for the type by itself: `yes` and `0` as booleans, `3.0` and `007` as integers.
    """
    target = arrow_type(name)
    if cells.type == target:
        return cells
    try:
        if pa.types.is_string(cells.type):
            return _READERS.get(name, _cast)(cells, target)
        if target == pa.bool_():
            return _read_boolean(cells.cast(pa.string()), target)
        if pa.types.is_timestamp(cells.type) and pa.types.is_timestamp(target):
            return cells.cast(target, safe=False)
        if pa.types.is_decimal(cells.type) and target == pa.float64():
            return nearest(cells)
        if pa.types.is_integer(cells.type) and target == pa.float64():
            return cells.cast(target, safe=False)
        return cells.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
        return None


def misfits(cells: pa.Array, names: tuple[str, ...]) -> pa.Array:
    """Return the distinct cells that fit none of the types."""
    unique = cells.drop_null().unique()
    fits = [any(convert(unique.slice(at, 1), name) is not None for name in names) for at in range(len(unique))]
    return unique.filter(pc.invert(pa.array(fits, pa.bool_())))


def _as_written(texts: pa.Array, name: str) -> pa.Array | None:
    if name == BOOLEAN and not pc.all(pc.is_in(pc.ascii_lower(texts.drop_null()), array_of(("true", "false")))).as_py():
        return None
    read = _cast_signed if name == INTEGER else _READERS[name]
    try:
        values = read(texts, arrow_type(name))
    except pa.ArrowInvalid:
        return None
    if name in (INTEGER, NUMBER) and values is not None and _is_code(texts, name):
        return None
    return values


def _is_code(texts: pa.Array, name: str) -> bool:
    """Whether a text that can be read as a number is none: `007`, `0x1F`, `+4917012345`, or 20 digits in a row."""
    zeros = pc.or_(pc.starts_with(texts, "0"), pc.starts_with(texts, "-0"))
    if name == NUMBER:  # most zeros in front stand before a point: those are looked at no closer
        zeros = pc.and_not(zeros, pc.or_(pc.starts_with(texts, "0."), pc.starts_with(texts, "-0.")))
    led = texts.filter(pc.or_(zeros, pc.starts_with(texts, "+")))
    if len(led) and pc.any(pc.match_substring_regex(led, _CODE)).as_py():
        return True
    if name == INTEGER or pc.max(pc.binary_length(texts)).as_py() < 19:
        return False
    digits = texts.filter(pc.match_substring_regex(texts, r"^[+-]?[0-9]{19,}$"))
    return len(digits) > 0 and convert(digits, INTEGER) is None


def _cast(texts: pa.Array, target: pa.DataType) -> pa.Array:
    return texts.cast(target)


def _cast_signed(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Read whole numbers, `+5` among them, which the kernel does not know."""
    return without_plus(texts).cast(target)


def without_plus(texts: pa.Array) -> pa.Array:
    """Return the texts with `5` for `+5`."""
    if not pc.any(pc.starts_with(texts, "+")).as_py():
        return texts
    return pc.replace_substring_regex(texts, r"^\+([0-9])", r"\1")


def _read_integer(texts: pa.Array, target: pa.DataType) -> pa.Array:
    texts = without_plus(texts)
    try:
        return texts.cast(target)
    except pa.ArrowInvalid:
        return _whole(texts, target)


def _whole(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Read `3.0` or `2e3` among integers, to the last digit."""
    texts = pc.replace_substring_regex(texts, r"^([+-]?[0-9]+)\.0*$", r"\1")
    whole = pc.match_substring_regex(texts, r"^-?[0-9]+$")
    plain = pc.if_else(whole, texts, NO_TEXT).cast(target)
    others = pc.if_else(whole, NO_TEXT, texts)
    if others.null_count == len(others):
        return plain
    found = others.unique()
    numbers = pa.array([None if text is None else _exact(text) for text in found.to_pylist()], target)
    return pc.coalesce(plain, numbers.take(pc.index_in(others, value_set=found)))


def _exact(text: str) -> int:
    """Return the whole number that a text like `2e3` writes; raises ArrowInvalid for any other text or number."""
    try:
        number = Decimal(text) if len(text) <= _LONGEST else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number.adjusted() > _LONGEST or number != number.to_integral_value():
        raise pa.ArrowInvalid(f"{text[:_LONGEST]!r} is no whole number")
    return int(number)


def _read_number(texts: pa.Array, target: pa.DataType) -> pa.Array | None:
    values = texts.cast(target)
    return None if pc.any(pc.is_nan(values)).as_py() else values


def _read_boolean(texts: pa.Array, target: pa.DataType) -> pa.Array | None:
    lowered = pc.ascii_lower(texts)
    true = pc.is_in(lowered, array_of(_TRUE))
    known = pc.or_(true, pc.is_in(lowered, array_of(_FALSE)))
    if not pc.all(pc.or_(known, texts.is_null())).as_py():
        return None
    return pc.if_else(texts.is_valid(), true, pa.nulls(1, target)[0])


def _read_time(texts: pa.Array, target: pa.DataType) -> pa.Array | None:
    values = texts.cast(target)
    return values if in_range(values) else None


def in_range(values: pa.Array) -> bool:
    """Whether dates or times lie in the years 1 to 9999."""
    if values.null_count == len(values):
        return True
    span = pc.min_max(values.cast(pa.int32() if pa.types.is_date(values.type) else pa.int64()))
    unit = 1 if pa.types.is_date(values.type) else _DAY
    return bool(span["min"].as_py() >= _FIRST_DAY * unit and span["max"].as_py() < (_LAST_DAY + 1) * unit)


_READERS: dict[str, Callable[[pa.Array, pa.DataType], pa.Array | None]] = {
    INTEGER: _read_integer,
    NUMBER: _read_number,
    BOOLEAN: _read_boolean,
    DATE: _read_time,
    TIMESTAMP: _read_time,
    ZONED: _read_time,
}
