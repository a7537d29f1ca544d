"""Annotations as tools write them: names that YAML takes for something else, namespaces, keypoints, odd places."""

import json
from collections import Counter

import pytest
from PIL import Image

from pipelines.modality import modality_notes
from pipelines.plan.planning import make_plan
from pipelines.source import profile_source
from pipelines.source.files import Files
from pipelines.source.image.boxes import BOXES
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_annotated import BOX, coco, first, polygon, save, spec_for, stored
from tests.pipelines.source.image.test_orientation import voc
from tests.pipelines.source.image.test_pixels import picture
from tests.pipelines.source.image.test_yolo import CELL, SPOT, TEXTS, rows, write


def categories(root, **source):
    return [[one["category"] for one in row["objects"]] for row in rows(root, **source)]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("names: [no, yes]", ["no", "yes"]),
        ("names:\n- on\n- off", ["on", "off"]),
        ("names: [007, 08]", ["007", "08"]),
        ("names: [12:30:00, 2024-01-02]", ["12:30:00", "2024-01-02"]),
        ("names: [null, ~]", ["null", "~"]),
        ("names: [1.10, 1.1]", ["1.10", "1.1"]),
        ("names: {0: no, 1: 1e3}", ["no", "1e3"]),
        ("names: {1: 'no', 0: \"0x1F\"}", ["0x1F", "no"]),
        ("names: [!!python/name:os.system x, y]", ["x", "y"]),
    ],
)
def test_names_are_read_as_they_are_written(tmp_path, said, names):
    root = write(tmp_path / "s")
    (root / "data.yaml").write_text(said)
    assert categories(root) == [[names[0]], [names[1], names[0]], [], []]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("data.yaml", "names: [cell, spot\nnc: 2\n", "data.yaml: is no YAML: .*; mend it or take it out of the folder"),
        ("data.yaml", "names: cell, spot", r"data.yaml: its names are no list of classes, as names: \[cat, dog\] is"),
        ("data.yaml", "names: {a: cell, b: spot}", "data.yaml: its names are no list of classes"),
        ("data.yaml", "names: [[cell], [spot]]", "data.yaml: its names are no list of classes"),
        ("data.yaml", "names:\n- 0: cell\n- 1: spot", "data.yaml: its names are no list of classes"),
        ("data.yaml", "names: [cell, cell]", "data.yaml: it names classes 0 and 1 both 'cell'; give each class one na"),
        (
            "data.yaml",
            "names: {0: cell, 1: spot, 0: dot}",
            "data.yaml: it names class 0 twice; give each class one nam",
        ),
        ("classes.txt", "cell\ncell\n", "classes.txt: it names classes 0 and 1 both 'cell'"),
    ],
)
def test_names_that_cannot_be_meant_are_refused(tmp_path, file, text, told):
    root = write(tmp_path / "s")
    (root / file).write_text(text)
    with pytest.raises(MakeweightError, match=told):
        make_plan(spec_for(root))


@pytest.mark.parametrize(
    ("images", "labels"), [("Images", "Labels"), ("IMAGES", "labels"), ("train/Images", "train/labels")]
)
def test_folders_of_yolo_in_any_case(tmp_path, images, labels):
    root = write(tmp_path / "s", images, labels)
    (root / "data.yaml").write_text("names: [cell, spot]")
    assert [row["objects"] for row in rows(root)] == [[CELL], [SPOT, CELL], [], []]


def test_endings_of_labels_in_any_case(tmp_path):
    root = write(tmp_path / "s")
    (root / "labels" / "0.txt").rename(root / "labels" / "0.TXT")
    assert categories(root) == [["0"], ["1", "0"], [], []]
    (root / "labels" / "0.txt").write_text(TEXTS[1])
    with pytest.raises(MakeweightError, match="labels/0.TXT and labels/0.txt are labels of one image; take one out"):
        make_plan(spec_for(root))


def test_labels_that_are_called_or_lie_otherwise_are_refused_with_the_way_out(tmp_path):
    root = write(tmp_path / "s")
    (root / "labels" / "0.txt").rename(root / "labels" / "0.png.txt")
    with pytest.raises(
        MakeweightError,
        match=r"labels/0.png.txt: labels are called as their image without its ending; name it labels/0.txt",
    ):
        make_plan(spec_for(root))
    root = write(tmp_path / "t", "pictures")
    with pytest.raises(
        MakeweightError, match="looks like labels of YOLO.*rename their folder, or set source.format: im"
    ):
        make_plan(spec_for(root, label="label"))
    root = write(tmp_path / "u", "pictures/a")
    write(tmp_path / "u", "pictures/b")
    assert make_plan(spec_for(root, label="label", format="images")).profile.rows == 8


POINTS = {
    "seen": [(0.5, 0.5, 0.4, 0.4, 0.4, 0.5, 2, 0.6, 0.5, 1, 0, 0, 0, 0.5, 0.6, 2)],
    "inside": [(0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.6, 0.6, 0.5, 0.5)] * 3,
}


@pytest.mark.parametrize("kind", POINTS)
def test_keypoints_are_not_taken_for_outlines(tmp_path, kind):
    texts = ["0 " + " ".join(map(str, numbers)) for numbers in POINTS[kind]]
    root = write(tmp_path / "s", texts=texts)
    with pytest.raises(MakeweightError, match="its labels look like keypoints .*write boxes alone, 5 numbers a line"):
        make_plan(spec_for(root))
    write(root, texts=["0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9 0.1 0.5"], start=7)  # among them one that is an outline
    assert make_plan(spec_for(root, faulty_boxes="mend")).profile.column("objects").type == "masked objects"


def test_keypoints_of_odd_number_are_named(tmp_path):
    root = write(tmp_path / "s", texts=["0 0.5 0.5 0.4 0.4 0.4 0.5 2"])
    with pytest.raises(MakeweightError, match=r"is no label: .*\(keypoints are not read\)"):
        make_plan(spec_for(root))


def test_two_categories_of_one_id_are_refused_and_of_one_name_are_told(tmp_path):
    root = tmp_path / "s"
    save(root, 1)
    coco(root, [{"bbox": BOX}])
    data = json.loads((root / "instances.json").read_text())
    for categories_, told in (
        ([(1, "a"), (1, "b")], "two categories, 'a' and 'b', have the id 1"),
        ([(1, "a")] * 2, ""),
    ):
        data["categories"] = [{"id": number, "name": name} for number, name in categories_]
        (root / "instances.json").write_text(json.dumps(data))
        if told:
            with pytest.raises(MakeweightError, match=f"instances.json: {told}; give each category one of its own"):
                make_plan(spec_for(root))
        else:
            assert first(root)[1][0]["category"] == "a"
    data["categories"] = [{"id": 0, "name": "a"}, {"id": 1, "name": "a"}]
    (root / "instances.json").write_text(json.dumps(data))
    assert "Categories of one name and several ids, which are one class: a." in modality_notes(
        make_plan(spec_for(root))
    )


@pytest.mark.parametrize("segmentation", [[3, 2, 9, 2, 9, 5], [[[3, 2], [9, 2], [9, 5]]], [[3, 2, 9, 2, 9, 5, 1]]])
def test_polygons_in_another_form_are_refused_in_words(tmp_path, segmentation):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": segmentation}])
    with pytest.raises(
        MakeweightError,
        match="its segmentation cannot be read: it is no list of polygons, each one list of numbers x1, y1,",
    ):
        make_plan(spec_for(tmp_path / "s"))
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": polygon(BOX)}])
    make_plan(spec_for(tmp_path / "s"))


def test_voc_with_a_namespace_is_read(tmp_path):
    root = tmp_path / "s"
    save(root, 1)
    voc(root, BOX, stored().size)
    text = (root / "0.xml").read_text()
    for start in ('<annotation xmlns="http://a/b">', '<v:annotation xmlns:v="http://a/b">'):
        changed = text.replace("<annotation>", start)
        changed = changed.replace("</annotation>", "</v:annotation>") if start.startswith("<v:") else changed
        (root / "0.xml").write_text(changed)
        assert first(root)[1] == [{"bbox": list(map(float, BOX)), "category": "patch"}]


def test_xml_that_is_no_voc_and_objects_without_upright_box_are_refused(tmp_path):
    root = tmp_path / "s"
    save(root, 1)
    (root / "0.xml").write_text("<annotations><version>1.1</version><image id='0' name='0.png'/></annotations>")
    with pytest.raises(
        MakeweightError, match=r"0.xml: its root is <annotations>, .*CVAT's.* export it as Pascal VOC, CO"
    ):
        make_plan(spec_for(root))
    for kind in ("robndbox", "polygon"):
        (root / "0.xml").write_text(f"<annotation><object><name>patch</name><{kind}/></object></annotation>")
        with pytest.raises(
            MakeweightError, match=f"'patch' is marked with a {kind} and no bndbox, which is not read: ex"
        ):
            make_plan(spec_for(root))


@pytest.mark.parametrize("below", ["", "xml/"])
def test_images_of_one_name_in_several_folders_are_told_apart_by_the_folder_of_their_annotation(tmp_path, below):
    boxes = {"s1": (3, 2, 9, 5), "s2": (1, 1, 4, 4)}
    for folder, box in boxes.items():
        (tmp_path / "s" / folder / below).mkdir(parents=True)
        save(tmp_path / "s" / folder, 1)
        voc(tmp_path / "s" / folder / below, box, stored().size)
    found = rows(tmp_path / "s")
    assert [row["image"]["path"] for row in found] == ["s1/0.png", "s2/0.png"]
    assert [row["objects"][0]["bbox"] for row in found] == [list(map(float, box)) for box in boxes.values()]


@pytest.mark.parametrize("file", ["0.json", "via_region_data.json"])
def test_annotations_of_other_tools_are_named(tmp_path, file):
    (tmp_path / "s").mkdir()
    picture().save(tmp_path / "s" / "0.png")
    (tmp_path / "s" / file).write_text(json.dumps({"version": "5.0", "shapes": [], "imagePath": "0.png"}))
    with pytest.raises(MakeweightError, match="0.png: lies in no class folder.*LabelMe or VIA are not: export COCO"):
        make_plan(spec_for(tmp_path / "s", label="label"))


def test_an_image_beside_its_own_annotation_stays_as_it_was_called(tmp_path):
    (tmp_path / "s" / "Annotations").mkdir(parents=True)
    (tmp_path / "s" / "JPEGImages").mkdir()
    Image.new("RGB", stored().size).save(tmp_path / "s" / "JPEGImages" / "0.png")
    voc(tmp_path / "s" / "Annotations", BOX, stored().size)
    assert rows(tmp_path / "s")[0]["image"]["path"] == "0.png"


@pytest.mark.parametrize(("write_one", "name", "times"), [(coco, "instances.json", 2), (voc, "0.xml", 1)])
def test_annotations_are_read_once_for_what_they_are_and_once_for_their_rows(
    tmp_path, monkeypatch, write_one, name, times
):
    """They may be large, or lie one by one in a store: what is said of them is noted as they pass."""
    save(tmp_path / "s", 1)
    write_one(tmp_path / "s", [{"bbox": BOX}] if write_one is coco else BOX, stored().size)
    opened, stream = Counter(), Files.stream

    def counted(files, asked):
        opened[asked] += 1
        return stream(files, asked)

    monkeypatch.setattr(Files, "stream", counted)
    source = spec_for(tmp_path / "s", image="image", label=BOXES).source
    found = profile_source(source, [BOXES])
    assert (found.rows, found.lost, opened[name]) == (1, [], times)
