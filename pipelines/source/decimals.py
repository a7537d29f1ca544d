"""Finds numbers with more digits than a double holds, and the decimal type that holds them."""

import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import numbered
from pipelines.source.files import Files
from schemas.spec import Source

_SAFE = 15
"""Numbers of up to this many characters lose no digits as doubles."""
_PLAIN = r"^[+-]?[0-9]*\.?[0-9]*$"
_MOST = ((38, pa.decimal128), (76, pa.decimal256))


def lose_digits(texts: pa.Array, values: pa.Array) -> bool:
    """Whether any of the texts has more digits than its double in `values` holds."""
    length = pc.binary_length(texts)
    if (pc.max(length).as_py() or 0) <= _SAFE:
        return False
    long = pc.greater(length, numbered(_SAFE, 1)[0])
    long = pc.and_(long, pc.fill_null(pc.not_equal(values.cast(pa.string()), texts), False))
    pairs = zip(texts.filter(long).to_pylist(), values.filter(long).to_pylist(), strict=True)
    return any(_lost(text, value) for text, value in pairs)


def _lost(text: str, value: float) -> bool:
    digits = re.split("[eE]", text)[0].lstrip("+-").replace(".", "").strip("0")
    if not digits or value in (float("inf"), float("-inf")):
        return False
    return f"{abs(value):.{len(digits) - 1}e}".partition("e")[0].replace(".", "") != digits


def exact_type(files: Files, source: Source, name: str) -> pa.DataType | None:
    """Return the decimal type that holds all numbers of a column exactly, or None; this reads the column again."""
    from pipelines.source.formats import blocks

    whole = fraction = 0
    for block in blocks(files, source, [name]):
        cells = block.cells.columns.get(name)
        if cells is not None and cells.null_count < len(cells):
            found = _digits(cells.drop_null())
            whole, fraction = max(whole, found[0]), max(fraction, found[1])
    made = (make(digits, fraction) for digits, make in _MOST if whole + fraction <= digits)
    return next(made, None)


def _digits(texts: pa.Array) -> tuple[int, int]:
    """Return the most digits before the point and the most digits behind it."""
    plain = pc.match_substring_regex(texts, _PLAIN)
    bare = pc.replace_substring_regex(texts.filter(plain), "^[+-]", "")
    point = pc.find_substring(bare, ".")
    length = pc.binary_length(bare)
    before = pc.if_else(pc.less(point, 0), length, point)
    behind = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))
    whole, fraction = (pc.max(part).as_py() or 0 for part in (before, behind))
    for text in texts.filter(pc.invert(plain)).to_pylist():
        number = Decimal(text).as_tuple()
        power = int(number.exponent)
        whole, fraction = max(whole, len(number.digits) + power), max(fraction, -power)
    return whole, fraction
