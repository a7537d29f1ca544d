"""Describes each column of a source in words: its type, its role, the reason, and what of its cells changes.

`plan` and `init` show these lines, so that nobody has to guess how a column was read. Knows no files.
"""

import re
from datetime import datetime, timedelta

from pipelines.source.column import named_id
from schemas.plan import Column, Plan, SourceProfile, Value
from schemas.stored import shown_type
from schemas.terminal import escaped

SHOWN = 40
"""Columns that are listed one by one."""
_FEW, _OWN = 20, 0.9
"""The fewest rows, and the smallest share of distinct texts among them, for which texts identify single rows."""
_TIMED = re.compile(r"(time32|time64|duration)\[(s|ms|us|ns)\]")
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
OVERRIDE = "Wrong? source.types.COLUMN: integer | number | boolean | date | timestamp | string | category | id"


def column_lines(plan: Plan) -> list[str]:
    """Return a line for each of the first `SHOWN` columns and each changed one, and a line on corrections."""
    columns = plan.profile.columns
    shown = columns[:SHOWN] + [column for column in columns[SHOWN:] if column.changed]
    name_width = min(30, max(len(_name(column)) for column in shown))
    kinds = [_kind(column) for column in shown]
    kind_width = min(24, max(map(len, kinds)))
    lines = [
        f"{_name(column):<{name_width}}  {kind:<{kind_width}}  {_role(column, plan):<8}  {_evidence(column, plan)}"
        for column, kind in zip(shown, kinds, strict=True)
    ]
    more = len(columns) - len(shown)
    return (
        [escaped(line.rstrip()) for line in lines] + ([f"… and {more:,} more columns"] if more > 0 else []) + [OVERRIDE]
    )


def changes(profile: SourceProfile) -> list[str]:
    """Return a line for each column whose cells differ between the source and the dataset."""
    return [escaped(f"{_name(column)}: {column.changed}") for column in profile.columns if column.changed]


def _name(column: Column) -> str:
    return column.name if column.name.isprintable() else repr(column.name)


def _kind(column: Column) -> str:
    kind = shown_type(column.stored) if column.stored else column.type
    return re.sub("^dictionary<values=([a-z_]+).*", r"\1 (dictionary)", kind)


def _role(column: Column, plan: Plan) -> str:
    return "class" if column.name in plan.by else column.role


def _evidence(column: Column, plan: Plan) -> str:
    """Return what was seen in the column that gives it its role, in words."""
    told = [_why(column), _range(column), _own_values(column, plan)]
    told += [", ".join(f"{n} = {name}" for n, name in enumerate(column.names[:5]))] if column.names else []
    told += [f"{column.nulls:,} missing"] if column.nulls and column.role not in ("carried", "constant") else []
    told += [column.changed] if column.changed else []
    return "; ".join(filter(None, told))


def _why(column: Column) -> str:
    if column.role == "id":
        named = " and it is named like one" if named_id(column.name) else ""
        return f"no two rows share a value{named}; made rows get new ones"
    if column.role == "carried":
        return f"real rows keep it{'' if column.changed else ' as it is'}, made rows have none"
    if column.role == "constant":
        return f"always {column.constant!r}" if column.constant is not None else "all cells are missing"
    if column.distinct is None:
        return "many values"
    values = f"{column.distinct:,} {'value' if column.distinct == 1 else 'values'}"
    codes = column.categories and all(re.fullmatch(r"\+?[0-9]+", text) for text in column.categories)
    return f"{values}, codes of digits, which keep zeros and signs" if codes else values


def _range(column: Column) -> str:
    if column.role in ("constant", "carried") or column.minimum is None or column.type == "bool":
        return ""
    return f"{_shown(column.minimum, column.stored)} to {_shown(column.maximum, column.stored)}"


def _shown(value: Value, stored: str | None) -> str:
    """Return a value as text; times of day and durations, which are computed as numbers, are written as times."""
    found = _TIMED.match(stored or "")
    if not found or not isinstance(value, int | float):
        return str(value)
    seconds, parts = divmod(int(value), _UNITS[found[2]])
    span = timedelta(seconds=seconds)
    told = str((datetime.min + span).time()) if found[1] != "duration" else str(span)
    return told + (f".{parts:0{len(str(_UNITS[found[2]])) - 1}}" if parts else "")


def _own_values(column: Column, plan: Plan) -> str:
    """Return a warning where made rows show texts that identify a real row: nearly every text occurs once."""
    feature = column.role == "feature" and column.type == "string" and column.name not in plan.by
    rows = plan.profile.rows - column.nulls
    if not feature or not plan.makes_rows or column.private or rows < _FEW:
        return ""
    if column.distinct is not None and column.distinct < _OWN * rows:
        return ""
    return "made rows show texts of single real ones (source.types: id makes new ones, source.carry none)"
