"""A generator that costs next to nothing, so that benchmarks see, and tests wait for, the engine alone."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from generators.base import Capabilities, Params
from schemas.plan import SampleRequest


class CheapParams(Params):
    """It takes none."""


class Cheap:
    """Independent marginals: each column is drawn by itself from its own empirical distribution.

    Numbers and dates by the inverse of 1,001 quantiles, texts by their frequencies; nulls are not modelled.
    """

    Params = CheapParams
    capabilities: ClassVar[Capabilities] = Capabilities(modalities=("tabular",), max_chunk_rows=8192)

    def __init__(self, params: CheapParams) -> None:
        self.columns: dict[str, list] = {}
        self.label = ""

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Keep the quantiles of each number and the frequencies of each text."""
        self.label = label
        for name in table.column_names:
            column = table[name].combine_chunks().drop_null()
            if pa.types.is_string(column.type):
                counts = column.value_counts()
                shares = counts.field("counts").to_numpy() / len(column)
                self.columns[name] = ["text", counts.field("values").to_pylist(), np.cumsum(shares).tolist()]
            else:
                kind = "integer" if pa.types.is_integer(column.type) else "number"
                kind = "date" if pa.types.is_date(column.type) else kind
                numbers = column.cast(pa.int32()) if kind == "date" else column
                self.columns[name] = [kind, np.quantile(numbers.to_numpy(), np.linspace(0, 1, 1001)).tolist()]

    def sample(self, request: SampleRequest) -> pa.Table:
        """Draw the request's rows."""
        rng = np.random.default_rng(request.seed)
        columns = {}
        for name, (kind, values, *shares) in self.columns.items():
            draws = rng.random(request.rows)
            if name == self.label:
                columns[name] = pa.repeat(pa.scalar(request.stratum), request.rows)
            elif kind == "text":
                codes = np.searchsorted(shares[0][:-1], draws).astype(np.int32)
                columns[name] = pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
            else:
                made = np.interp(draws * 1000, np.arange(1001), values)
                whole = {"integer": "int64", "date": "datetime64[D]"}
                columns[name] = pa.array(np.rint(made).astype(whole[kind]) if kind in whole else made)
        return pa.table(columns)

    def save(self, path: Path) -> None:
        """Write what was kept."""
        (path / "cheap.json").write_text(json.dumps([self.label, self.columns]))

    def load(self, path: Path, device: str) -> None:
        """Read it back."""
        self.label, self.columns = json.loads((path / "cheap.json").read_text())
