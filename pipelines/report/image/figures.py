"""The section that compares real images with made ones in numbers."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.image.codec import Pixels, decode
from pipelines.modality import content_column
from pipelines.report.compare import Floats, gap, mix, strata_of
from pipelines.report.data import ReportData, Section, draw_rows, objects_column
from pipelines.report.image.marks import with_images
from pipelines.report.image.pixels import MEASURED_SIDE, MEASURES, mean_distances, measure, small
from pipelines.report.number_per_row import Measure, compare_numbers

COMPARED_CLASSES, TOO_FEW, SPREAD_IMAGES = 12, 5, 60
NARROW = 0.5
"""Made images that lie closer together than this share of the real ones' distance are marked."""
_EVERYTHING = "All images"
_BOXES = {"Boxes in an image": "", "Size of boxes": "mean in an image, in % of its side"}


@dataclass(frozen=True)
class Side:
    """The shrunken images of one side, the stratum of each, and its measures by name."""

    images: list[Pixels]
    strata: NDArray[Any]
    numbers: dict[str, Floats]


@dataclass(frozen=True)
class Apart:
    """A mean distance of images, on both sides."""

    real: float
    made: float

    @property
    def share(self) -> float | None:
        """The made images' distance over that of the real ones; None where all real ones are equal."""
        return self.made / self.real if self.real else None


@dataclass(frozen=True)
class Spread:
    """The distances of `images` images on each side of a class: of any two, and of each to its nearest one."""

    name: str
    images: int
    pairs: Apart
    nearest: Apart


@dataclass(frozen=True)
class ImageFigures:
    """The view of the section; `strata` are the compared classes: all as one where objects are marked."""

    strata: list[str]
    marked: bool
    made: str
    images: tuple[int, int]
    measures: list[Measure]
    by_class: list[tuple[str, list[float | None]]]
    spreads: list[Spread]
    left_out: int
    side: int
    narrow: float


def image_figure_section(data: ReportData) -> Section | None:
    """Return how real and made images compare; None for other datasets or without made images."""
    column, objects = content_column(data.manifest.columns), objects_column(data.manifest)
    if column is None or not data.synthetic.num_rows:
        return None
    data = replace(data, real=with_images(data.real, column), synthetic=with_images(data.synthetic, column))
    sides = _measure_side(data.real, column, objects), _measure_side(data.synthetic, column, objects)
    strata, weights = ([], _even_weights(sides)) if objects else _fair_weights(data)
    names = _useful_measures(sides) if all(side.any() for side in weights) else []
    shown = sorted(strata, key=lambda name: (-data.manifest.counts[name].synthetic, name))[:COMPARED_CLASSES]
    view = ImageFigures(
        strata=strata,
        marked=objects is not None,
        made=data.manifest.origin,
        images=(int((weights[0] > 0).sum()), int((weights[1] > 0).sum())),
        measures=[_measure(name, sides, weights) for name in names],
        by_class=[(one, [_measure_distance(name, sides, one) for name in names]) for one in shown]
        if len(strata) > 1
        else [],
        spreads=_compare_spreads(sides, shown, whole=bool(objects)) if names else [],
        left_out=len(strata) - len(shown),
        side=MEASURED_SIDE,
        narrow=NARROW,
    )
    return Section("figures", "Images in figures", "report_image_figures.html", view)


def _fair_weights(data: ReportData) -> tuple[list[str], tuple[Floats, Floats]]:
    """Return the classes on both sides, and weights that give both sides the same class mix."""
    weights = mix(data)
    return weights.strata, (weights.real, weights.synthetic)


def _even_weights(sides: tuple[Side, Side]) -> tuple[Floats, Floats]:
    real, made = (np.full(len(side.images), 1 / max(1, len(side.images))) for side in sides)
    return real, made


def _measure_side(table: pa.Table, column: str, objects: str | None) -> Side:
    """Measure the images one by one: decoded, not all may fit into memory."""
    boxes: list[Any] = [[]] * table.num_rows if objects is None else table[objects].to_pylist()
    images, found = [], []
    for cell, marks in zip(table[column], boxes, strict=True):
        pixels = decode(cell.as_py()["bytes"])
        images.append(small(pixels))
        found.append([*measure(pixels), *_measure_boxes([box["bbox"] for box in marks or []], pixels)])
    names = [*MEASURES, *_BOXES]
    columns = np.array(found, np.float64).reshape(-1, len(names)).T
    numbers = dict(zip(names, columns, strict=True))
    return Side(images, strata_of(table), numbers if objects else {name: numbers[name] for name in MEASURES})


def _measure_boxes(boxes: list[list[float]], image: Pixels) -> tuple[float, float]:
    """Return the measures of `_BOXES`; an image without boxes has no box size."""
    return float(len(boxes)), _box_size(boxes, image)


def _box_size(boxes: list[list[float]], image: Pixels) -> float:
    """Return the mean side of squares with the area of the boxes, in percent of a square with that of the image."""
    if not boxes:
        return float("nan")
    areas = np.array([max(0.0, width * height) for _, _, width, height in boxes])
    return float(np.sqrt(areas / (image.shape[0] * image.shape[1])).mean() * 100)


def _useful_measures(sides: tuple[Side, Side]) -> list[str]:
    """Return the measures that apply: grey images have no colours, images without boxes no box size."""
    both = {name: [side.numbers[name] for side in sides] for name in sides[0].numbers}
    there = [name for name, numbers in both.items() if not any(np.isnan(one).all() for one in numbers)]
    return [name for name in there if name != "Colourfulness" or any(one.any() for one in both[name])]


def _measure(name: str, sides: tuple[Side, Side], weights: tuple[Floats, Floats]) -> Measure:
    return compare_numbers(name, (sides[0].numbers[name], sides[1].numbers[name]), weights, (MEASURES | _BOXES)[name])


def _measure_distance(name: str, sides: tuple[Side, Side], stratum: str) -> float | None:
    real, made = (side.numbers[name][side.strata == stratum] for side in sides)
    if min(len(real), len(made)) < TOO_FEW:
        return None
    return gap("number", real, np.ones(len(real)), made, np.ones(len(made)))


def _compare_spreads(sides: tuple[Side, Side], names: list[str], *, whole: bool) -> list[Spread]:
    """Compare the distances of images, class by class or as a whole; fewer than two images on a side are left out."""
    if whole:
        rows = {_EVERYTHING: [np.arange(len(side.images)) for side in sides]}
    else:
        rows = {name: [np.flatnonzero(side.strata == name) for side in sides] for name in names}
    return [_class_spread(name, sides, both) for name, both in rows.items() if min(map(len, both)) > 1]


def _class_spread(name: str, sides: tuple[Side, Side], rows: list[NDArray[np.intp]]) -> Spread:
    count = min(SPREAD_IMAGES, *map(len, rows))
    real, made = (
        mean_distances([side.images[row] for row in draw_rows(where, count)])
        for side, where in zip(sides, rows, strict=True)
    )
    return Spread(name, count, Apart(real[0], made[0]), Apart(real[1], made[1]))
