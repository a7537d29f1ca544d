"""Finds out how the numbers of a delimited file are written: their decimal mark, and the mark between thousands.

A cell like `1.234` can be read in two ways. These decide, in order: the spec, the other cells of its column, the other
columns of the file, and the other files of the source. If none does, a point is the decimal mark, which keeps the
cell as it is written; a comma is the decimal mark unless commas delimit the cells.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import texts
from schemas.errors import SourceError
from schemas.spec import Source

_GROUPS = " \u00a0\u202f'\u2019"
"""Marks that may stand between thousands, whatever the decimal mark is."""
_POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_NUMERIC = ("integer", "number")
_LIST = re.compile(r"[1-9]\d\d(?:,[1-9]\d\d)*")
"""Matches lists of three-digit numbers: were they groups of thousands, some would have other lengths or zeros."""
_PHONE = re.compile(r"\+(?:\D*\d){8}")
_TWO_GROUPS = re.compile(r"\d{3}[ \u00a0\u202f]\d{3}")
_VERSION = re.compile(r"[1-9]\d{0,2}\.[1-9]\d\d\.[1-9]\d\d")


class StyleError(Exception):
    """A cell of a column is not written as the spec says, although others are."""

    def __init__(self, column: str, cell: str) -> None:
        super().__init__(column, cell)
        self.column, self.cell = column, cell


@dataclass(frozen=True)
class Style:
    """How the numbers of one column are written: their `decimal` mark, and the mark between `thousands`, if any.

    `free` says that long numbers may lack the marks between thousands, `zeros` that zeros may stand in front. A style
    is `assumed` if the column's first cells have no mark at all, so that words may follow later.
    """

    decimal: str
    thousands: str = ""
    free: bool = False
    zeros: bool = False
    assumed: bool = False

    @property
    def pattern(self) -> str:
        """The regular expression of a whole cell: groups have three digits, and only with `zeros` a leading zero."""
        group = re.escape(self.thousands)
        grouped = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|" if group else ""
        least = "0|[1-9][0-9]{0,2}" if group and not self.free else "[0-9]+" if self.zeros else "0|[1-9][0-9]*"
        return rf"^[+-]?(?:{grouped}{least})(?:{re.escape(self.decimal)}[0-9]+)?(?:[eE][+-]?[0-9]{{1,3}})?$"

    def told(self) -> str:
        """Describe the style in words."""
        between = f" and {self.thousands!r} between thousands" if self.thousands else ""
        return f"the decimal mark {self.decimal!r}{between}"


@dataclass(frozen=True)
class Styles:
    """The styles of columns whose numbers are not written with a decimal point alone.

    `unsure` are columns that can be read in two ways, `codes` columns of text that might be numbers, and `against`
    columns of numbers that are not written as the spec says, each with an example cell. `mark` is the file's decimal
    mark if it is certain. `commas` are columns in which decimal commas do occur.
    """

    columns: Mapping[str, Style]
    unsure: Mapping[str, str]
    mark: str | None
    commas: Sequence[str] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    against: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> list[str]:
        """Describe in words the columns of other styles, and where a style was chosen among several."""
        found = {name: style for name, style in self.columns.items() if not style.assumed}
        groups = [repr(name) for name, style in found.items() if style.thousands]
        told = [f"decimal commas in {', '.join(map(repr, self.commas[:5]))}"] if self.commas else []
        told += [f"marks between thousands in {', '.join(groups[:5])}"] if groups else []
        told += [self._choice(*one) for one in list(self.unsure.items())[:1]]
        if self.codes:
            told.append(f"{_first(self.codes)} taken for text, not for numbers (source.types says otherwise)")
        if self.against:
            told.append(f"{_first(self.against)} not written as source.decimal and source.thousands say")
        return told

    def _choice(self, name: str, cell: str) -> str:
        other = "," if self.columns.get(name, Style(".")).decimal == "." else "."
        value = cell.replace("." if other == "," else ",", "").replace(other, ".")
        more = f" and {len(self.unsure) - 1:,} more columns" if len(self.unsure) > 1 else ""
        return (
            f"numbers in {name!r}{more} that can be read in two ways ({cell} is not taken for {value}; if it is, set "
            f"source.decimal to {other!r})"
        )


def find_styles(
    columns: Mapping[str, Sequence[str]], delimiter: str, source: Source, elsewhere: Callable[[], str | None]
) -> Styles:
    """Return the styles of columns by their first cells; `elsewhere` returns the decimal mark of the other files."""
    asked = {name: cells for name, cells in columns.items() if _may_be_number(name, source)}
    ways = {name: _readings(cells, source, source.types.get(name) in _NUMERIC) for name, cells in asked.items()}
    against = _against(asked, ways, source)
    codes = _codes(asked, ways, delimiter, source)
    ways = {name: [] if name in codes else one for name, one in ways.items()}
    mark = source.decimal or _mark(ways)
    if mark is None and any(_differ(one) for one in ways.values()):
        mark = elsewhere()
    chosen = {name: _chosen(one, mark, delimiter) for name, one in ways.items() if one}
    unsure = {name: _telling(asked[name]) for name, one in ways.items() if mark is None and _differ(one)}
    found = {name: style for name, style in chosen.items() if style != Style(".", zeros=style.zeros)}
    group = source.thousands or next((style.thousands for style in found.values() if style.thousands), "")
    if mark == "," or (mark and group):
        assumed = Style(mark, group or ".", free=bool(source.thousands), assumed=True)
        bare = [name for name, one in ways.items() if not one and all(map(_WHOLE.fullmatch, asked[name]))]
        found |= {name: replace(assumed, zeros=source.types.get(name) in _NUMERIC) for name in bare}
    commas = [name for name, style in found.items() if style.decimal == "," in "".join(asked[name])]
    return Styles(found, unsure, mark, commas, codes, against)


def _codes(
    asked: Mapping[str, Sequence[str]], ways: Mapping[str, Sequence[Style]], delimiter: str, source: Source
) -> dict[str, str]:
    """Return the columns whose cells look like numbers but are codes, with an example cell of each.

    These are lists of numbers in a file with commas between cells, versions (`1.100.200`) in a file without decimal
    commas elsewhere, and codes of two groups of three digits. If the spec sets a mark for numbers, there are none.
    """
    if source.decimal or source.thousands:
        return {}
    open_ = {name: cells for name, cells in asked.items() if ways[name] and source.types.get(name) not in _NUMERIC}
    codes = {name: cells for name, cells in open_.items() if _all(_TWO_GROUPS, cells)}
    if delimiter == ",":
        points = {name: one for name, one in ways.items() if {style.decimal for style in one} == {"."}}
        plain = any(not style.thousands for one in points.values() for style in one)
        codes |= {name: cells for name, cells in open_.items() if _all(_LIST, cells)}
        if plain:
            codes |= {name: open_[name] for name in open_ if {style.decimal for style in ways[name]} == {","}}
    versions = {name: cells for name, cells in open_.items() if _all(_VERSION, cells)}
    rest = {name: one for name, one in ways.items() if name not in versions and name not in codes}
    codes |= {} if _mark(rest) == "," else versions
    return {name: next(cell for cell in cells if not cell.isdigit()) for name, cells in codes.items()}


def _all(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    return all(map(pattern.fullmatch, cells))


def _against(asked: Mapping[str, Sequence[str]], ways: Mapping[str, Sequence[Style]], source: Source) -> dict[str, str]:
    """Return the columns of numbers that are not written as the spec says, with an example cell of each.

    Raises StyleError if some cells of a column are written as the spec says and others are not.
    """
    if not (source.decimal or source.thousands):
        return {}
    found: dict[str, str] = {}
    for name, cells in asked.items():
        if ways[name] or not all(any(one.match(cell) for one in _ANY) for cell in cells):
            continue
        said = [re.compile(style.pattern) for style in _asked_styles(source, source.types.get(name) in _NUMERIC)]
        fits = [any(one.match(cell) for one in said) for cell in cells]
        wrong = next((cell for cell, fit in zip(cells, fits, strict=True) if not fit), None)
        if wrong and any(fit and not _WHOLE.fullmatch(cell) for fit, cell in zip(fits, cells, strict=True)):
            raise StyleError(name, wrong)
        found |= {name: wrong} if wrong else {}
    return found


_ANY = [re.compile(Style(mark, group, free=True).pattern) for mark, group in (".,", ",.")]


def _asked_styles(source: Source, declared: bool) -> list[Style]:
    """Return the styles that the spec allows."""
    marks = [source.decimal] if source.decimal else [one for one in ".," if one != source.thousands]
    groups = [source.thousands] if source.thousands else [",."[marks[0] == ","], *_GROUPS]
    return [Style(mark, group, free=True, zeros=declared) for mark in marks for group in groups if group != mark]


def _first(cells: Mapping[str, str]) -> str:
    """Describe the columns in words: the first with its example cell, and the number of the others."""
    name, cell = next(iter(cells.items()))
    more = f" and {len(cells) - 1:,} more columns" if len(cells) > 1 else ""
    return f"cells in {name!r}{more} (such as {cell[:40]!r})"


def _may_be_number(name: str, source: Source) -> bool:
    return source.types.get(name) in (None, *_NUMERIC) and name not in source.carry and name != source.text


def _mark(ways: Mapping[str, Sequence[Style]]) -> str | None:
    """Return the decimal mark of the columns that can be read with one mark only, if they agree, else None."""
    marks = [{style.decimal for style in one} for one in ways.values()]
    certain = {next(iter(one)) for one in marks if len(one) == 1}
    return next(iter(certain)) if len(certain) == 1 else None


def _differ(ways: Sequence[Style]) -> bool:
    """Whether a column's styles read different numbers: a mark is decimal in one and between thousands in another."""
    return len({style.decimal for style in ways}) > 1 and len({style.thousands for style in ways}) > 1


def _telling(cells: Sequence[str]) -> str:
    return next(cell for cell in cells if "." in cell or "," in cell)[:40]


def _chosen(ways: Sequence[Style], mark: str | None, delimiter: str) -> Style:
    by_mark = {style.decimal: style for style in reversed(ways)}
    if len(by_mark) == 1 or (mark or "") in by_mark:
        return by_mark.get(mark or "", ways[0])
    plain = [style for style in ways if style.decimal == "." and not style.thousands]
    return plain[0] if plain else by_mark["." if delimiter == "," else ","]


def _readings(cells: Sequence[str], source: Source, declared: bool) -> list[Style]:
    """Return the styles in which all cells are numbers and at least one cell has a mark."""
    joined = "\n".join(cells)
    found = []
    for mark in [source.decimal] if source.decimal else [one for one in ".," if one != source.thousands]:
        between = [source.thousands] if source.thousands else [",."[mark == ","], *_GROUPS]
        for group in ["", *between]:
            style = Style(mark, group, free=bool(source.thousands and group), zeros=declared)
            if group != mark and (group or mark) in joined and _is_written(cells, style, declared):
                found.append(style)
    return [style for style in found if style.thousands] if source.thousands and len(found) > 1 else found


def _is_written(cells: Sequence[str], style: Style, declared: bool) -> bool:
    if style.decimal == "." and not style.thousands:
        return all(map(_POINT.fullmatch, cells))
    return all(map(re.compile(style.pattern).match, cells)) and (declared or not _is_code(cells, style.thousands))


def _is_code(cells: Sequence[str], group: str) -> bool:
    """Whether grouped digits are a code: telephone numbers (of one form or with a plus) or network addresses."""
    if group and (all(cell.startswith("+") for cell in cells) or any(map(_PHONE.match, cells))):
        return True
    if group == ".":
        return all(map(_ADDRESS.fullmatch, cells)) and all(int(part) < 256 for one in cells for part in one.split("."))
    form = re.compile(rf"[0-9]{{3}}(?:{re.escape(group)}[0-9]{{3}}){{2,}}")
    return bool(group) and group in _GROUPS and len(set(map(len, cells))) == 1 and all(map(form.fullmatch, cells))


def plain_numbers(
    array: pa.Array, column: str, style: Style, source: Source, place: Callable[[int], str]
) -> tuple[pa.Array, bool]:
    """Return the numbers of a style rewritten with a decimal point, and whether any cell changed.

    `place` names a row, by its position in the block, for messages. Raises SourceError for a cell that is no number
    of the style.
    """
    known = pc.or_(pc.match_substring_regex(array, style.pattern), pc.is_in(array, value_set=texts(source.nulls)))
    if style.assumed:
        marks = re.escape(f",.{style.thousands}")
        number = pc.match_substring_regex(array, rf"^[+-]?[0-9][0-9]*[{marks}][0-9{marks}]*$")
        known = pc.or_(known, pc.invert(number))
    if not pc.all(known).as_py():
        at = pc.index(known, False).as_py()
        raise SourceError(
            f"{place(at)}: the numbers of column {column!r} have {style.told()} in the first rows, but here "
            f"is {array[at].as_py()[:80]!r}; mend it, list it in source.nulls, set source.decimal and source.thousands,"
            " or set the column's source.types to string"
        )
    plain = pc.replace_substring(array, style.thousands, "") if style.thousands else array
    plain = pc.replace_substring(plain, ",", ".") if style.decimal == "," else plain
    styled = pc.match_substring_regex(array, style.pattern)
    plain = pc.if_else(styled, plain, array)
    return plain, not plain.equals(array)
