"""A baseline: real rows of the class, drawn again with replacement. Learns nothing."""

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
    """Draws real rows of the class with replacement: random over-sampling, what every other generator must beat.

    Its rows are copies, so the validators of duplicates are not among its defaults: they would reject all of them.
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
        """Keep the rows of each class; raises GeneratorError if there are none."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "resample")
        self._table, self._label = table, label
        numbered = table.append_column(PARENT_ROW, pa.array(range(table.num_rows), pa.int64()))
        self._classes = split_classes(numbered, label)

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` real rows of the class, and in `_parent_row` which they are.

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
