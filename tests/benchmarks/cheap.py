"""A generator that costs next to nothing, so that a benchmark sees what the engine costs."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from generators.base import Params
from schemas.plan import SampleRequest


class CheapParams(Params):
    """It takes none."""


class Cheap:
    """Draws each column by itself: numbers evenly within the real range, texts evenly among the real ones."""

    Params = CheapParams
    max_chunk_rows: ClassVar[int] = 8192
    min_class_rows: ClassVar[int] = 1
    origin: ClassVar[str] = "synthetic"
    uses_gpu: ClassVar[bool] = False
    modalities: ClassVar[tuple[str, ...]] = ("tabular",)
    skips: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: CheapParams) -> None:
        self.columns: dict[str, list] = {}
        self.label = ""

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Keep the range of each number and the values of each text."""
        self.label = label
        for name in table.column_names:
            column = table[name].combine_chunks()
            if pa.types.is_string(column.type):
                self.columns[name] = ["text", column.unique().drop_null().to_pylist()]
            else:
                values = column.drop_null().to_numpy(zero_copy_only=False)
                kind = "integer" if pa.types.is_integer(column.type) else "number"
                self.columns[name] = [kind, [float(values.min()), float(values.max())]]

    def sample(self, request: SampleRequest) -> pa.Table:
        """Draw the request's rows."""
        rng = np.random.default_rng(request.seed)
        columns = {}
        for name, (kind, values) in self.columns.items():
            if name == self.label:
                columns[name] = pa.repeat(pa.scalar(request.stratum), request.rows)
            elif kind == "text":
                codes = rng.integers(0, len(values), request.rows, dtype=np.int32)
                columns[name] = pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
            elif kind == "integer":
                columns[name] = pa.array(rng.integers(int(values[0]), int(values[1]) + 1, request.rows))
            else:
                columns[name] = pa.array(rng.uniform(*values, request.rows))
        return pa.table(columns)

    def save(self, path: Path) -> None:
        """Write what was kept."""
        (path / "cheap.json").write_text(json.dumps([self.label, self.columns]))

    def load(self, path: Path, device: str) -> None:
        """Read it back."""
        self.label, self.columns = json.loads((path / "cheap.json").read_text())
