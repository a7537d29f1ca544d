"""How ctgan's networks see a row, as plain values: all that its DataTransformer learned and drawing rows needs.

A category is one-hot. A number is its place within a mode of a Gaussian mixture, -1 to 1, and then the mode, one-hot
(Xu et al. 2019, arXiv:1907.00503, section 4.2). ctgan's own objects can be saved as a pickle alone; these are lists.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_DEVIATIONS = 4  # a place of 1 lies so many of the mode's standard deviations from its mean


@dataclass(frozen=True)
class Categories:
    """A column of categories."""

    name: str
    values: list[str]

    @property
    def sizes(self) -> list[int]:
        """The widths of its parts: the one-hot."""
        return [len(self.values)]


@dataclass(frozen=True)
class Modes:
    """A column of numbers: the mean and the standard deviation of each mode."""

    name: str
    means: list[float]
    deviations: list[float]

    @property
    def sizes(self) -> list[int]:
        """The widths of its parts: the place, and the mode's one-hot."""
        return [1, len(self.means)]


Layout = Sequence[Categories | Modes]


def layout_of(transformer: Any) -> list[Categories | Modes]:
    """Return what a fitted DataTransformer of ctgan learned."""
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


def told(layout: Layout) -> list[dict[str, Any]]:
    """Return the layout as JSON holds it."""
    return [asdict(column) for column in layout]


def heard(columns: list[dict[str, Any]]) -> list[Categories | Modes]:
    """Return the layout that `told` wrote down."""
    return [Categories(**column) if "values" in column else Modes(**column) for column in columns]


def width(layout: Layout) -> int:
    """Return how many numbers a network gives for a row."""
    return sum(sum(column.sizes) for column in layout)


def frame_of(layout: Layout, made: np.ndarray, sigmas: np.ndarray | None = None) -> "pd.DataFrame":
    """Return the rows that a network made, float32 of shape (rows, width): what is greatest of a one-hot is it.

    With `sigmas`, a number's standard deviation at its place among the columns (TVAE), numpy's global state adds noise.
    """
    import pandas as pd

    data, start = {}, 0
    for column in layout:
        end = start + sum(column.sizes)
        sigma = None if sigmas is None else sigmas[start]
        data[column.name] = _values(column, made[:, start:end], sigma)
        start = end
    return pd.DataFrame(data)


def _values(column: Categories | Modes, made: np.ndarray, sigma: Any) -> np.ndarray:
    if isinstance(column, Categories):
        chosen: np.ndarray = np.array(column.values, dtype=object)[made.argmax(axis=1)]
        return chosen
    place, mode = made[:, 0].astype(np.float64), made[:, 1:].argmax(axis=1)
    if sigma is not None:
        place = np.random.normal(place, sigma)
    scaled = np.clip(place, -1, 1) * _DEVIATIONS * np.array(column.deviations)[mode]
    numbers: np.ndarray = scaled + np.array(column.means)[mode]
    return numbers
