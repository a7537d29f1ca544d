"""Assigns rows to strata, the combinations of values in the `by` columns, and names the strata."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.plan import Value
from schemas.spec import value_name

Key = tuple[Value, ...]
"""A stratum's values in the `by` columns, which identify the stratum."""


def stratum_column(
    table: pa.Table, by: list[str], keys: Mapping[str, Sequence[Value]] | None = None
) -> pa.DictionaryArray:
    """Return the name of each row's stratum, as a dictionary array of int32 codes; the `by` columns hold no nulls.

    `keys` holds the values of each known stratum by its name. Other combinations get names that none of these has.
    """
    codes, found = _combinations([table[name].combine_chunks() for name in by])
    known = {tuple(key): name for name, key in (keys or {}).items()}
    names = [known.get(key) or _other_name(key, keys or {}) for key in found]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string()))


def _combinations(columns: list[pa.Array]) -> tuple[NDArray[np.int64], list[Key]]:
    """Return the number of each row's combination, shape (rows,), and the combinations.

    Combinations are numbered column by column: the product of all numbers of distinct values may exceed 64 bits.
    """
    codes: NDArray[np.int64] = np.zeros(len(columns[0]), np.int64)
    keys: list[Key] = [()] if len(columns[0]) else []
    for column in columns:
        encoded = column.dictionary_encode()
        width = max(1, len(encoded.dictionary))
        values = [value_of(value) for value in encoded.dictionary.to_pylist()]
        used, codes = np.unique(codes * width + np.asarray(encoded.indices), return_inverse=True)
        keys = [(*keys[pair // width], values[pair % width]) for pair in used.tolist()]
    return codes, keys


def _other_name(key: Key, keys: Mapping[str, Sequence[Value]]) -> str:
    name = stratum_name(key)
    return quoted_name(key) if name in keys else name


def stratum_name(key: Sequence[Value]) -> str:
    """Return the readable name of a stratum: its values in the `by` columns, joined by ` | `."""
    return " | ".join(value_name(value) for value in key)


def quoted_name(key: Sequence[Value]) -> str:
    """Return a name that is unique to these values, since texts are quoted as in JSON."""
    return " | ".join(json.dumps(value, ensure_ascii=False) for value in key)


def stratum_names(keys: Iterable[Key]) -> dict[Key, str]:
    """Return a unique name for each stratum.

    The name is the joined values; strata that would share a name have their texts in quotation marks.
    """
    names = {key: stratum_name(key) for key in keys}
    while twice := {name for name, strata in Counter(names.values()).items() if strata > 1}:
        names |= {key: quoted_name(key) for key, name in names.items() if name in twice}
    return names


def value_of(cell: Any) -> Value:
    """Return a cell of a `by` column as plans and manifests store it: dates and times as ISO 8601 text."""
    return cell.isoformat() if isinstance(cell, date) else cell
