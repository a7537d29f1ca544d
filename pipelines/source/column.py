"""Profiles a column in one pass: type, nulls, extremes, distinct values, and whether the column is an id.

The memory of a column is at most `DISTINCT_CAP` values or `DISTINCT_BYTES`, however many rows there are.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import Block
from pipelines.source.decimals import lose_digits
from pipelines.source.grid import GridState
from pipelines.source.id_forms import FormState
from pipelines.source.infer import (
    DATE,
    DECLARED,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    convert,
    in_range,
    infer,
    join,
    misfits,
)
from pipelines.source.late_styles import LateState, begins_plain
from pipelines.source.stored_types import joined, to_joined, to_simple
from schemas.arrow import NESTED
from schemas.errors import Advice, SourceError
from schemas.plan import Column, Role, Value
from schemas.stored import shown_type, type_name, type_named

DISTINCT_CAP = 65_536
DISTINCT_BYTES = 1 << 20
MAX_CATEGORIES = 1_000
_EXACT = 2**53
"""Doubles hold every whole number up to this one."""
SORTED_ID_ROWS = 100
"""The fewest rows in which ascending integers are an id; fewer may be a measurement that happens to be sorted."""
SHAPED_ID_ROWS = 20
"""The fewest rows in which distinct codes are an id."""

_ID_NAME = re.compile(
    r"(?i:(?:^|[\s_.-])(?:id|uuid|guid|key|index|idx|number)$|^id[\s_.-]|^unnamed: 0(?:\.\d+)?$|^__index_level_\d+__$)"
    r"|[a-z]I[dD]$"
)
_PLACE_NAME = re.compile(
    r"(?i)(?:^|[\s_.-])(?:(?:zip|postal|post)[\s_-]?(?:code)?|plz|fips"
    r"|(?:tele)?(?:phone|fax|mobile|tel|house|street)[\s_-]?(?:number|no|nr)?)$"
)
"""Names of columns of places and telephone numbers (zip code, phone, house number), which are never ids."""
_CODE = (
    r"^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
    r"|[A-Za-z]{0,12}[-_:/#.]?[0-9]+)$"
)
_DIGITS = r"^[0-9]{1,18}$"
_DIGITS_OR_POWER = r"^[0-9]+(?:[eE][0-9]+)?$"


@dataclass
class ColumnState:
    """The profile of a column after the blocks seen so far; an `index` is a first column without a name."""

    name: str
    declared: str | None = None
    index: bool = False
    carried: bool = False
    rows: int = 0
    nulls: int = 0
    infinite: int = 0
    type: str = NULL
    minimum: Any = None
    maximum: Any = None
    seen: pa.Array | None = field(default_factory=lambda: pa.nulls(0, pa.string()))
    unique: bool = True
    codes: bool = True
    digits: bool = True
    plus: bool = False
    coded: bool | None = None
    steps: set[int] = field(default_factory=set)
    last: int | None = None
    stored: list[str] = field(default_factory=list)
    missing: int = 0
    words: int = 0
    word: str = ""
    rewritten: bool = False
    unquoted: int = 0
    nested: bool = False
    lossy: bool = False
    kept: str | None = None
    empty: bool = False
    late: LateState | None = None
    form: FormState = field(default_factory=FormState)
    grid: GridState = field(default_factory=GridState)

    def observe(self, block: Block) -> None:
        """Add a block to the profile; if the block lacks the column, its rows count as nulls."""
        cells = block.cells.columns.get(self.name)
        self.rows += block.cells.rows
        if cells is None:
            self.nulls += block.cells.rows
            return
        self.nulls += cells.null_count
        kind = block.cells.types.get(self.name)
        self._note(block)
        if self.carried:
            self.type = STRING
        elif kind in NESTED:
            self.type = kind
        elif cells.null_count < len(cells):
            values = self._typed(cells, block).drop_null()
            self._measure(values, block.file)
            self._tell_apart(cells.drop_null(), values)
            self.grid.observe(cells.drop_null())

    def _note(self, block: Block) -> None:
        """Record the column's type in the file, and how many cells are null here but not in the file."""
        own = block.cells.stored.get(self.name)
        self.empty = self.empty or own == NULL
        if own is not None and own not in (*self.stored, NULL):
            self.stored.append(own)
            self._refuse_units(block.file)
        self.missing += block.cells.missing.get(self.name, 0)
        count, self.word = block.cells.worded.get(self.name, (0, self.word))
        self.words += count
        self.unquoted += block.cells.unquoted.get(self.name, 0)
        self.nested = self.nested or self.name in block.cells.nested
        self.rewritten = self.rewritten or self.name in block.cells.rewritten

    def _refuse_units(self, file: str) -> None:
        """Raise SourceError if two files store the column's times of day or durations as different types."""
        if len(self.stored) > 1 and any(own.startswith(("time32", "time64", "duration")) for own in self.stored):
            kinds = " and ".join(map(shown_type, self.stored))
            advice = Advice(("source", "drop"), (self.name,))
            raise SourceError(
                f"{file}: column {self.name!r} is of types {kinds} in the source's files, which count times in"
                f" different ways; bring the files to one type, or leave the column out with {advice}",
                code="times-counted-differently",
                advice=advice,
            )

    def _typed(self, cells: pa.Array, block: Block) -> pa.Array:
        """Widen the column's type to hold this block, and return the block's cells in their own type."""
        names = DECLARED.get(self.declared or "")
        if names is None:
            return self._inferred(cells, block)
        for name in names:
            values = convert(cells, name)
            if values is not None and join(self.type, name) in names:
                self._widen(name)
                return values
        raise self._misfit(cells, names, block)

    def _inferred(self, cells: pa.Array, block: Block) -> pa.Array:
        known = block.cells.types.get(self.name)
        if known is None:
            before = self.type
            found, values = infer(cells, before)
            self._widen(found)
            if found == STRING:
                self._look_for_late(before, cells, block)
            self._look_for_digits(cells, values)
            plus = found == INTEGER and bool(pc.any(pc.starts_with(cells, "+")).as_py())
            self.plus = self.plus or plus
            self.coded = self.coded is not False and _is_coded(cells, values, plus)
            return values
        self._widen(known)
        values = convert(cells, known) if known != NULL else None
        if values is not None:
            self._look_for_digits(cells, values)
        return cells if values is None else values

    def _look_for_late(self, before: str, cells: pa.Array, block: Block) -> None:
        if before in (INTEGER, NUMBER) or (before == NULL and begins_plain(cells)):
            self.late = LateState()
        if self.late:
            self.late.observe(cells, block)

    def _look_for_digits(self, cells: pa.Array, values: pa.Array) -> None:
        if not self.lossy and self.type == NUMBER and pa.types.is_string(cells.type):
            self.lossy = lose_digits(cells, values if pa.types.is_floating(values.type) else values.cast(pa.float64()))

    def keep_digits(self, kind: pa.DataType | None) -> None:
        """Keep the numbers as decimals of type `kind`, or as text if it is None: doubles would lose digits."""
        name = "string" if kind is None else type_name(kind)
        self.kept = f"{name}, since a double would lose digits; set its source.types to number if that is well"
        if kind is None:
            self._widen(STRING)
        else:
            self.stored = [name]

    def _widen(self, found: str) -> None:
        wider = join(self.type, found)
        if self.type == INTEGER and wider == NUMBER and self.minimum is not None:
            self.lossy = self.lossy or max(-self.minimum, self.maximum) > _EXACT
        if self.type == DATE and wider not in (DATE, STRING) and self.minimum is not None:
            self.minimum, self.maximum = (datetime.combine(day, time()) for day in (self.minimum, self.maximum))
        if wider == STRING:
            self.minimum = self.maximum = None
        self.type = wider

    def _misfit(self, cells: pa.Array, names: tuple[str, ...], block: Block) -> SourceError:
        wrong = misfits(cells, names)
        if not len(wrong):
            return SourceError(
                f"{block.file}: column {self.name!r} mixes times with and without a zone, and source.types says "
                f"{self.declared}; write them in one way, or set the type to string"
            )
        among = pc.is_in(cells, value_set=wrong)
        first = pc.index(among, True).as_py()
        return SourceError(
            f"column {self.name!r}: source.types says {self.declared}, but {among.true_count:,} of {len(cells):,} "
            f"cells are none, such as {str(cells[first].as_py())[:80]!r} ({block.place(first)}); mend them, list "
            "the text in source.nulls if it means missing, or set the type to string"
        )

    def _measure(self, values: pa.Array, file: str) -> None:
        if self.type == STRING or not len(values):
            return
        if pa.types.is_temporal(values.type) and not in_range(values):
            raise SourceError(f"{file}: column {self.name!r} holds times outside the years 1 to 9999; mend them")
        if pa.types.is_floating(values.type):
            finite = pc.is_finite(values)
            self.infinite += len(values) - finite.true_count
        extremes = pc.min_max(values).as_py()
        low, high = extremes["min"], extremes["max"]
        if isinstance(low, date) and not isinstance(low, datetime) and self.type != DATE:
            low, high = datetime.combine(low, time()), datetime.combine(high, time())
        self.minimum = low if self.minimum is None else min(low, self.minimum)
        self.maximum = high if self.maximum is None else max(high, self.maximum)

    def _tell_apart(self, cells: pa.Array, values: pa.Array) -> None:
        """Collect distinct cells up to the cap, and evidence for or against an id."""
        self._look_for_id(cells, values)
        if self.type == STRING and (self.unique or self.declared == "id"):
            self.form.observe(cells)
        if self.seen is None and not self.unique:
            return
        distinct = cells.unique()
        self.unique = self.unique and len(distinct) == len(cells)
        if self.seen is not None:
            before = len(self.seen)
            if before and self.seen.type != distinct.type:
                self.seen, distinct = _alike(self.seen, distinct)
            self.seen = pa.concat_arrays([self.seen, distinct]).unique() if before else distinct
            self.unique = self.unique and len(self.seen) == before + len(distinct)
            if len(self.seen) > DISTINCT_CAP or self.seen.nbytes > DISTINCT_BYTES:
                self.seen = None

    def _look_for_id(self, cells: pa.Array, values: pa.Array) -> None:
        timed = any(own.startswith(("time", "duration")) for own in self.stored)
        if self.declared or not self.unique or self.nulls or self.type not in (INTEGER, STRING) or timed:
            self.unique = False
        elif self.type == INTEGER:
            self._look_for_steps(values)
        elif pc.any(pc.match_substring_regex(cells, r"\s")).as_py():
            self.unique = False
        else:
            self.codes = self.codes and pc.all(pc.match_substring_regex(cells, _CODE)).as_py()
            self.digits = self.digits and self.codes and pc.all(pc.match_substring_regex(cells, _DIGITS)).as_py()
            self.unique = self.codes or self._named_id()
            if self.digits:
                self._look_for_steps(convert(cells, INTEGER))

    def _look_for_steps(self, values: pa.Array) -> None:
        self.steps |= {values[0].as_py() - self.last} if self.last is not None else set()
        self.steps |= set(pc.min_max(pc.pairwise_diff(values)).as_py().values()) - {None}
        self.last = values[-1].as_py()

    def _named_id(self) -> bool:
        return (self.index and self.type == INTEGER) or named_id(self.name)

    def finish(self, *, is_key: bool) -> Column:
        """Return the column's profile; `is_key` says that the column is the label or one of `by`."""
        if self.type in NESTED:
            role = cast(Role, self.type.removeprefix("masked "))
            return Column(name=self.name, type=self.type, role=role, nulls=self.nulls)
        if self.carried and len(self.stored) > 1:
            kinds = " and ".join(map(shown_type, self.stored))
            raise SourceError(f"column {self.name!r} is of types {kinds} in the source's files; bring them to one")
        if self.carried:
            return Column(
                name=self.name,
                type=STRING,
                role="carried",
                nulls=self.nulls,
                stored=self._stored(STRING),
                changed=self._changed(),
            )
        if self.type == INTEGER and self.plus and self.minimum > 0 and not self.declared:
            self._widen(STRING)  # if all numbers have a plus, they are codes like `+49`
            self.unique = False
        if self.type == NUMBER and self.coded and not self.declared and not self.stored:
            self._widen(STRING)  # no program writes a number as `218E102`, without a point or a sign
        self._refuse_infinite()
        self._refuse_rewritten()
        final = STRING if self.type == NULL else self.type
        values = None if self.seen is None else convert(self.seen, final)
        distinct = None if values is None else values.unique()
        few = distinct is not None and final == STRING and len(distinct) <= MAX_CATEGORIES
        use: Role = "feature" if is_key else self._role(distinct)
        return Column(
            name=self.name,
            type=final,
            role=use,
            nulls=self.nulls,
            distinct=None if distinct is None else self._count(distinct),
            minimum=_plain(self.minimum, final),
            maximum=_plain(self.maximum, final),
            categories=sorted(distinct.to_pylist()) if few and distinct is not None else None,
            stored=self._stored(final),
            changed=self._changed(),
            form=self.form.finish(self.rows - self.nulls) if use == "id" and final == STRING else None,
            grid=self.grid.finish() if final == NUMBER and self._stored(final) else None,
        )

    def _count(self, distinct: pa.Array) -> int:
        """Return the number of distinct values at full precision: decimals that differ may be equal as doubles."""
        own = self._own_type()
        kind = type_named(own) if own else None
        if self.seen is None or self.declared or kind is None or not (pa.types.is_decimal(kind) or kind == pa.uint64()):
            return len(distinct)
        if pa.types.is_string(self.seen.type):
            return len({Decimal(text) for text in self.seen.to_pylist()})
        return len(self.seen)

    def _stored(self, final: str) -> str | None:
        """Return the column's type in the source if it differs from `final` and the dataset can keep it, else None."""
        if self.empty and not self.stored and not self.declared:
            return NULL
        own = self._own_type()
        return None if self.declared not in (None, "id") or own == final else own

    def _own_type(self) -> str | None:
        """Return the name of a type that holds the cells of all files at full precision, or None."""
        kinds = [type_named(own) for own in self.stored]
        if len(kinds) > 1 and not any(pa.types.is_decimal(kind) or pa.types.is_timestamp(kind) for kind in kinds):
            wide = self.type == NUMBER and all(map(pa.types.is_integer, kinds))
            kinds = kinds if wide else []
        own = reduce(lambda one, other: one and joined(one, other), kinds) if kinds else None
        self._refuse_far(own)
        return own and type_name(own)

    def _refuse_far(self, own: pa.DataType | None) -> None:
        """Raise SourceError if one file counts nanoseconds and others hold times beyond their range (1677 to 2262)."""
        if len(self.stored) > 1 and own is not None and pa.types.is_timestamp(own) and own.unit == "ns":
            ends = [datetime(1677, 9, 22), datetime(2262, 4, 11)]
            if self.minimum.replace(tzinfo=None) < ends[0] or self.maximum.replace(tzinfo=None) > ends[1]:
                raise SourceError(
                    f"column {self.name!r} is of types {' and '.join(map(shown_type, self.stored))} in the source's "
                    "files, and holds times that nanoseconds do not reach; bring the files to microseconds"
                )

    def _changed(self) -> str | None:
        told = [self.kept] if self.kept else []
        if len(self.stored) > 1 and self.declared in (None, "id"):
            own = self._own_type()
            told.append(f"its type is {' and '.join(map(shown_type, self.stored))} in the source's files")
            told[-1] += f", and {shown_type(own)} here" if own else ""
            if own is None and self.type == NUMBER and any(one.startswith("decimal") for one in self.stored):
                told[-1] += ", and double here, which may lose digits"
        if self.unquoted and self.type == STRING and not self.kept and self.declared in (None, "id"):
            kinds, here = ("lists, objects, ", "JSON ") if self.nested else ("", "")
            told.append(f"{self.unquoted:,} cells are no text in the source ({kinds}numbers, true or false)")
            told[-1] += f", and {here}text here"
        if self.missing:
            told.append(f"{self.missing:,} cells are not-a-number in the source, and missing here")
        if self.words and self.type == STRING:
            told.append(f"{self.words:,} cells that read {self.word!r} or the like are missing here (source.nulls)")
        return "; ".join(told) or None

    def _refuse_infinite(self) -> None:
        if self.infinite and self.type == NUMBER:
            raise SourceError(
                f"column {self.name!r}: {self.infinite:,} of {self.rows:,} values are infinite or too large for a "
                "double; replace them, list their text in source.nulls, or set the column's source.types to string"
            )

    def _refuse_rewritten(self) -> None:
        if self.late and self.type == STRING:
            self.late.refuse(self.name)
        if self.rewritten and self.type == STRING:
            raise SourceError(
                f"column {self.name!r}: some cells are numbers with decimal commas or marks between thousands, others "
                "are words or codes; set the column's source.types to string, and all stay as they are written"
            )

    def _role(self, distinct: pa.Array | None) -> Role:
        if self.declared == "id":
            return "id"
        if distinct is not None and self._count(distinct) + (self.nulls > 0) <= 1:
            return "constant"
        return "id" if self._is_id() else "feature"

    def _is_id(self) -> bool:
        """Whether the column identifies rows instead of describing them.

        All values are distinct and none is null (exact up to `DISTINCT_CAP` values, and within each block after that),
        source.types does not name the column, and one of these holds: the name's last word is `id`, `uuid`, `key`,
        `index` or `number`; integers, or texts of digits alone, are consecutive; integers are all ascending or all
        descending, in at least `SORTED_ID_ROWS` rows; or texts without blanks are codes (UUIDs, hexadecimal digests,
        numbers with a prefix), in at least `SHAPED_ID_ROWS` rows. So measurements, free texts and zip codes are no ids.
        """
        if not self.unique or self.nulls or self.type not in (INTEGER, STRING) or _PLACE_NAME.search(self.name):
            return False
        if self._named_id():
            return True
        consecutive = self.rows > 2 and self.steps in ({1}, {-1})
        if self.type == STRING:
            return self.rows >= SHAPED_ID_ROWS and (consecutive if self.digits else self.codes)
        one_way = min(self.steps) > 0 or max(self.steps) < 0
        return consecutive or (one_way and self.rows >= SORTED_ID_ROWS)


def _alike(one: pa.Array, other: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return both arrays in one type that holds all their values, or as simple types (double) if there is none."""
    kind = joined(one.type, other.type)
    if kind is None:
        return to_simple(one, pa.float64()), to_simple(other, pa.float64())
    try:
        return to_joined(one, kind), to_joined(other, kind)
    except pa.ArrowInvalid:  # times beyond the range of nanoseconds
        kind = pa.timestamp("us", kind.tz)
        return one.cast(kind, safe=False), other.cast(kind, safe=False)


def _is_coded(cells: pa.Array, values: pa.Array, plus: bool) -> bool:
    """Whether all cells are digits, or digits and a power (`218E102`); integers are checked by value, to be fast."""
    if pa.types.is_integer(values.type):
        return not plus and (pc.min(values).as_py() or 0) >= 0
    return _all_match(cells, _DIGITS_OR_POWER)


def _all_match(cells: pa.Array, pattern: str) -> bool:
    """Whether all cells match the pattern; the first 64 are tried alone, to fail fast."""
    first = cells.slice(0, 64)
    return all(bool(pc.all(pc.match_substring_regex(part, pattern)).as_py() is not False) for part in (first, cells))


def named_id(name: str) -> bool:
    """Whether a column's name is one that ids have, such as `user_id`, `uuid` or `index`."""
    return bool(_ID_NAME.search(name))


def _plain(value: Any, final: str) -> Value:
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if final == NUMBER and value is not None else value
