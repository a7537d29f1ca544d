"""COCO files as tools write them: odd ids, run lengths as text, empty polygons, nulls."""

import json

import pytest

from pipelines.plan.planning import make_plan
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_annotated import BOX, coco, first, polygon, save, spec_for, stored


@pytest.mark.parametrize("nothing", [None, [], [[]], [[], []], {}])
def test_a_segmentation_of_nothing_is_a_box_without_mask(tmp_path, nothing):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": nothing}])
    plan = make_plan(spec_for(tmp_path / "s"))
    assert plan.profile.column("objects").type == "objects"
    assert first(tmp_path / "s")[1] == [{"bbox": list(BOX), "category": "patch"}]
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": nothing}, {"bbox": BOX, "segmentation": [[], *polygon(BOX)]}])
    assert [one["segmentation"] is None for one in first(tmp_path / "s")[1]] == [True, False]


@pytest.mark.parametrize(("crowd", "objects"), [(None, 1), (0, 1), (False, 1), (1, 0), (True, 0)])
def test_a_crowd_that_is_null_is_none(tmp_path, crowd, objects):
    save(tmp_path / "s", 1)
    save(tmp_path / "s", 1, "1.png")
    coco(tmp_path / "s", [{"bbox": BOX, "iscrowd": crowd}])
    data = json.loads((tmp_path / "s" / "instances.json").read_text())
    data["images"].append({"id": 1, "file_name": "1.png"})
    data["annotations"].append({"image_id": 1, "category_id": 1, "bbox": BOX})
    (tmp_path / "s" / "instances.json").write_text(json.dumps(data))
    assert len(first(tmp_path / "s")[1]) == objects


def test_ids_may_be_texts_and_names_numbers(tmp_path):
    save(tmp_path / "s", 1)
    data = {
        "images": [{"id": "img-a", "file_name": "0.png", "width": 20.0, "height": 12}],
        "annotations": [{"image_id": "img-a", "category_id": 7.0, "bbox": BOX}],
        "categories": [{"id": "7", "name": 5}],
    }
    (tmp_path / "s" / "instances.json").write_text(json.dumps(data))
    assert first(tmp_path / "s")[1] == [{"bbox": list(BOX), "category": "5"}]
    data["images"].append({"id": "img-a", "file_name": "1.png"})
    (tmp_path / "s" / "instances.json").write_text(json.dumps(data))
    with pytest.raises(MakeweightError, match="two images have the same id"):
        make_plan(spec_for(tmp_path / "s"))


@pytest.mark.parametrize("odd", [None, True, [1], 1.5])
def test_ids_that_are_neither_number_nor_text_are_refused(tmp_path, odd):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX, "category_id": odd}])
    with pytest.raises(
        MakeweightError, match=r"is no COCO file: annotations.0.category_id: .*a whole number or a text"
    ):
        make_plan(spec_for(tmp_path / "s"))


@pytest.mark.parametrize(
    "written", ["images\\0 a.png", "/data/upload/3/0 a.png", "images/0%20a.png", "http://x/data/0%20a.png"]
)
def test_image_names_as_label_studio_writes_them(tmp_path, written):
    (tmp_path / "s" / "images").mkdir(parents=True)
    stored().save(tmp_path / "s" / "images" / "0 a.png")
    coco(tmp_path / "s", [{"bbox": BOX}])
    data = json.loads((tmp_path / "s" / "instances.json").read_text())
    data["images"][0]["file_name"] = written
    (tmp_path / "s" / "instances.json").write_text(json.dumps(data))
    assert len(first(tmp_path / "s")[1]) == 1
