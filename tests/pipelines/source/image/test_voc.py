"""Pascal VOC: objects of each image, and what is wrong with annotations."""

import pytest

from pipelines.plan.planning import make_plan
from schemas.arrow import OBJECTS
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_pixels import plan_of, rows_of, spec_for, voc


def test_voc_gives_objects_and_what_an_image_holds(cells):
    table = rows_of(cells, label="category")
    assert table.column_names == ["image", "objects", "boxes", "_row"]
    assert table["boxes"].to_pylist() == ["cell=2"] * 4 + ["cell=1, spot=1", "none"]
    assert table["objects"].type == OBJECTS
    assert table["objects"][4].as_py()[1] == {"bbox": [30.0, 20.0, 10.0, 10.0], "category": "spot"}
    plan = plan_of(cells, label="category")
    assert {name: (one.before, one.target, one.reached) for name, one in plan.boxes.items()} == {
        "cell": (9, 9, 13),
        "spot": (1, 9, 5),  # with a spot always comes a cell: neither can come nearer without the other going away
    }
    assert plan.validators[-1].name == "boxes"


def test_faults_in_annotations_are_told(cells):
    voc(cells, "9", [("cell", 1, 1, 5, 5)], "lost.png")
    with pytest.raises(MakeweightError, match=r"1 of 7 images cannot be read: lost.png \(missing\)"):
        plan_of(cells, label="category")
    assert plan_of(cells, {"unreadable": "skip"}, label="category").profile.rows == 6
    (cells / "Annotations" / "9.xml").write_text("<annotation><object>")
    with pytest.raises(MakeweightError, match="9.xml: is not XML: no element found"):
        plan_of(cells, label="category")
    voc(cells, "9", [("cell", "left", 1, 5, 5)], "0.png")
    with pytest.raises(
        MakeweightError, match="9.xml: the box of 'cell' has no four numbers as corners, got xmin 'left'"
    ):
        plan_of(cells, label="category")
    voc(cells, "9", [("", 1, 1, 5, 5)], "0.png")
    with pytest.raises(MakeweightError, match="9.xml: an object has no name"):
        plan_of(cells, label="category")
    voc(cells, "9", [("cell", 1, 1, 5, 5)], "0.png")
    with pytest.raises(MakeweightError, match="'0.png' is annotated twice"):
        plan_of(cells, label="category")
    (cells / "Annotations" / "9.xml").unlink()
    with pytest.raises(MakeweightError, match="its class as 'category', got 'kind'; set source.label: category"):
        plan_of(cells, label="kind")
    with pytest.raises(MakeweightError, match="the source has no class 'cel'; did you mean 'cell'"):
        make_plan(spec_for(cells, label="category", target={"cel": 3}))


def test_voc_whose_files_were_renamed_goes_by_their_own_names(cells):
    renamed = [cells / "JPEGImages" / "0.png", cells / "Annotations" / "0.xml"]
    for file in renamed:
        file.rename(file.with_stem("new"))
    voc(cells, "1", [("spot", 1, 1, 5, 5)], "2.png")  # a copy of the second: its name is that of another image
    table = rows_of(cells, label="category")
    held = {row["image"]["path"]: row["boxes"] for row in table.to_pylist()}
    assert held["new.png"] == "cell=2"
    assert (held["1.png"], held["2.png"], len(held)) == ("spot=1", "cell=2", 6)
