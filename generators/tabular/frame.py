"""Turns Arrow tables into the plain frames that models learn from, and back. Knows no model.

A model sees two kinds of columns only: numbers (float64, no nulls) and categories (short text). Everything about which
a library would guess (dates, ids, nulls, text that looks like numbers) is settled here, so that it comes back exact:

- Text, booleans and numbers of few distinct values are categories. Of many distinct texts the most frequent are, and
  the rest share one category, which is drawn from the real values of the class afterwards.
- Whole numbers, dates and times become numbers counted from their minimum (days, microseconds), rounded and clipped.
  They keep the resolution of their column: whole minutes, multiples of 5, quarters. Numbers written like YYYYMMDD are
  dates.
- A null is a category: of its own column, or, for a column of numbers, of a second column beside it. The second column
  also says where a number is the most frequent value of its column (`capital-gain` is 0 in 92% of Adult), which no
  smooth distribution gives.
- A column with a single value is left out of the frame and put back.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from generators.tabular.calendar_numbers import Calendar, find_calendar, format_counts
from generators.tabular.codes import nan_to_null, to_numbers
from generators.tabular.resolution import find_decimals, find_step
from schemas.errors import GeneratorError

if TYPE_CHECKING:
    import pandas as pd

LABEL = "label"
"""Name of the frame's first column, the class."""

NULL, OTHER, SPIKE, VALUE = "null", "other", "spike", "value"

_FEW = 10  # numbers of at most so many distinct values, each met thrice on average, are categories
_SPIKE_SHARE = 0.2  # the most frequent number stands apart if it fills so much of the column
_ABOVE_UINT64 = np.nextafter(2.0**64, 0)


@dataclass(frozen=True)
class Category:
    """A column of categories: `values` by their code, and for each class the rare values of its rows."""

    field: pa.Field
    values: pa.Array
    rare: dict[str, pa.Array]
    code: str
    kinds: str = ""


@dataclass(frozen=True)
class Number:
    """A column of numbers: `code` names the frame's column of values, `kinds` the one of NULL, SPIKE and VALUE.

    `low` and `high` are the least and the greatest real value, of whole numbers as int64; `decimals` is for doubles.
    All values are a multiple of `step` above `low`, in units of the last decimal. `narrow` doubles were float32. With a
    `calendar` the numbers are its counts, as int64.
    """

    field: pa.Field
    low: Any
    high: Any
    decimals: int | None
    spike: Any
    code: str
    kinds: str
    step: int = 1
    narrow: bool = False
    calendar: Calendar | None = None

    @property
    def whole(self) -> bool:
        """Whether the numbers are counted from `low`."""
        return self.calendar is not None or not pa.types.is_floating(self.field.type)


@dataclass(frozen=True)
class Codec:
    """How to turn a frame back into a table of `schema`; `constants` are the columns that the frame leaves out."""

    schema: pa.Schema
    label: str
    columns: tuple[Category | Number, ...]
    constants: dict[str, Any]

    @property
    def texts(self) -> set[str]:
        """The frame's columns that hold categories."""
        return {LABEL, *(c.kinds for c in self.columns), *(c.code for c in self.columns if isinstance(c, Category))}


def encode(
    table: pa.Table, label: str, rng: np.random.Generator, *, max_categories: int, smooth: bool = False
) -> "tuple[Codec, pd.DataFrame]":
    """Return the codec of `table` and its frame: `label` first, then float64 and text columns without nulls.

    `smooth` keeps whole numbers of few values, and frequent values, among the numbers. Where a number is null or a
    spike, the frame holds another real value of the class, so that the distribution of the numbers stays as it is.
    """
    import pandas as pd

    classes = np.asarray(table[label].to_pylist(), dtype=object)
    columns: list[Category | Number] = []
    data: dict[str, Any] = {LABEL: classes}
    for index, field in enumerate(table.schema):
        if field.name == label:
            continue
        values = nan_to_null(table[field.name].combine_chunks())
        if _is_categorical(values, smooth):
            category = _fit_category(field, values, classes, f"c{index}", max_categories)
            columns.append(category)
            data[category.code] = _category_codes(category, values)
        else:
            calendar, values = find_calendar(values) or (None, values)
            number = _fit_number(field, values, f"n{index}", smooth, calendar)
            columns.append(number)
            kinds = _cell_kinds(number, values)
            data[number.kinds] = kinds
            data[number.code] = _fill_unknown(_to_float(number, values), kinds == VALUE, classes, rng)
    constants = {name: cells[0] for name, cells in data.items() if name != LABEL and (cells == cells[0]).all()}
    frame = pd.DataFrame({name: cells for name, cells in data.items() if name not in constants})
    return Codec(table.schema, label, tuple(columns), constants), frame


def decode(codec: Codec, frame: "pd.DataFrame", stratum: str, rng: np.random.Generator) -> pa.Table:
    """Return the table of a sampled frame, every row of the class `stratum`."""
    rows = len(frame)
    arrays = {codec.label: pa.repeat(pa.scalar(stratum), rows)}
    for column in codec.columns:
        if isinstance(column, Category):
            arrays[column.field.name] = _decode_category(column, _get_cells(codec, frame, column.code), stratum, rng)
        else:
            kinds = _get_cells(codec, frame, column.kinds)
            arrays[column.field.name] = _decode_number(column, _get_cells(codec, frame, column.code), kinds)
    return pa.Table.from_arrays([arrays[name] for name in codec.schema.names], schema=codec.schema)


def _get_cells(codec: Codec, frame: "pd.DataFrame", name: str) -> np.ndarray:
    if name in codec.constants:
        return np.full(len(frame), codec.constants[name])
    return frame[name].to_numpy()


def _is_categorical(values: pa.Array, smooth: bool) -> bool:
    if pa.types.is_string(values.type) or pa.types.is_boolean(values.type):
        return True
    known = len(values) - values.null_count
    distinct = pc.count_distinct(values).as_py()
    return distinct <= 1 or (not smooth and distinct <= min(_FEW, known / 3))


def _fit_category(field: pa.Field, values: pa.Array, classes: np.ndarray, code: str, most: int) -> Category:
    counts = sorted(
        (
            (-pair["counts"], str(pair["values"]), pair["values"])
            for pair in values.value_counts().to_pylist()
            if pair["values"] is not None
        ),
        key=lambda count: count[:2],
    )
    frequent = [value for _, _, value in counts]
    if len(counts) > most:
        frequent = [value for count, _, value in counts[:most] if count < -1]
    category = Category(field, pa.array(frequent, values.type), {}, code)
    is_rare = _category_codes(category, values) == OTHER
    rare = {name: values.filter(pa.array(is_rare & (classes == name))) for name in sorted(set(classes[is_rare]))}
    return replace(category, rare=rare)


def _category_codes(category: Category, values: pa.Array) -> np.ndarray:
    """Return the code of each value as text: its index among the frequent values, OTHER or NULL."""
    codes = np.array([str(indices) for indices in range(len(category.values))] + [OTHER], dtype=object)
    indices = pc.fill_null(pc.index_in(values, value_set=category.values), len(category.values))
    return np.where(values.is_null().to_numpy(zero_copy_only=False), NULL, codes[indices.to_numpy()])


def _decode_category(column: Category, codes: np.ndarray, stratum: str, rng: np.random.Generator) -> pa.Array:
    """Return the values of codes; a rare one is drawn from the class, or from all classes where the class has none."""
    pool = column.rare.get(stratum)
    if pool is None:
        pool = pa.concat_arrays([column.values.slice(0, 0), *column.rare.values()])
    indices = np.zeros(len(codes), dtype=np.int64)
    plain = (codes != NULL) & (codes != OTHER)
    indices[plain] = codes[plain].astype(np.int64)
    others = codes == OTHER
    if others.any():
        indices[others] = len(column.values) + rng.integers(len(pool), size=int(others.sum()))
    return pa.concat_arrays([column.values, pool]).take(pa.array(indices, mask=codes == NULL))


def _fit_number(field: pa.Field, values: pa.Array, name: str, smooth: bool, calendar: Calendar | None) -> Number:
    known = to_numbers(values.drop_null())
    distinct, counts = np.unique(known, return_counts=True)
    decimals, narrow = find_decimals(distinct) if known.dtype.kind == "f" else (None, False)
    spiked = not smooth and counts.max() >= max(3, _SPIKE_SHARE * len(known))
    return Number(
        field=field,
        low=distinct[0],
        high=distinct[-1],
        decimals=decimals,
        spike=distinct[counts.argmax()] if spiked else None,
        code=name,
        kinds=f"{name}_kind",
        step=find_step(distinct, decimals, values.type),
        narrow=narrow,
        calendar=calendar,
    )


def _cell_kinds(number: Number, values: pa.Array) -> np.ndarray:
    spikes = np.zeros(len(values), bool) if number.spike is None else to_numbers(values) == number.spike
    kinds = np.where(spikes, SPIKE, VALUE).astype(object)
    kinds[values.is_null().to_numpy(zero_copy_only=False)] = NULL
    return kinds


def _to_float(number: Number, values: pa.Array) -> np.ndarray:
    """Return float64: doubles as they are, whole numbers as their distance from `low`, exact up to 2**53."""
    raw = to_numbers(values)
    if raw.dtype.kind == "f":
        return raw
    steps: np.ndarray = raw.view(np.uint64) - number.low.view(np.uint64)  # a signed difference may overflow
    return steps.astype(np.float64)


def _fill_unknown(numbers: np.ndarray, known: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers, with unknown ones replaced by random known ones of the class, or of any class."""
    numbers = numbers.copy()
    for name in sorted(set(classes[~known])):
        holes = ~known & (classes == name)
        pool = numbers[known & (classes == name)]
        pool = pool if len(pool) else numbers[known]
        numbers[holes] = rng.choice(pool, int(holes.sum()))
    return numbers


def _decode_number(number: Number, numbers: np.ndarray, kinds: np.ndarray) -> pa.Array:
    numbers = np.where(kinds == VALUE, numbers.astype(np.float64), 0)
    if np.isnan(numbers).any():
        raise GeneratorError(
            f"column {number.field.name!r}: the model gives no number for {np.isnan(numbers).sum()} of {len(numbers)}"
            " rows, so its training went astray; try lower learning rates, fewer epochs or another distribution"
        )
    raw = _restore_whole(number, numbers) if number.whole else _restore_doubles(number, numbers)
    if number.spike is not None:
        raw[kinds == SPIKE] = number.spike
    nulls = kinds == NULL
    if number.calendar:
        return format_counts(number.calendar, raw, nulls, number.field.type)
    if pa.types.is_floating(number.field.type):
        return pa.array(raw, mask=nulls)
    if pa.types.is_date32(number.field.type):
        return pa.array(raw.astype(np.int32), mask=nulls).view(number.field.type)
    return pa.array(raw, mask=nulls).view(number.field.type)


def _restore_doubles(number: Number, numbers: np.ndarray) -> np.ndarray:
    if number.decimals is not None and number.step > 1:
        step = number.step / 10**number.decimals
        numbers = number.low + np.round((numbers - number.low) / step) * step
    if number.decimals is not None:
        numbers = np.round(numbers, number.decimals)
    if number.narrow:
        numbers = numbers.astype(np.float32).astype(np.float64)
    clipped: np.ndarray = np.clip(numbers, number.low, number.high)
    return clipped


def _restore_whole(number: Number, numbers: np.ndarray) -> np.ndarray:
    span = np.uint64(int(number.high) - int(number.low))
    numbers = np.round(numbers / number.step) * number.step if number.step > 1 else numbers
    steps = np.clip(np.round(numbers), 0, _ABOVE_UINT64).astype(np.uint64)
    whole: np.ndarray = (np.minimum(steps, span) + number.low.view(np.uint64)).view(np.int64)
    return whole
