"""Boxes and masks are drawn where they lie, each class in its own way."""

import re

import numpy as np
from pycocotools import mask as coco

from pipelines.report import ReportData, render_report
from pipelines.report.image.marks import COLOURS, DASHES, MOST_MARKS, look_of, mark_image
from pipelines.report.image.section import (
    MARKED_IMAGES,
    image_section,
)
from tests.pipelines.report.image.test_section import Object, images_table, make_data
from tests.pipelines.report.test_report import Page


def test_boxes_are_drawn_inside_the_image(boxed: ReportData, boxed_page: Page) -> None:
    section = image_section(boxed)
    assert section is not None
    view = section.view
    assert len(view.real) == len(view.synthetic) == MARKED_IMAGES
    marks = [mark for one in view.real + view.synthetic for mark in one.marks]
    assert marks
    for mark in marks:
        assert 0 <= mark.x < mark.x + mark.width <= 64
        assert 0 <= mark.y < mark.y + mark.height <= 64
    assert "0 0 64 64" in boxed_page.values("viewbox")
    assert [name for name, _ in view.legend] == ["cell", "rare <b>"]
    assert boxed_page.tags.count("image") == 2 * MARKED_IMAGES + 3  # and those that were rejected


def test_a_box_beyond_the_edge_is_cut_and_one_outside_left_out() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    boxes = [
        {"bbox": [-5.0, 20.0, 10.0, 20.0], "category": "a"},
        {"bbox": [40.0, 0.0, 5.0, 5.0], "category": "a"},
        {"bbox": [1.0, 1.0, 0.0, 5.0], "category": "b"},
    ]
    one = mark_image(image, boxes, {"a": look_of(0), "b": look_of(1)})
    [mark] = one.marks
    assert (mark.x, mark.y, mark.width, mark.height) == (0, 20, 5, 10)
    assert one.caption == "2 \N{MULTIPLICATION SIGN} a, 1 \N{MULTIPLICATION SIGN} b"
    assert mark_image(image, None, {}).caption == "no box"


def test_crowds_are_cut() -> None:
    crowd: list[Object] = [{"bbox": [1.0, 1.0, 5.0, 5.0 + k / 10], "category": "c"} for k in range(MOST_MARKS + 20)]
    one = mark_image(np.zeros((64, 64, 3), np.uint8), crowd, {"c": look_of(0)})
    assert (len(one.marks), one.left_out) == (MOST_MARKS, 20)


def test_masks_are_drawn_as_outlines() -> None:
    inside = np.zeros((48, 64), np.uint8)
    inside[10:20, 30:50] = 1
    code = coco.encode(np.asfortranarray(inside))
    box: Object = {
        "bbox": [30.0, 10.0, 20.0, 10.0],
        "category": "a",
        "segmentation": {"size": [int(n) for n in code["size"]], "counts": code["counts"].decode()},
    }
    [mark] = mark_image(np.zeros((48, 64, 3), np.uint8), [box], {"a": look_of(0)}).marks
    corners = {tuple(map(int, pair.split())) for pair in re.findall(r"\d+ \d+", mark.outline)}
    assert corners == {(30, 10), (49, 10), (49, 19), (30, 19)}
    table = images_table([np.zeros((48, 64, 3), np.uint8)] * 2, ["a=1"] * 2, [[box], None])
    assert f'<path d="{mark.outline}"/>' in render_report(make_data(table, table))


def test_classes_are_told_apart_by_colour_and_dashes() -> None:
    looks = [look_of(place) for place in range(COLOURS * DASHES + 2)]
    assert len(set(looks)) == COLOURS * DASHES + 1
    assert looks[-1] == looks[-2] == "mark-other"
