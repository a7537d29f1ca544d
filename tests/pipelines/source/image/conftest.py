"""Images in class folders, and images with boxes in Pascal VOC."""

import pytest

from tests.pipelines.source.image.test_pixels import picture, voc


@pytest.fixture
def folder(tmp_path):
    """Eight red and three blue images, in class folders."""
    for label, count in (("red", 8), ("blue", 3)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(count):
            picture(label, number).save(tmp_path / "images" / label / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def cells(tmp_path):
    """Six images of 40 x 30: four with two cells, one with a cell and a spot, one with nothing."""
    folder = tmp_path / "cells"
    (folder / "JPEGImages").mkdir(parents=True)
    for number in range(6):
        picture("red", number, (40, 30)).save(folder / "JPEGImages" / f"{number}.png")
        boxes = [("cell", 2, 3, 12, 13), ("cell", 20, 5, 30, 25)]
        boxes = [*boxes[:1], ("spot", 30, 20, 40, 30)] if number == 4 else boxes if number < 4 else []
        voc(folder, str(number), boxes)
    return folder
