"""Finds the columns of a table that may be the class, and the one that probably is.

It reads the source as a profile does, but before a class column is known. Knows neither specs nor plans.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.modality import MODALITIES, load_part
from pipelines.source.cells import Block
from pipelines.source.classes import Classes
from pipelines.source.column import ColumnState
from pipelines.source.files import Files
from pipelines.source.formats import blocks, columns_of
from schemas.arrow import NESTED
from schemas.plan import Role
from schemas.spec import Source, value_name

FEW, VERY_FEW = 50, 10
"""The most distinct values of a class column, and of a last column of whole numbers that is taken for the class."""
EACH = 2
"""The fewest rows of a class on average."""
LOOKED = 1_000_000
"""The most rows that are read."""
WORDS = 3
"""The fewest words of a text on average."""
NAMES = ("label", "labels", "class", "target", "y", "category")
"""Usual names of a class column, the most usual first."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a column: its rows by value (none if the values are many); `words` is the mean of its texts."""

    name: str
    type: str
    role: Role
    missing: int
    words: float = 0
    counts: dict[str, int] | None = None

    @property
    def candidate(self) -> bool:
        """Whether the column may be the class."""
        return self.counts is not None

    @property
    def is_text(self) -> bool:
        """Whether the column holds running text."""
        return self.type == "string" and self.words >= WORDS and not self.candidate


@dataclass
class _Column:
    """A column while it is read; its values are counted until they are too many."""

    state: ColumnState
    classes: Classes | None
    words: int = 0
    texts: int = 0

    def observe(self, block: Block, wanted: bool) -> None:
        self.state.observe(block)
        if self.classes:
            self.classes.observe(block)
            if len(self.classes.counts) > FEW and not wanted:
                self.classes = None
        cells = block.cells.columns.get(self.state.name)
        if cells is not None and pa.types.is_string(cells.type):
            self.words += pc.sum(pc.count_substring(cells, " ")).as_py() or 0
            self.texts += len(cells) - cells.null_count

    def finish(self, wanted: bool) -> Seen:
        column = self.state.finish(is_key=wanted)
        words = 1 + self.words / self.texts if self.texts else 0
        counts = self._counts(column.type)
        if counts is not None and not wanted and not _balanceable(counts, column.type):
            counts = None
        return Seen(column.name, column.type, column.role, column.nulls, words, counts)

    def _counts(self, kind: str) -> dict[str, int] | None:
        if not self.classes or not self.classes.counts:
            return None
        found = self.classes.finish({self.state.name: kind})
        return {value_name(value): rows for (value,), rows in sorted(found, key=lambda one: -one[1])}


def _balanceable(counts: Mapping[str, int], kind: str) -> bool:
    whole = kind in ("string", "bool", "int64") or (kind == "double" and all(name.endswith(".0") for name in counts))
    return whole and 2 <= len(counts) <= FEW and sum(counts.values()) >= EACH * len(counts)


@dataclass
class Looked:
    """What was seen of a source in `rows` rows: its columns in order, without images; `more` were not read."""

    columns: list[Seen] = field(default_factory=list)
    nested: bool = False
    rows: int = 0
    more: bool = False

    @property
    def names(self) -> list[str]:
        """All columns."""
        return [column.name for column in self.columns]

    @property
    def candidates(self) -> list[Seen]:
        """The columns that may be the class, the most likely first."""
        last = self.columns[-1:]
        found = [column for column in self.columns if column.candidate]
        return sorted(found, key=lambda one: (_named(one), one not in last, len(one.counts or {})))

    def column(self, name: str) -> Seen:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)


def look(files: Files, source: Source, label: str | None = None) -> Looked:
    """Return what the first `LOOKED` rows show of each column; all values of `label` are counted.

    Columns that are only carried may hold anything, and are not read.
    """
    known = columns_of(files, source)
    plain = None if known is None else [n for n, kind in known.items() if kind not in NESTED and n not in source.carry]
    columns = {name: _begin(name) for name in plain or []}
    found = Looked(nested=any(kind in NESTED for kind in (known or {}).values()))
    for block in _until(blocks(files, source, plain), found):
        for name in block.cells.columns:
            if name not in columns and name not in source.carry:
                columns[name] = _begin(name, found.rows)
        for name, column in columns.items():
            column.observe(block, name == label)
        found.rows += block.cells.rows
    found.columns = [column.finish(name == label) for name, column in columns.items()]
    return found


def _begin(name: str, rows: int = 0) -> _Column:
    return _Column(ColumnState(name, rows=rows, nulls=rows), Classes([name]))


def _until(found: Iterator[Block], looked: Looked) -> Iterator[Block]:
    """Yield blocks until enough rows were read."""
    for block in found:
        if looked.rows >= LOOKED:
            looked.more = True
            return
        yield block


def choose(looked: Looked) -> Seen | None:
    """Return the column that is most probably the class, or None.

    It has a usual name, or is the only candidate, or is the last column: a text, a boolean, or a few whole numbers.
    """
    candidates = looked.candidates
    if not candidates:
        return None
    first = candidates[0]
    if _named(first) < len(NAMES) or len(candidates) == 1:
        return first
    last = looked.columns[-1]
    sure = last.type in ("string", "bool") or len(last.counts or {}) <= VERY_FEW
    return last if last.candidate and sure else None


def _named(column: Seen) -> int:
    """Return how usual the column's name is for a class; 0 is the most usual."""
    name = column.name.strip().lower()
    return NAMES.index(name) if name in NAMES else len(NAMES)


def content_keys(looked: Looked, label: str | None) -> dict[str, str]:
    """Return the spec's key for a column that seems to hold a whole row, and the column; empty if there is none."""
    for one in MODALITIES.values():
        if one.guess and one.key and (column := load_part(one.guess)(looked, label)):
            return {one.key: column}
    return {}


def guessed_header(looked: Looked, headless: bool = False) -> list[str] | None:
    """Return names for the columns if the first row, which was read as a header, is a row of data; else None.

    The first row is data if a column's name is one of that column's few values, or if the file is `headless`.
    """
    candidates = [one for one in looked.columns if one.candidate]
    if not headless and not any(one.name in (one.counts or {}) for one in candidates):
        return None
    label = candidates[0].name if len(candidates) == 1 else None
    given: dict[str | None, str] = {label: "label"}
    given |= {column: key for key, column in content_keys(looked, label).items()}
    return [given.get(name, f"column_{number}") for number, name in enumerate(looked.names, 1)]


def told(counts: Mapping[str, int], most: int = 6) -> str:
    """Return counts in one line: `benign (357), malignant (212)`."""
    named = [f"{_shown(name)} ({rows:,})" for name, rows in list(counts.items())[:most]]
    return ", ".join(named + ([f"and {len(counts) - most:,} more"] if len(counts) > most else []))


def _shown(name: str, most: int = 40) -> str:
    cut = name if len(name) <= most else name[: most - 1] + "…"
    return cut if cut.isprintable() and cut.strip() == cut and cut else repr(cut)


def listed(candidates: Sequence[Seen]) -> list[str]:
    """Return a line for each candidate: its name, how many classes it has, and their rows."""
    width = max((len(_shown(one.name)) for one in candidates), default=0)
    counted = [(_shown(one.name), one.counts or {}) for one in candidates]
    return [f"{name:<{width}}  {len(counts):>2} classes: {told(counts, 4)}" for name, counts in counted]
