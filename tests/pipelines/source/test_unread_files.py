"""What of a source's files is in no row is said in the plan: files, whole classes, images, flags, depth."""

import json

import numpy as np
import pytest
from PIL import Image

from pipelines.modality import modality_notes
from pipelines.plan.planning import make_plan
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_annotated import BOX, coco, save, stored
from tests.pipelines.source.image.test_annotated import spec_for as marked_spec
from tests.pipelines.source.image.test_orientation import voc
from tests.pipelines.source.image.test_pixels import picture, rows_of, spec_for


def told(spec):
    return " ".join(modality_notes(make_plan(spec)))


@pytest.fixture
def folder(tmp_path):
    for label, count in (("red", 3), ("blue", 2)):
        (tmp_path / "s" / label).mkdir(parents=True)
        for number in range(count):
            picture(label, number).save(tmp_path / "s" / label / f"{number}.png")
    return tmp_path / "s"


def test_images_that_are_not_read_are_counted_and_a_class_of_them_is_named(folder):
    assert "not read" not in told(spec_for(folder))
    (folder / "cow").mkdir()
    for number in range(4):
        (folder / "cow" / f"{number}.heic").write_bytes(b"heic")
    (folder / "red" / "9.HEIC").write_bytes(b"heic")
    (folder / "README.md").write_text("a note")
    said = told(spec_for(folder))
    assert "Files of the source that are not read: 6 (.heic 5, .md 1)." in said
    assert "Folders of which nothing is read, so that they are no class: cow; convert its files to .jpg" in said
    for one in (folder / "blue").iterdir():
        one.unlink()
    with pytest.raises(MakeweightError, match=r"one class only \('red' of label\).*so that they are no class: cow"):
        make_plan(spec_for(folder))


def test_a_class_below_a_folder_around_all_is_named_too(folder):
    whole = folder.parent / "whole"
    whole.mkdir()
    folder.rename(whole / "data")
    for name in ("data/cow/0.heic", "docs/a/notes.md"):
        (whole / name).parent.mkdir(parents=True)
        (whole / name).write_bytes(b"x")
    said = told(spec_for(whole))
    assert "so that they are no class: cow;" in said
    assert "not read: 2 (.heic 1, .md 1)" in said


def test_texts_that_are_not_read_are_counted_and_a_class_of_them_is_named(tmp_path):
    for name in ("a/1.txt", "b/1.txt", "c/1.md", "a/2.rtf"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text(f"good day from {name}")
    said = told(spec_for(tmp_path / "t", generator="edit"))
    assert "no class: c; convert its files to .txt. Files of the source that are not read: 2 (.md 1, .rtf 1)." in said


def test_a_note_above_class_folders_is_named_wherever_they_lie(tmp_path):
    for name in ("top/README.txt", "top/a/1.txt", "top/b/1.txt"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text(f"good day from {name}")
    with pytest.raises(MakeweightError, match="top/README.txt: lies in no class folder; put each text into a folder"):
        make_plan(spec_for(tmp_path / "t", generator="edit"))


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("jfif", "JPEG"), ("jpe", "JPEG"), ("JFIF", "JPEG"), ("ppm", "PPM"), ("pgm", "PPM"), ("jp2", "JPEG2000")],
)
def test_other_names_of_formats_that_are_read(folder, ending, kind):
    picture("red", 7, mode="L" if ending == "pgm" else "RGB").save(folder / "red" / f"7.{ending}", kind)
    plan = make_plan(spec_for(folder))
    assert (plan.profile.rows, plan.profile.images.formats[kind]) == (6, 1)
    assert ("Written anew as PNG: 1 " + kind in told(spec_for(folder))) == (kind != "JPEG")
    assert rows_of(folder)["image"][5].as_py()["path"] == f"red/7.{ending}"


def test_depth_and_formats_that_are_not_kept_are_told(folder):
    picture("red", 7).save(folder / "red" / "7.bmp")
    pixels = np.full((8, 12, 3), 40_000, np.uint16)
    _save_deep(folder / "red" / "8.tif", pixels)
    said = told(spec_for(folder))
    assert "Written anew as PNG: 1 BMP, 1 TIFF." in said
    assert "Of images of 16 bits a colour, the upper 8 bits are kept: 1." in said


def _save_deep(path, pixels):
    """Write a colour TIFF of 16 bits a channel, which Pillow does not write."""
    import struct

    height, width, _ = pixels.shape
    data = pixels.astype("<u2").tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8 + len(data)), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data))]
    bits = struct.pack("<3H", 16, 16, 16)
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data) + len(bits)) + data + bits + directory)


def test_what_coco_has_and_rows_have_not_is_told(tmp_path):
    root = tmp_path / "s"
    for name in ("0.png", "1.png", "2.png"):
        save(root, 1, name)
    coco(root, [{"bbox": BOX}, {"bbox": BOX, "iscrowd": 1}, {"bbox": BOX, "keypoints": [1, 2, 2] * 17}], images=1)
    (root / "notes.json").write_text("{}")
    said = told(marked_spec(root))
    assert "Regions that hold a crowd (iscrowd), which are left out: 1." in said
    assert "Objects with keypoints, which are not read: 1." in said
    assert "Images in no annotation, which are not read: 2, such as 1.png." in said
    assert "JSON files that are not read: 1, such as notes.json." in said
    coco(root, [{"bbox": BOX}], images=3)
    (root / "notes.json").unlink()
    assert "not read" not in told(marked_spec(root))


def test_what_voc_has_and_rows_have_not_is_told(tmp_path):
    root = tmp_path / "s"
    save(root, 1)
    save(root, 1, "1.png")
    voc(root, BOX, stored().size)
    text = (root / "0.xml").read_text()
    flagged = "<name>patch</name><difficult>1</difficult><polygon><x1>1</x1></polygon>"
    (root / "0.xml").write_text(text.replace("<name>patch</name>", flagged))
    said = told(marked_spec(root))
    assert "1 objects are flagged difficult, which are boxes like any other here." in said
    assert "1 objects are outlined too (polygon), which is not read." in said
    assert "Images in no annotation, which are not read: 1, such as 1.png." in said
    (root / "0.xml").write_text(text.replace("<name>patch</name>", "<name>patch</name><difficult>0</difficult>"))
    assert "difficult" not in told(marked_spec(root))


@pytest.mark.parametrize("kind", ["coco", "voc"])
@pytest.mark.parametrize(("orientation", "square", "unclear"), [(1, 0, 0), (2, 0, 1), (3, 0, 1), (6, 0, 0), (6, 1, 1)])
def test_marks_of_which_no_size_tells_where_they_were_drawn_are_told(tmp_path, kind, orientation, square, unclear):
    root = tmp_path / "s"
    root.mkdir()
    image = stored().crop((0, 0, 12, 12)) if square else stored()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(root / "0.png", exif=exif.tobytes())
    if kind == "coco":
        coco(root, [{"bbox": BOX}], image.size)
    else:
        voc(root, BOX, image.size)
    line = "whose declared size fits before and after: 1; marks are taken to lie in the image as it is stored"
    assert (line in told(marked_spec(root))) == bool(unclear)
    assert line not in told(marked_spec(root, marked_on="stored"))


def test_yolo_without_names_says_so(tmp_path):
    for name, text in (("a", "0 0.5 0.5 0.2 0.2"), ("b", "1 0.5 0.5 0.2 0.2")):
        for folder in ("images", "labels"):
            (tmp_path / "s" / folder).mkdir(parents=True, exist_ok=True)
        stored().save(tmp_path / "s" / "images" / f"{name}.png")
        (tmp_path / "s" / "labels" / f"{name}.txt").write_text(text)
    (tmp_path / "s" / "results.csv").write_text("a,b\n1,2\n")
    said = told(marked_spec(tmp_path / "s", format="yolo"))
    assert "No file names the classes, so that they are called by their numbers." in said
    assert "not read: 1 (.csv 1)" in said
    (tmp_path / "s" / "data.yaml").write_text("names: [cell, spot]")
    assert "called by their numbers" not in told(marked_spec(tmp_path / "s", format="yolo"))


def test_a_plan_that_loses_nothing_says_nothing(folder):
    plan = make_plan(spec_for(folder))
    assert plan.profile.lost == []
    assert json.loads(plan.profile.model_dump_json())["lost"] == []
