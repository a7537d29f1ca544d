"""Reads columns from folder names like `year=2020/p.parquet`: hive partitioning, as pyarrow.dataset reads it.

The values of a key are integers if all are written in plain digits, else texts. If a file has the column itself, that
is used. Folders that are splits (`split=train`) are no columns, unless the spec names the column or takes all splits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

import pyarrow as pa

from pipelines.source.cells import Cells, check_names, texts
from pipelines.source.splits import ALL, NONE, find_splits, is_meant
from schemas.spec import Source

_MISSING = "__HIVE_DEFAULT_PARTITION__"

Keys = Mapping[str, str | None]
"""The values of one file by column; None is a missing value."""


class Partitions:
    """The columns in folder names, with one type over all files; `splits` are keys that are no columns."""

    def __init__(self, names: Sequence[str], source: Source) -> None:
        self._keys = {name: _keys(name) for name in names if "=" in name}
        found: dict[str, set[str | None]] = {}
        for keys in self._keys.values():
            for column, value in keys.items():
                found.setdefault(column, set()).add(value)
        self.splits = _split_keys(names, source) if found else set()
        self.types = {column: _type(values) for column, values in found.items() if column not in self.splits}
        check_names(list(self.types), "the names of the folders")

    def told(self) -> list[str]:
        """Return a list with one sentence on folders that are splits and no column, or an empty list."""
        named = ", ".join(f"{key}=…" for key in sorted(self.splits))
        return [f"Folders {named} are splits, and no column (one that source.types names is kept)."] if named else []

    def of(self, name: str) -> dict[str, str]:
        """Return the columns in one file's folder names, with their types."""
        return {column: self.types[column] for column in self._keys.get(name, {}) if column in self.types}

    def without(self, source: Source) -> Source:
        """Return the source without the columns of folder names, to read the files with it."""
        if not self.types:
            return source
        parts = {key: [one for one in getattr(source, key) if one not in self.types] for key in ("drop", "carry")}
        columns = None if source.columns is None else [one for one in source.columns if one not in self.types]
        return source.model_copy(update={**parts, "columns": columns})

    def added(self, cells: Cells, name: str, source: Source, wanted: list[str] | None) -> Cells:
        """Return the cells of a file, with the columns of its folder names added."""
        columns, types = dict(cells.columns), dict(cells.types)
        for column, value in self._keys.get(name, {}).items():
            chosen = column in self.types and source.reads(column) and (wanted is None or column in wanted)
            if chosen and column not in columns:
                columns[column] = _repeated(value, cells.rows, self.types[column])
                types[column] = self.types[column]
        return replace(cells, columns=columns, types=types)


def columns_named(source: Source) -> set[str]:
    """Return the columns that the spec names; folders with these keys are columns and no splits."""
    named = {source.label, source.text, source.image, *source.types, *(source.columns or ()), *source.carry}
    return {name for name in (*named, *source.drop, *source.private) if name}


def _split_keys(names: Sequence[str], source: Source) -> set[str]:
    """Return the keys of folders that are splits of the source."""
    named, asked = columns_named(source), source.split
    if asked in (ALL, NONE):
        return set()
    if asked is None:
        splits = find_splits(names, lambda _: True, named)
        parts = set(splits.of.values()) if splits and splits.depth is not None else set()
        return {unquote(part.partition("=")[0]) for part in parts if "=" in part}
    folders = [name.split("/")[:-1] for name in names]
    chosen = [{part.partition("=")[0] for part in parts if "=" in part and is_meant(asked, part)} for parts in folders]
    return {unquote(key) for key in set.intersection(*chosen)} - named if chosen else set()


def _keys(name: str) -> Keys:
    pairs = (part.split("=", 1) for part in name.split("/")[:-1] if "=" in part)
    found = {unquote(key): unquote(value) for key, value in pairs if key}
    return {key: None if value == _MISSING else value for key, value in found.items()}


def _type(values: Iterable[str | None]) -> str:
    known = [value for value in values if value is not None]
    whole = all(value.isascii() and value.lstrip("-").isdigit() and str(int(value)) == value for value in known)
    return "int64" if whole and known and all(abs(int(value)) < 2**63 for value in known) else "string"


def _repeated(value: str | None, rows: int, kind: str) -> pa.Array:
    if value is None:
        return pa.nulls(rows, pa.int64() if kind == "int64" else pa.string())
    one = texts([value]).cast(pa.int64()) if kind == "int64" else texts([value])
    return pa.repeat(one[0], rows)
