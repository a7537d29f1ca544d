"""SMOTE: new rows between a real row of the class and its neighbours. Knows imbalanced-learn, no network.

imbalanced-learn works on whole datasets: each call would search all neighbours again and return all real rows. Here the
neighbours are found once, at fit; a request runs the library's own generation step on the rows that it drew.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from generators.base import Capabilities
from generators.classes import check_class_known, check_class_sizes, sample_rows, split_classes
from generators.random import seeded
from generators.tabular.frame import LABEL, NULL, Codec, decode, encode
from generators.tabular.params import SMOTEParams
from schemas.plan import SampleRequest


@dataclass(frozen=True)
class _Rows:
    """Rows as SMOTE sees them, by column: float64 numbers, and int64 codes of categories (indices into `values`)."""

    codec: Codec
    names: list[str]
    numbers: np.ndarray
    values: dict[str, np.ndarray]
    codes: np.ndarray
    classes: np.ndarray


class SMOTE:
    """SMOTE, SMOTE-NC or a vote of categories, as the columns require (Chawla et al. 2002, JAIR 16; imbalanced-learn).

    A new row lies between a real row and one of its `k_neighbors` nearest rows of the same class. Numbers lie on the
    line between the two; distances are in units of each number's standard deviation in the class, so that none
    outweighs the rest. A category is the most frequent one of the neighbours. A null is taken from the real row, so
    nulls keep their rate.

    Example:
        generator:
          name: smote
          params: {k_neighbors: 5}

    """

    Params = SMOTEParams
    capabilities: ClassVar[Capabilities] = Capabilities(
        modalities=("tabular",),
        max_chunk_rows=2_000,  # rows x neighbours x categories are held in memory
        min_class_rows=2,
        remedy="smote",
    )

    def __init__(self, params: SMOTEParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Find the neighbours of each row; raises GeneratorError that names a class with a single row."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "smote")
        with seeded(seed) as rng:
            most = self.params.max_class_rows
            parts = [sample_rows(rows, most, rng) for rows in split_classes(table, label).values()]
            self._set_rows(pa.concat_tables(parts), label)
            self._neighbors = _find_neighbors(self._rows, self.params.k_neighbors)

    def _set_rows(self, table: pa.Table, label: str) -> None:
        self._table, self._label = table, label
        self._rows = _prepare(table, label, self.params.max_categories)

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows of the class; raises GeneratorError if the class was not in the table."""
        check_class_known(request.stratum, self._neighbors)
        members = np.flatnonzero(self._rows.classes == request.stratum)
        with seeded(request.seed) as rng:
            bases = rng.integers(len(members), size=request.rows)
            near = self._neighbors[request.stratum][bases]
            chosen = rng.integers(near.shape[1], size=request.rows)
            numbers, codes = _mix(self._rows, members[bases], members[near], chosen, rng)
            return decode(self._rows.codec, _to_frame(self._rows, members[bases], numbers, codes), request.stratum, rng)

    def save(self, path: Path) -> None:
        """Write the real rows, the neighbours of each (indices within its class), and `model.json`."""
        pq.write_table(self._table, path / "rows.parquet")
        lists = [near.tolist() for near in self._neighbors.values()]
        near = pa.array([row for rows in lists for row in rows], pa.list_(pa.int64()))
        pq.write_table(pa.table({"neighbors": near}), path / "neighbors.parquet")
        classes = {name: len(near) for name, near in self._neighbors.items()}
        (path / "model.json").write_text(json.dumps({"label": self._label, "classes": classes}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 - nothing runs on a device
        """Read what `save` wrote."""
        model = json.loads((path / "model.json").read_text())
        self._set_rows(pq.read_table(path / "rows.parquet"), model["label"])
        lists, self._neighbors = pq.read_table(path / "neighbors.parquet")["neighbors"].to_pylist(), {}
        for name, rows in model["classes"].items():
            self._neighbors[name] = np.array(lists[:rows], dtype=np.int64)
            lists = lists[rows:]


def _prepare(table: pa.Table, label: str, max_categories: int) -> _Rows:
    """Return the table's rows; a null number becomes the median of its class (so no randomness is left)."""
    rng = np.random.default_rng(0)
    codec, frame = encode(table, label, rng, max_categories=max_categories, smooth=True)
    classes = frame[LABEL].to_numpy()
    names = [str(name) for name in frame if name not in codec.texts]
    for column in codec.columns:
        if column.code in names and column.kinds in frame:
            nulls = frame[column.kinds] == NULL
            medians = frame[column.code].mask(nulls).groupby(classes).transform("median")
            frame[column.code] = frame[column.code].mask(nulls, medians.fillna(0))
    values, codes = {}, np.empty((len(frame), 0), dtype=np.int64)
    for name in frame:
        if name in codec.texts and name != LABEL:
            values[name], column_codes = np.unique(frame[name].to_numpy(), return_inverse=True)
            codes = np.column_stack([codes, column_codes])
    return _Rows(codec, names, frame[names].to_numpy(dtype=np.float64), values, codes, classes)


def _find_neighbors(rows: _Rows, k: int) -> dict[str, np.ndarray]:
    """Return the nearest other rows of each row, by class, as indices within it: int64 (rows x at most k)."""
    from sklearn.neighbors import NearestNeighbors

    neighbors = {}
    for name in np.unique(rows.classes):
        members = rows.classes == name
        points = _points(rows, members)
        finder = NearestNeighbors(n_neighbors=min(k, len(points) - 1)).fit(points)
        neighbors[str(name)] = finder.kneighbors(return_distance=False).astype(np.int64)
    return neighbors


def _points(rows: _Rows, members: np.ndarray) -> np.ndarray:
    """Return points whose Euclidean distance is SMOTE-NC's: numbers in standard deviations, categories 0 or 1 apart.

    Chawla et al. set the distance of two categories to the median standard deviation of the numbers; here it is 1.
    Without numbers the same distance is used: SMOTE-N's (value difference) is 0 between categories that only one class
    has.
    """
    numbers = rows.numbers[members]
    spread = numbers.std(axis=0)
    numbers = (numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1)
    origin = np.zeros((len(numbers), 1))  # rows without any column are all equally near
    return np.column_stack([origin, numbers, _one_hot(rows, np.flatnonzero(members)) / np.sqrt(2)])


def _one_hot(rows: _Rows, members: np.ndarray) -> np.ndarray:
    """Return float64 (rows x categories of all columns)."""
    sizes = [len(values) for values in rows.values.values()]
    hot = np.zeros((len(members), sum(sizes)))
    starts = np.cumsum([0, *sizes])[:-1].astype(np.int64)
    hot[np.arange(len(members))[:, None], rows.codes[members] + starts] = 1
    return hot


def _mix(
    rows: _Rows, bases: np.ndarray, near: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and codes of new rows between each base and its chosen neighbour, by the library's own step."""
    from imblearn.over_sampling import SMOTENC

    used, indices = np.unique(np.column_stack([bases, near]), return_inverse=True)
    indices = indices.reshape(len(bases), -1)
    points = np.column_stack([rows.numbers[used], _one_hot(rows, used)])
    width = rows.numbers.shape[1]
    smote: Any = SMOTENC(categorical_features=[], random_state=int(rng.integers(2**32)))
    # What `fit_resample` would set before this step. Without categories the step is SMOTE's, without numbers a vote.
    smote.continuous_features_ = np.arange(width)
    smote.categorical_encoder_ = _Categories(list(rows.values.values()))
    smote.median_std_ = {None: 1.0}
    steps = rng.uniform(size=(len(bases), 1))
    order = np.arange(len(bases))
    points_made = smote._generate_samples(points[indices[:, 0]], points, indices[:, 1:], order, chosen, steps, None)
    sizes = [len(values) for values in rows.values.values()]
    parts = np.split(points_made[:, width:], np.cumsum(sizes)[:-1], axis=1) if sizes else []
    codes = np.column_stack([np.empty((len(bases), 0), dtype=np.int64), *(part.argmax(axis=1) for part in parts)])
    return points_made[:, :width], codes.astype(np.int64)


@dataclass(frozen=True)
class _Categories:
    """The only attribute that SMOTE-NC's generation step reads of its encoder."""

    categories_: list[np.ndarray]


def _to_frame(rows: _Rows, bases: np.ndarray, numbers: np.ndarray, codes: np.ndarray) -> Any:
    """Return the frame of new rows, with the nulls of the real rows that they start from."""
    import pandas as pd

    data: dict[str, np.ndarray] = {name: numbers[:, i] for i, name in enumerate(rows.names)}
    for i, (name, values) in enumerate(rows.values.items()):
        own, voted = values[rows.codes[bases, i]], values[codes[:, i]]
        data[name] = np.where((own == NULL) | (voted == NULL), own, voted)
    return pd.DataFrame(data, index=range(len(bases)))
