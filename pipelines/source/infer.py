"""Infers the Arrow type of a column of texts, and converts texts to it.

The type of a column is the join of its cells' types, so it does not depend on how a file is cut into blocks:
null < int64 < double and null < date32 < timestamp; all other mixtures are strings that keep the original text.
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
"""The Arrow types allowed by each type of `source.types`; `id` is missing, since it allows all."""

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_CODE = r"^[+-]?0[0-9xX]|^\+[0-9]{8,}$"
"""Matches codes that look like numbers: leading zeros, and international telephone numbers."""
_LONGEST = 40
"""The most characters of a whole number written with a point or an exponent."""
_HEAD = 64
"""The number of texts tried first: a cast that fails is slow, since it formats an error for every cell."""
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
    """Return the type of a block of texts joined with the type of earlier blocks, and the texts in the block's type.

    A cell is a number only if it is written as one: `00123` keeps its zeros and stays text, and so do the telephone
    number `+4917012345` and an integer beyond int64, which a double would round. Dates and times are ISO 8601.
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
    """Return the cells, texts or typed ones, converted to the named type; None if any cell does not fit.

    `convert` accepts more than `infer` does: `yes` and `0` as booleans, `3.0` and `007` as integers.
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
    """Whether a text that converts to a number is a code: `007`, `0x1F`, `+4917012345`, or an integer beyond int64."""
    zeros = pc.or_(pc.starts_with(texts, "0"), pc.starts_with(texts, "-0"))
    if name == NUMBER:  # most leading zeros stand before a point: skip them to save time
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
    """Cast whole numbers, including `+5`, which pyarrow's kernel rejects."""
    return without_plus(texts).cast(target)


def without_plus(texts: pa.Array) -> pa.Array:
    """Return the texts without a plus in front of digits: `5` for `+5`."""
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
    """Convert whole numbers to integers exactly, even if they are written as `3.0` or `2e3`."""
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
    """Return the whole number of a text like `2e3`; raise ArrowInvalid if the text is no whole number."""
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
