"""The baseline: draws real rows of the class again, with replacement. Learns nothing."""

import json
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from generators import base
from generators.classes import check_class_known, check_class_sizes, split_classes
from schemas.arrow import PARENT_ROW
from schemas.plan import SampleRequest


class Resample:
    """Draws real rows of the class with replacement: random over-sampling, the baseline of all generators.

    Its rows are copies, so the validators of duplicates are not among its defaults: they would reject all of them.

    >>> table = pa.table({"x": [1, 2, 3], "label": ["often", "often", "rare"]})
    >>> generator = Resample(Resample.Params())
    >>> generator.fit(table, "label", seed=0)
    >>> generator.sample(SampleRequest(stratum="rare", chunk=0, rows=2, seed=7)).to_pydict()
    {'x': [3, 3], 'label': ['rare', 'rare'], '_parent_row': [2, 2]}
    """

    class Params(base.Params):
        """Takes no parameters."""

    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("tabular", "text", "image"),
        origin="augmented",
        max_chunk_rows=100_000,
        skips=frozenset({"duplicates", "near_duplicates"}),
        remedy="over_sampling",
        makes_objects=True,
    )

    def __init__(self, params: Params) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:  # noqa: ARG002 - nothing is drawn
        """Keep the rows of each class; raises GeneratorError if the table has none."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "resample")
        self._table, self._label = table, label
        numbered = table.append_column(PARENT_ROW, pa.array(range(table.num_rows), pa.int64()))
        self._classes = split_classes(numbered, label)

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` real rows of the class; `_parent_row` says which rows of the table they are.

        Raises GeneratorError if the class was not in the table.
        """
        import numpy as np

        check_class_known(request.stratum, self._classes)
        rows = self._classes[request.stratum]
        return rows.take(np.random.default_rng(request.seed).integers(rows.num_rows, size=request.rows))

    def save(self, path: Path) -> None:
        """Write `rows.parquet` and `model.json`."""
        pq.write_table(self._table, path / "rows.parquet")
        (path / "model.json").write_text(json.dumps({"label": self._label}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 - nothing runs on a device
        """Read what `save` wrote."""
        self.fit(pq.read_table(path / "rows.parquet"), json.loads((path / "model.json").read_text())["label"], seed=0)
