"""Declared constraints, such as `start <= end` or `age >= 0 and not (age < 18 and married)`, on Arrow tables.

Python's own parser parses the text; it is compiled from a short list of allowed nodes, and nothing is ever evaluated as
Python. Knows nothing of validators.

A constraint consists of column names (in backticks where they hold spaces, dashes or are Python words), numbers, quoted
strings, True and False; `+ - * /` on numbers; `< <= > >= == !=`, also chained; `and`, `or`, `not`. A string compared
with a date or timestamp column is read as ISO 8601. As with CHECK in SQL, null makes a comparison unknown, and a row
breaks a constraint only if the whole is false. NaN, as from 0 / 0, counts as null. Arithmetic is in double precision.
"""

import ast
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.arrow import arrow_type
from schemas.errors import Fault, SpecError, nearest
from schemas.plan import Column

_LONGEST = 1_000  # characters; deep nesting would overflow the parser's stack
_COMPARE = {
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
}
_COMBINE = {ast.And: pc.and_kleene, ast.Or: pc.or_kleene}
_CALCULATE = {ast.Add: pc.add, ast.Sub: pc.subtract, ast.Mult: pc.multiply, ast.Div: pc.divide}
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`([^`]*)`""")

Evaluate = Callable[[pa.Table], Any]


@dataclass(frozen=True)
class _Term:
    """A part of a constraint: `kind` is number, text, boolean, date or timestamp; `value` is set for literals."""

    kind: str
    evaluate: Evaluate
    value: Any = None


@dataclass(frozen=True)
class Constraint:
    """A condition that each row must meet; `text` is as the user wrote it."""

    text: str
    evaluate: Evaluate

    def broken(self, table: pa.Table) -> NDArray[np.bool_]:
        """Return which rows break the constraint; rows for which it is unknown do not."""
        holds = pc.fill_null(self.evaluate(table), True)
        if isinstance(holds, pa.Scalar):
            return np.full(table.num_rows, not holds.as_py())
        broken: NDArray[np.bool_] = pc.invert(holds).to_numpy()
        return broken


def parse_constraint(text: str, columns: list[Column], path: tuple[str | int, ...] = ()) -> Constraint:
    """Compile a constraint on the given columns; raises SpecError, with a fault at `path`, if it is not valid.

    >>> age = Column(name="age", type="int64", role="feature")
    >>> parse_constraint("age >= 18", [age]).broken(pa.table({"age": [17, 18, None]}))
    array([ True, False, False])
    """
    try:
        return Constraint(text, _Compiler(text, columns).compile())
    except _FaultyError as error:
        raise SpecError(Fault(path, f"{error}; got {text[:200]!r}")) from None
    except RecursionError:
        raise SpecError(Fault(path, f"is nested too deeply; got {text[:200]!r}")) from None


class _FaultyError(Exception):
    """The fault of a constraint."""


class _Compiler:
    """Compiles one constraint into a function of a table."""

    def __init__(self, text: str, columns: list[Column]) -> None:
        self._types = {column.name: column.type for column in columns}
        self._quoted: dict[str, str] = {}
        self._text = text

    def compile(self) -> Evaluate:
        term = self._term(self._parse())
        if term.kind != "boolean":
            raise _FaultyError(f"a constraint must be true or false, as in `a <= b`, not a {term.kind}")
        return term.evaluate

    def _parse(self) -> ast.expr:
        if len(self._text) > _LONGEST:
            raise _FaultyError(f"a constraint may have {_LONGEST} characters, not {len(self._text)}; split it at `and`")
        try:
            return ast.parse(_QUOTED.sub(self._plain_name, self._text).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _FaultyError(
                "cannot be read; write it as in `age >= 0`, with column names that hold spaces, dashes or are Python "
                "words in backticks"
            ) from None

    def _plain_name(self, match: re.Match[str]) -> str:
        """Replace a name in backticks by an identifier; leave quoted strings alone."""
        if match[1] is None:
            return match[0]
        stand_in = f"_quoted_{len(self._quoted)}_"
        self._quoted[stand_in] = match[1]
        return f" {stand_in} "

    def _term(self, node: ast.expr) -> _Term:
        match node:
            case ast.Name(id=name):
                return self._column(self._quoted.get(name, name))
            case ast.Constant(value=value):
                return _literal(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                term = self._of_kind("boolean", operand, "not")
                return _Term("boolean", lambda table: pc.invert(term.evaluate(table)))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(
                value, bool
            ):
                return _literal(-value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _calculate(pc.subtract, _literal(0), self._of_kind("number", operand, "-"))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _CALCULATE:
                terms = [self._of_kind("number", part, "arithmetic") for part in (left, right)]
                return _calculate(_CALCULATE[type(op)], *terms)
            case ast.BoolOp(op=op, values=values):
                word = type(op).__name__.lower()
                return _combine(_COMBINE[type(op)], [self._of_kind("boolean", part, word) for part in values])
            case ast.Compare():
                return self._comparison(node)
        raise _FaultyError(
            f"`{self._show(node)}` may not stand in a constraint; allowed are columns, numbers, quoted strings, "
            "+ - * /, < <= > >= == !=, and, or, not"
        )

    def _show(self, node: ast.expr) -> str:
        """Return a part of the constraint nearly as the user wrote it."""
        text = ast.unparse(node)
        for stand_in, name in self._quoted.items():
            text = text.replace(stand_in, name)
        return text[:80]

    def _column(self, name: str) -> _Term:
        if name not in self._types:
            hint = " (names with dashes or spaces go in backticks)" if re.search(r"[-`]", self._text) else ""
            raise _FaultyError(f"unknown column {name!r}{nearest(name, self._types)}{hint}")
        kind = _kind_of(arrow_type(self._types[name]))
        if self._types[name] == "double":
            return _Term(kind, lambda table: _nan_to_null(table.column(name)))
        if kind == "timestamp":  # instants in UTC, with or without a zone
            return _Term(kind, lambda table: table.column(name).cast(pa.timestamp("us")))
        return _Term(kind, lambda table: table.column(name))

    def _of_kind(self, kind: str, node: ast.expr, where: str) -> _Term:
        term = self._term(node)
        if term.kind != kind:
            raise _FaultyError(f"`{self._show(node)}` is a {term.kind}; {where} takes a {kind}")
        return term

    def _comparison(self, node: ast.Compare) -> _Term:
        if any(type(op) not in _COMPARE for op in node.ops):
            raise _FaultyError("allowed comparisons are < <= > >= == !=")
        terms = [self._term(part) for part in (node.left, *node.comparators)]
        pairs = []
        for op, left, right in zip(node.ops, terms, terms[1:], strict=False):
            left, right = _to_same_kind(left, right)
            if left.kind == "boolean" and not isinstance(op, ast.Eq | ast.NotEq):
                raise _FaultyError("booleans are compared by == and != alone")
            pairs.append(_compare(_COMPARE[type(op)], left, right))
        return _combine(pc.and_kleene, pairs)


def _kind_of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return "text" if pa.types.is_string(kind) else "number"


def _literal(value: Any) -> _Term:
    if isinstance(value, bool):
        return _constant("boolean", pa.scalar(value), value)
    if isinstance(value, int) and abs(value) < 2**63:
        return _constant("number", pa.scalar(value, pa.int64()), value)
    if isinstance(value, int | float):
        return _constant("number", pa.scalar(_as_float(value), pa.float64()), value)
    if isinstance(value, str):
        return _constant("text", pa.scalar(value), value)
    raise _FaultyError(f"{value!r} may not stand in a constraint; a missing value is in order as it is")


def _as_float(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _FaultyError("a number is too large")
    return number


def _constant(kind: str, scalar: pa.Scalar, value: Any) -> _Term:
    return _Term(kind, lambda _: scalar, value)


def _nan_to_null(values: Any) -> Any:
    return pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)


def _calculate(function: Callable[[Any, Any], Any], left: _Term, right: _Term) -> _Term:
    def evaluate(table: pa.Table) -> Any:
        sides = [pc.cast(term.evaluate(table), pa.float64(), safe=False) for term in (left, right)]
        return _nan_to_null(function(*sides))

    return _Term("number", evaluate)


def _compare(function: Callable[[Any, Any], Any], left: _Term, right: _Term) -> _Term:
    return _Term("boolean", lambda table: function(left.evaluate(table), right.evaluate(table)))


def _combine(function: Callable[[Any, Any], Any], terms: list[_Term]) -> _Term:
    def evaluate(table: pa.Table) -> Any:
        result = terms[0].evaluate(table)
        for term in terms[1:]:
            result = function(result, term.evaluate(table))
        return result

    return _Term("boolean", evaluate)


def _to_same_kind(left: _Term, right: _Term) -> tuple[_Term, _Term]:
    """Convert both sides of a comparison to one kind: literals to dates, dates to timestamps."""
    left, right = _as_time(left, right.kind), _as_time(right, left.kind)
    if {left.kind, right.kind} == {"date", "timestamp"}:
        left, right = _as_timestamp(left), _as_timestamp(right)
    if left.kind != right.kind:
        raise _FaultyError(f"a {left.kind} cannot be compared with a {right.kind}")
    return left, right


def _as_time(term: _Term, other: str) -> _Term:
    """Read a text literal as a date or timestamp if the other side is one; times without an offset are in UTC."""
    if other not in ("date", "timestamp") or not isinstance(term.value, str):
        return term
    try:
        moment = datetime.fromisoformat(term.value)
    except ValueError:
        raise _FaultyError(f"{term.value!r} is no ISO 8601 date, such as '2024-12-31'") from None
    if other == "date" and len(term.value) <= len("2024-12-31"):
        day = moment.date()
        return _constant("date", pa.scalar(day, pa.date32()), day)
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return _constant("timestamp", pa.scalar(naive, pa.timestamp("us")), naive)


def _as_timestamp(term: _Term) -> _Term:
    return _Term("timestamp", lambda table: pc.cast(term.evaluate(table), pa.timestamp("us")))
