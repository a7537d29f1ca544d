"""Figures of images: right on known ones, and marked where one image is made over and over."""

import numpy as np

from pipelines.report import ReportData
from pipelines.report.image.figures import image_figure_section
from pipelines.report.image.pixels import measure
from pipelines.report.image.section import (
    SHOWN_CLASSES,
    image_section,
)
from tests.pipelines.report.image.test_section import images_table, make_data, squares


def test_figures_of_the_section(data: ReportData, html: str) -> None:
    section = image_figure_section(data)
    assert section is not None
    view = section.view
    assert view.strata == ["few"]
    assert view.images == (20, 30)
    assert [one.name for one in view.measures] == ["Brightness", "Contrast", "Colourfulness", "Sharpness"]
    brightness = np.mean([measure(image)[0] for image in squares(20, 2)])
    assert view.measures[0].typical[0].startswith(f"{brightness:.4g} ±")
    assert 0.3 < view.measures[0].distance <= 1
    assert "Diversity" in html


def test_a_generator_that_makes_one_image_over_and_over_is_marked(data: ReportData, html: str) -> None:
    section = image_figure_section(data)
    assert section is not None
    [few] = section.view.spreads
    assert few.images == 20
    assert few.pairs.real > 0.1
    assert few.pairs.made == few.nearest.made == 0
    assert few.pairs.share == 0
    assert html.count('<td class="n off">0%</td>') == 2


def test_grey_images_have_no_colours_to_compare() -> None:
    table = images_table(squares(12, 1, channels=1), ["a"] * 12)
    section = image_figure_section(make_data(table, table))
    assert section is not None
    assert [one.name for one in section.view.measures] == ["Brightness", "Contrast", "Sharpness"]
    assert all(one.distance == 0 for one in section.view.measures)


def test_several_classes_are_compared_one_by_one_and_capped() -> None:
    names = [f"class {k:02}" for k in range(SHOWN_CLASSES + 2)]
    table = images_table(squares(len(names) * 6, 1, size=8), [name for name in names for _ in range(6)])
    data = make_data(table, table)
    figures, sheets = image_figure_section(data), image_section(data)
    assert figures is not None
    assert sheets is not None
    assert len(figures.view.by_class) == len(sheets.view.sheets) == SHOWN_CLASSES
    assert figures.view.left_out == sheets.view.left_out == 2
