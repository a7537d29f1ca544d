"""How ctgan's networks represent a row, as plain values: all of its DataTransformer that drawing rows needs.

A category is one-hot. A number is its offset within a mode of a Gaussian mixture, -1 to 1, and then the mode, one-hot
(Xu et al. 2019, arXiv:1907.00503, section 4.2). ctgan's own objects can only be saved as pickles; these are lists.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_DEVIATIONS = 4  # an offset of 1 is so many of the mode's standard deviations


@dataclass(frozen=True)
class Categories:
    """A column of categories."""

    name: str
    values: list[str]

    @property
    def sizes(self) -> list[int]:
        """The widths of its parts: one, the one-hot."""
        return [len(self.values)]


@dataclass(frozen=True)
class Modes:
    """A column of numbers: the mean and the standard deviation of each mode."""

    name: str
    means: list[float]
    deviations: list[float]

    @property
    def sizes(self) -> list[int]:
        """The widths of its parts: the offset, and the mode's one-hot."""
        return [1, len(self.means)]


Layout = Sequence[Categories | Modes]


def extract_layout(transformer: Any) -> list[Categories | Modes]:
    """Return the layout that a fitted DataTransformer of ctgan learned."""
    columns: list[Categories | Modes] = []
    for info in transformer._column_transform_info_list:
        if info.column_type == "discrete":
            columns.append(Categories(info.column_name, [str(value) for value in info.transform.dummies]))
        else:
            mixture, kept = info.transform._bgm_transformer, info.transform.valid_component_indicator
            means = mixture.means_.reshape(-1)[kept]
            deviations = np.sqrt(mixture.covariances_).reshape(-1)[kept]
            columns.append(Modes(info.column_name, means.tolist(), deviations.tolist()))
    return columns


def layout_to_json(layout: Layout) -> list[dict[str, Any]]:
    """Return the layout as plain values for JSON.

    >>> layout_to_json([Modes("age", [30.0], [5.0])])
    [{'name': 'age', 'means': [30.0], 'deviations': [5.0]}]
    """
    return [asdict(column) for column in layout]


def layout_from_json(columns: list[dict[str, Any]]) -> list[Categories | Modes]:
    """Return the layout that `layout_to_json` wrote."""
    return [Categories(**column) if "values" in column else Modes(**column) for column in columns]


def count_outputs(layout: Layout) -> int:
    """Return how many numbers a network gives for a row.

    >>> count_outputs([Categories("colour", ["red", "blue"]), Modes("age", [30.0], [5.0])])
    4
    """
    return sum(sum(column.sizes) for column in layout)


def to_frame(layout: Layout, outputs: np.ndarray, sigmas: np.ndarray | None = None) -> "pd.DataFrame":
    """Return the rows that a network made, float32 of shape (rows, width), as a frame.

    The greatest entry of a one-hot is its value. `sigmas` (TVAE) holds a number's standard deviation at its index among
    the columns; then numpy's global state adds noise.
    """
    import pandas as pd

    data, start = {}, 0
    for column in layout:
        end = start + sum(column.sizes)
        sigma = None if sigmas is None else sigmas[start]
        data[column.name] = _decode_column(column, outputs[:, start:end], sigma)
        start = end
    return pd.DataFrame(data)


def _decode_column(column: Categories | Modes, outputs: np.ndarray, sigma: Any) -> np.ndarray:
    if isinstance(column, Categories):
        chosen: np.ndarray = np.array(column.values, dtype=object)[outputs.argmax(axis=1)]
        return chosen
    offset, mode = outputs[:, 0].astype(np.float64), outputs[:, 1:].argmax(axis=1)
    if sigma is not None:
        offset = np.random.normal(offset, sigma)
    scaled = np.clip(offset, -1, 1) * _DEVIATIONS * np.array(column.deviations)[mode]
    numbers: np.ndarray = scaled + np.array(column.means)[mode]
    return numbers
