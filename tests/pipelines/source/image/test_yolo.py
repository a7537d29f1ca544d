"""YOLO's labels: boxes and outlines as shares of the image, backgrounds, names of classes, splits."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipelines.plan.image import image_notes
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose
from pipelines.plan.recognise import find_modality
from pipelines.source import read_source
from pipelines.source.splits import SeveralSplitsError
from schemas.errors import MakeweightError, SpecError
from schemas.spec import Spec, parse
from tests.pipelines.source.image.test_annotated import masked

SIZE = (40, 20)
NAMES = "names: [cell, spot]\nnc: 2\n"
TEXTS = ["0 0.25 0.5 0.25 0.4", "1 0.75 0.5 0.5 1\n0 0.25 0.5 0.25 0.4\n", "", None]
"""Of four images: a cell, a spot and a cell, none, and no file."""
CELL = {"bbox": [5.0, 6.0, 10.0, 8.0], "category": "cell"}
SPOT = {"bbox": [20.0, 0.0, 20.0, 20.0], "category": "spot"}


def write(root, images="images", labels="labels", texts=TEXTS, start=0):
    for number, text in enumerate(texts, start):
        for folder in (images, labels):
            (root / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (number, 9, 9)).save(root / images / f"{number}.png")
        if text is not None:
            (root / labels / f"{number}.txt").write_text(text)
    return root


def spec_for(path, **source):
    data = {"name": "y", "source": {"path": str(path), **source}, "output": {"path": f"{path}-out"}}
    return parse(Spec, data | {"generator": {"name": "resample"}})


def rows(path, **source):
    spec = spec_for(path, **source)
    return pa.concat_tables(read_source(spec.source, make_plan(spec).profile)).to_pylist()


def test_boxes_backgrounds_and_names(tmp_path):
    root = write(tmp_path / "s")
    (root / "data.yaml").write_text(NAMES + "train: ../train/images\nval: ../valid/images\n")
    (root / "README.txt").write_text("a note")
    assert find_modality(spec_for(root)).name == "image"
    plan = make_plan(spec_for(root))
    assert (plan.profile.format, {one.name: one.real for one in plan.strata}) == (
        "yolo",
        {"cell=1": 1, "cell=1, spot=1": 1, "none": 2},
    )
    found = rows(root)
    assert [row["objects"] for row in found] == [[CELL], [SPOT, CELL], [], []]
    assert [row["image"]["path"] for row in found] == [f"images/{n}.png" for n in range(4)]
    proposal = propose(str(root), out=str(tmp_path / "spec.yaml"))
    assert (proposal.label, proposal.classes) == ("category", {"cell": 2, "spot": 1})


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "names:\n  0: cell\n  1: spot\n"),
        ("labels/classes.txt", "cell\nspot\n"),
        ("obj.names", "cell\nspot"),
        ("classes.txt", "cell\r\nspot\r\n"),
    ],
)
def test_classes_are_named_in_several_ways(tmp_path, file, text):
    root = write(tmp_path / "s")
    (root / file).write_text(text)
    assert [row["objects"] for row in rows(root)] == [[CELL], [SPOT, CELL], [], []]


def test_without_names_classes_are_numbers(tmp_path):
    root = write(tmp_path / "s")
    assert [one["category"] for one in rows(root)[1]["objects"]] == ["1", "0"]


def test_labels_beside_their_images_with_a_list_of_classes(tmp_path):
    root = write(tmp_path / "s", "obj_train_data", "obj_train_data")
    (root / "obj.names").write_text("cell\nspot\n")
    assert [row["objects"] for row in rows(root)] == [[CELL], [SPOT, CELL], [], []]


def test_outlines_are_masks(tmp_path):
    outline = "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
    root = write(tmp_path / "s", texts=[outline, f"{outline}\n{TEXTS[0]}"])
    (root / "data.yaml").write_text(NAMES)
    spot, cell = rows(root)[1]["objects"]
    assert spot["bbox"] == [10.0, 5.0, 20.0, 10.0]
    expected = np.zeros((20, 40), np.uint8)
    expected[5:15, 10:30] = 1
    np.testing.assert_array_equal(masked(spot), expected)
    assert cell == {**CELL, "segmentation": None}


@pytest.mark.parametrize(("on", "box"), [(None, CELL["bbox"]), ("upright", CELL["bbox"]), ("stored", None)])
def test_labels_are_of_the_upright_image(tmp_path, on, box):
    root = write(tmp_path / "s", texts=[TEXTS[0], TEXTS[1]])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE[::-1] if on != "stored" else SIZE).save(root / "images" / "0.png", exif=exif.tobytes())
    [one] = rows(root, marked_on=on)[0]["objects"]
    # stored: x 5 to 15, y 6 to 14 of 40 x 20 lie at x 20 - 14 to 20 - 6, y 5 to 15 once the image is turned right
    assert one["bbox"] == (box or [6.0, 5.0, 8.0, 10.0])


LAYOUTS = [("{}/images", "{}/labels"), ("images/{}", "labels/{}"), ("data/images/{}", "data/labels/{}")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_are_kept_apart(tmp_path, layout):
    images, labels = layout
    for start, split in enumerate(("train", "valid", "test")):
        write(tmp_path / "s", images.format(split), labels.format(split), TEXTS, start * 10)
    (tmp_path / "s" / "data.yaml").write_text(NAMES)
    with pytest.raises(SeveralSplitsError, match="has the splits test .*, train .*, valid "):
        make_plan(spec_for(tmp_path / "s"))
    found = rows(tmp_path / "s", split="valid")
    assert [row["objects"] for row in found] == [[CELL], [SPOT, CELL], [], []]
    assert len(rows(tmp_path / "s", split="all")) == 12


@pytest.mark.parametrize(
    "said",
    [
        "train: images/one\nval: images/two\n",
        "path: /home/me/s\ntrain: [./images/one]\nval: ../s/images/two\n",
        "train: lists/a.txt\nval: lists/b.txt\n",
    ],
)
def test_splits_that_data_yaml_declares(tmp_path, said):
    root = tmp_path / "s"
    write(root, "images/one", "labels/one")
    write(root, "images/two", "labels/two", TEXTS[:2], 10)
    (root / "data.yaml").write_text(NAMES + said)
    (root / "lists").mkdir()
    (root / "lists" / "a.txt").write_text("".join(f"./images/one/{n}.png\n" for n in range(4)))
    (root / "lists" / "b.txt").write_text("/home/me/s/images/two/10.png\nimages/two/11.png\n")
    with pytest.raises(SeveralSplitsError, match="has the splits train .*, val "):
        make_plan(spec_for(root))
    assert [row["objects"] for row in rows(root, split="val")] == [[CELL], [SPOT, CELL]]
    assert len(rows(root, split="train")) == 4
    assert len(rows(root, split="all")) == 6


def test_images_that_are_no_part_of_it_and_labels_without_image(tmp_path):
    root = write(tmp_path / "s")
    Image.new("RGB", (9, 9)).save(root / "results.png")
    (root / "labels" / "9.txt").write_text(TEXTS[0])
    with pytest.raises(MakeweightError, match=r"1 of 5 images cannot be read: labels/9 \(missing\)"):
        make_plan(spec_for(root))
    assert len(rows(root, images={"unreadable": "skip"})) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 0.5 0.5 0.2", r"labels/0.txt: line 1, '0 0.5 0.5 0.2', is no label: it needs a class's number, and a box"),
        ("\ncell 0.5 0.5 0.2 0.2", "line 2, 'cell 0.5 0.5 0.2 0.2', is no label"),
        ("0 0.5 0.5 0.2 0.2 0.99", "is no label"),
        ("-1 0.5 0.5 0.2 0.2", "is no label"),
        ("0.5 0.5 0.5 0.2 0.2", "is no label"),
        ("7 0.5 0.5 0.2 0.2", r"labels/0.txt: class 7 is none of the 2 that are named; name it in data.yaml"),
        ("0 20 10 5 5", r"1 boxes do not lie in their images: images/0.png \(outside the image\)"),
        ("0 nan 0.5 0.2 0.2", "1 boxes do not lie in their images"),
    ],
)
def test_faults_are_told(tmp_path, text, told):
    root = write(tmp_path / "s", texts=[text, *TEXTS])
    (root / "data.yaml").write_text(NAMES)
    with pytest.raises(MakeweightError, match=told):
        make_plan(spec_for(root))


def test_names_that_differ_and_keypoints(tmp_path):
    root = write(tmp_path / "s")
    (root / "data.yaml").write_text(NAMES)
    (root / "classes.txt").write_text("spot\ncell\n")
    with pytest.raises(MakeweightError, match="classes.txt and data.yaml name the classes differently"):
        make_plan(spec_for(root))
    (root / "classes.txt").unlink()
    (root / "data.yaml").write_text(NAMES + "kpt_shape: [17, 3]\n")
    with pytest.raises(MakeweightError, match="data.yaml: its labels have keypoints, which are not read"):
        make_plan(spec_for(root))


def test_captions_beside_images_of_class_folders_are_no_labels(tmp_path):
    for label in ("a", "b"):
        write(tmp_path / "s", label, label, ["a cell", "a spot"])
    assert make_plan(spec_for(tmp_path / "s")).profile.format == "images"


def test_the_lists_of_pascal_voc_are_splits_if_asked_for(tmp_path):
    from tests.pipelines.source.image.test_pixels import picture, voc

    root = tmp_path / "voc"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for number in range(5):
        picture("red", number, (40, 30)).save(root / "JPEGImages" / f"{number}.png")
        voc(root, str(number), [("cell", 2, 3, 12, 13)])
    for split, numbers in {"train": "0\n1\n2\n", "test": "3 1\n", "val": "4"}.items():
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(numbers)
    assert len(rows(root)) == 5
    told = " ".join(image_notes(make_plan(spec_for(root)).profile.images))
    assert "lists splits (test 1, train 3, val 1 images), and all are taken; source.split takes one" in told
    assert "train, val; source.split takes one" in propose(str(root), out=str(tmp_path / "v.yaml")).notes[0]
    assert [row["image"]["path"] for row in rows(root, split="train")] == ["0.png", "1.png", "2.png"]
    assert [row["image"]["path"] for row in rows(root, split="test")] == ["3.png"]
    with pytest.raises(SpecError, match="has no split 'tset'; did you mean 'test'"):
        make_plan(spec_for(root, split="tset"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("key", ["train", "val", "names", "path", "nc"])
def test_aliases_that_multiply_are_not_written_out(tmp_path, key):
    """400 bytes of nested aliases are 9 ** 11 words: whoever may write a source could stop a worker with it."""
    root = write(tmp_path / "s")
    bomb = [f"{name}: &{name} [{', '.join(['*' + below] * 9)}]" for below, name in pairwise("abcdefghijk")]
    plain = {"names": "[cell, spot]", "nc": "2", key: "*k"}
    lines = ['a: &a ["lol"]', *bomb, *(f"{name}: {value}" for name, value in plain.items())]
    (root / "data.yaml").write_text("\n".join(lines) + "\n")
    if key == "names":
        with pytest.raises(MakeweightError, match="its names are no list of classes"):
            make_plan(spec_for(root))
    else:
        assert make_plan(spec_for(root)).profile.rows == 4


@pytest.mark.parametrize(
    ("folders", "said", "train"),
    [
        (("train", "extra", "val"), "train: [images/train, images/extra]\nval: images/val\n", {"train", "extra"}),
        (("train", "extra"), "train:\n- images/train\n- images/extra\n", {"train", "extra"}),
        (("a", "b"), "train: [images/a, images/b]\nval: []\n", {"a", "b"}),
        (("val", "test", "c"), "train: [images/val, images/c]\ntest: images/test\n", {"val", "c"}),
    ],
)
def test_a_list_of_folders_is_one_split_whatever_they_are_called(tmp_path, folders, said, train):
    for number, name in enumerate(folders):
        write(tmp_path / "s", f"images/{name}", f"labels/{name}", start=number * 10)
    (tmp_path / "s" / "data.yaml").write_text(NAMES + said)
    found = {row["image"]["path"].split("/")[1] for row in rows(tmp_path / "s", split="train")}
    assert found == train
    assert len(rows(tmp_path / "s", split="none")) == 4 * len(folders)
