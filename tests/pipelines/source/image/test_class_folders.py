"""Class folders of images: each image as it is, its folder as its class."""

import pytest

from schemas.arrow import IMAGE
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_pixels import picture, plan_of, rows_of


def test_class_folders_give_images_as_they_are_with_the_folder_as_class(folder):
    plan = plan_of(folder)
    assert (plan.modality, plan.profile.image, plan.profile.rows) == ("image", "image", 11)
    assert {s.name: s.real for s in plan.strata} == {"blue": 3, "red": 8}
    images = plan.profile.images
    assert (images.modes, images.formats, images.sizes) == ({"RGB": 11}, {"PNG": 11}, {"12 x 8": 11})
    assert (images.mode, images.uniform, images.changed) == ("RGB", True, 0)
    table = rows_of(folder)
    assert table.schema.field("image").type == IMAGE
    assert table["image"][0].as_py() == {"bytes": (folder / "blue" / "0.png").read_bytes(), "path": "blue/0.png"}


def test_an_image_outside_of_class_folders(folder):
    picture().save(folder / "loose.png")
    with pytest.raises(MakeweightError, match="loose.png: lies in no class folder; put each image into a folder"):
        plan_of(folder)
