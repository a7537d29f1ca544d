"""Checks whether a row could be in the source: types, missing values, ranges and categories as in the real rows.

Declared constraints hold, too. What the real rows have is read from the plan's profile alone.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.validate.base import Batch, Verdict, first_faults
from pipelines.validate.tabular.constraints import Constraint, parse_constraint
from schemas.arrow import arrow_type
from schemas.errors import Fault, SpecError
from schemas.plan import Column, Plan, Value

_log = logging.getLogger(__name__)


class SchemaParams(base.Params):
    """The rules for a row besides the types."""

    ranges: Literal["seen", "any"] = Field("seen", description="Whether numbers and dates stay in the range seen.")
    constraints: list[str] = Field([], description="Conditions such as `start <= end`; unknown (null) is in order.")


@dataclass(frozen=True)
class _Rule:
    """A rule; `broken` returns which rows break it, or None where all keep it."""

    detail: str
    broken: Callable[[pa.Table], NDArray[np.bool_] | None]


class SchemaValidator:
    """Refuses rows that could not be in the source; of ids only the type is checked.

    A row counts under the first rule that it breaks: types, then each column in order, then constraints.

    Example:
        validate: [{name: schema, params: {constraints: ["start <= end"]}}]

    """

    name: ClassVar[str] = "schema"
    Params: ClassVar[type[base.Params]] = SchemaParams

    def __init__(self, params: SchemaParams, plan: Plan) -> None:
        self._columns = plan.profile.columns
        self._constraints = _parse_constraints(params.constraints, plan)
        self._rules = [rule for column in self._columns for rule in _column_rules(column, params.ranges)]
        self._rules += [_Rule(f"constraint {constraint.text}", constraint.broken) for constraint in self._constraints]

    def fit(self, real: Iterable[Batch]) -> None:
        """Warn of declared constraints that real rows break; nothing is learnt."""
        broken: Counter[str] = Counter()
        if self._constraints:
            for batch in real:
                broken.update(
                    {constraint.text: int(constraint.broken(batch.table).sum()) for constraint in self._constraints}
                )
        for text, rows in broken.items():
            if rows:
                _log.warning("%s real rows break the constraint `%s`; no synthetic row will", f"{rows:,}", text)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the rows that break a rule, with the rule as the detail."""
        wrong = _find_wrong_type(batch.table, self._columns)
        if wrong:
            return Verdict(np.zeros(len(batch.table), np.bool_), {wrong: len(batch.table)})
        results = ((rule.detail, rule.broken(batch.table)) for rule in self._rules)
        return first_faults(len(batch.table), ((detail, broken) for detail, broken in results if broken is not None))

    def save(self, path: Path) -> None:
        """Write nothing: the plan holds all that is needed."""

    def load(self, path: Path) -> None:
        """Read nothing."""


def _parse_constraints(texts: list[str], plan: Plan) -> list[Constraint]:
    """Parse the constraints; raises one SpecError with the faults of all."""
    step = next((index for index, step in enumerate(plan.validators) if step.name == "schema"), 0)
    parsed: list[Constraint] = []
    faults: list[Fault] = []
    for index, text in enumerate(texts):
        try:
            path = ("validate", step, "schema", "constraints", index)
            parsed.append(parse_constraint(text, plan.profile.columns, path))
        except SpecError as error:
            faults.extend(error.faults)
    if faults:
        raise SpecError(*faults)
    return parsed


def _find_wrong_type(table: pa.Table, columns: list[Column]) -> str:
    """Return the fault of the table's columns, or an empty text."""
    for column in columns:
        if column.name not in table.column_names:
            return f"no column {column.name}"
        actual = table.schema.field(column.name).type
        if actual != arrow_type(column.type):
            return f"type of {column.name}: {actual}, not {column.type}"
    return ""


def _column_rules(column: Column, ranges: str) -> Iterator[_Rule]:
    if column.role in ("id", "carried"):
        return
    if not column.nulls:
        yield _Rule(f"missing {column.name}", lambda table: _mark_missing(table.column(column.name)))
    if column.categories is not None:
        seen = pa.array(column.categories, pa.string())
        yield _Rule(f"unseen {column.name}", lambda table: _mark_unseen(table.column(column.name), seen))
    ranged = column.type not in ("string", "bool") and column.minimum is not None and column.maximum is not None
    if ranged and ranges == "seen":
        low, high = (_parse_bound(value, arrow_type(column.type)) for value in (column.minimum, column.maximum))
        yield _Rule(f"range of {column.name}", lambda table: _mark_outside(table.column(column.name), low, high))


def _parse_bound(value: Value, kind: pa.DataType) -> pa.Scalar:
    """Return a bound of the profile as a value of the column's type; times without an offset are in UTC."""
    if pa.types.is_date(kind):
        return pa.scalar(date.fromisoformat(str(value)[:10]), kind)
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(str(value))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        return pa.scalar(moment if kind.tz else moment.replace(tzinfo=None), kind)
    return pa.scalar(value, kind)


def _mark_missing(values: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """Return which values are null or NaN, or None if no value is."""
    if not (values.null_count or pa.types.is_floating(values.type)):
        return None
    missing: NDArray[np.bool_] = pc.is_null(values, nan_is_null=True).to_numpy()
    return missing


def _mark_unseen(values: pa.ChunkedArray, seen: pa.Array) -> NDArray[np.bool_] | None:
    """Return which values are not among `seen`, or None if all are; nulls belong to another rule."""
    known = pc.is_in(values, value_set=seen)
    if pc.all(known).as_py():
        return None
    unseen: NDArray[np.bool_] = pc.and_(pc.invert(known), pc.is_valid(values)).to_numpy()
    return unseen


def _mark_outside(values: pa.ChunkedArray, low: pa.Scalar, high: pa.Scalar) -> NDArray[np.bool_] | None:
    """Return which values are outside the range, or None if none is; nulls and NaN belong to another rule.

    The extremes are compared first, which is faster.
    """
    extremes = pc.min_max(values)
    if not extremes["min"].is_valid or (_not_less(extremes["min"], low) and _not_less(high, extremes["max"])):
        return None
    outside = pc.or_(pc.less(values, low), pc.greater(values, high))
    result: NDArray[np.bool_] = pc.fill_null(outside, False).to_numpy()
    return result


def _not_less(left: pa.Scalar, right: pa.Scalar) -> bool:
    return bool(pc.greater_equal(left, right).as_py())
