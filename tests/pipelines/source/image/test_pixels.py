"""Sources of images: what is found in them, what becomes of odd ones, and what a user is told of bad ones."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from generators.image.codec import decode
from pipelines.plan.planning import make_plan
from pipelines.source import read_source
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def picture(label="red", number=0, size=(12, 8), mode="RGB"):
    noise = np.random.default_rng(number).integers(0, 40, (size[1], size[0], 3))
    return Image.fromarray((noise + COLOURS[label]).clip(0, 255).astype(np.uint8)).convert(mode)


def encoded(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def spec_for(path, images=None, generator="resample", target="largest", **source):
    source = {"path": str(path), "label": "label", **source, "images": images or {}}
    data = {"name": "i", "source": source, "balance": {"target": target}, "output": {"path": f"{path}-out"}}
    return parse(Spec, data | {"generator": {"name": generator}})


def plan_of(path, images=None, **source):
    return make_plan(spec_for(path, images, **source))


def rows_of(path, images=None, **source):
    spec = spec_for(path, images, **source)
    return pa.concat_tables(read_source(spec.source, make_plan(spec).profile))


def pixels(table):
    return [decode(row["bytes"]) for row in table["image"].to_pylist()]


def test_sources_whose_class_has_a_name_need_no_label(folder, cells):
    for source, strata in ((folder, {"blue": 3, "red": 8}), (cells, {"cell=2": 4, "cell=1, spot=1": 1, "none": 1})):
        data = {"name": "i", "source": {"path": str(source)}, "output": {"path": f"{source}-out"}}
        plan = make_plan(parse(Spec, data))
        assert {one.name: one.real for one in plan.strata} == strata
    texts = folder.parent / "texts"
    for label in "ab":
        (texts / label).mkdir(parents=True)
        (texts / label / "0.txt").write_text(f"good day, {label}")
    data["source"]["path"] = str(texts)
    assert make_plan(parse(Spec, data)).label == "label"
    (folder.parent / "t.csv").write_text("x,y\n1,a\n2,b\n")
    data["source"]["path"] = str(folder.parent / "t.csv")
    with pytest.raises(MakeweightError, match="source.label: the source has no column 'label'; known are x, y"):
        make_plan(parse(Spec, data))


def test_exif_orientation_is_applied_and_counted(folder):
    turned = picture()
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held on its side
    turned.save(folder / "red" / "0.png", exif=exif)
    plan = plan_of(folder)
    assert (plan.profile.images.turned, plan.profile.images.least, plan.profile.images.most) == (1, (8, 8), (12, 12))
    first = pixels(rows_of(folder))[3]
    assert first.shape == (12, 8, 3)
    np.testing.assert_array_equal(first, np.rot90(np.asarray(turned), -1))


@pytest.mark.parametrize(("fit", "corner"), [("crop", (200, 30, 30)), ("pad", (0, 0, 0)), ("stretch", (200, 30, 30))])
def test_images_are_resized_as_the_spec_says(folder, fit, corner):
    table = rows_of(folder, {"size": [16, 16], "fit": fit})
    assert {image.shape for image in pixels(table)} == {(16, 16, 3)}
    red = pixels(table)[3]
    assert np.abs(red[0, 0].astype(int) - corner).max() <= 60
    assert plan_of(folder, {"size": 16, "fit": fit}).profile.images.size == (16, 16)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK"])
def test_other_modes_become_the_one_mode_of_all(folder, mode):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    (folder / "red" / f"odd.{kind.lower()}").write_bytes(encoded(picture(mode=mode), kind))
    plan = plan_of(folder)
    assert (plan.profile.images.mode, plan.profile.images.modes[mode], plan.profile.images.changed) == ("RGB", 1, 1)
    made = pixels(rows_of(folder))[-1]
    assert made.shape == (8, 12, 3)
    if mode in ("P", "RGBA", "CMYK"):
        assert made[..., 0].mean() > 150 > 60 > made[..., 2].mean()


def test_what_can_be_seen_through_is_put_on_white(folder):
    Image.new("RGBA", (12, 8), (0, 0, 0, 0)).save(folder / "red" / "glass.png")
    assert (pixels(rows_of(folder))[-1] == 255).all()


def test_grey_images_stay_grey(tmp_path):
    for label in COLOURS:
        (tmp_path / "grey" / label).mkdir(parents=True)
        for number in range(4):
            picture(label, number, mode="L").save(tmp_path / "grey" / label / f"{number}.jpg")
    assert plan_of(tmp_path / "grey").profile.images.mode == "L"
    assert {image.shape for image in pixels(rows_of(tmp_path / "grey"))} == {(8, 12, 1)}
    with pytest.raises(MakeweightError, match="webp holds no grey images; set source.images.format: png"):
        plan_of(tmp_path / "grey", {"mode": "L", "format": "webp"})


def test_sixteen_bits_need_a_word_of_the_spec(folder):
    deep = np.linspace(0, 65_535, 96).astype(np.uint16).reshape(8, 12)
    Image.fromarray(deep).save(folder / "red" / "deep.png")
    with pytest.raises(MakeweightError, match=r"1 of 12 images are deeper than 8 bits: red/deep.png .*mode: RGB"):
        plan_of(folder)
    made = pixels(rows_of(folder, {"mode": "L"}))[-1]
    np.testing.assert_allclose(made[..., 0], deep / 257, atol=0.51)


def test_animated_images_need_a_word_of_the_spec(folder):
    frames = [picture("red", number) for number in range(3)]
    frames[0].save(folder / "red" / "moving.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(MakeweightError, match="1 of 12 images are animated: red/moving.gif .*animated: first takes"):
        plan_of(folder)
    assert plan_of(folder, {"animated": "skip"}).profile.rows == 11
    table = rows_of(folder, {"animated": "first"})
    assert table.num_rows == 12
    assert np.abs(pixels(table)[-1].astype(int) - np.asarray(frames[0])).mean() < 12


def voc(folder, name, boxes, image=None):
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{r}</xmax><ymax>{b}</ymax></bndbox>"
        "</object>"
        for label, x, y, r, b in boxes
    )
    text = f"<annotation><filename>{image or name + '.png'}</filename>{objects}</annotation>"
    (folder / "Annotations").mkdir(parents=True, exist_ok=True)
    (folder / "Annotations" / f"{name}.xml").write_text(text)


def test_boxes_move_with_their_images(cells):
    halved = rows_of(cells, {"size": [20, 15], "fit": "stretch"}, label="category")
    assert halved["objects"][4].as_py()[1]["bbox"] == [15.0, 10.0, 5.0, 5.0]
    padded = rows_of(cells, {"size": [40, 40], "fit": "pad"}, label="category")
    assert padded["objects"][4].as_py()[1]["bbox"] == [30.0, 25.0, 10.0, 10.0]
    with pytest.raises(MakeweightError, match="crop would cut boxes off; set source.images.fit: pad"):
        plan_of(cells, {"size": [20, 20]}, label="category")


@pytest.mark.parametrize(
    ("box", "reason", "mended"),
    [
        (("cell", 5, 5, 5, 9), "no area", None),
        (("cell", 9, 9, 4, 4), "no area", None),
        (("cell", 41, 5, 60, 9), "outside the image", None),
        (("cell", 35, 5, 60, 9), "across the edge", [35.0, 5.0, 5.0, 4.0]),
    ],
)
def test_boxes_that_do_not_lie_in_their_image(cells, box, reason, mended):
    voc(cells, "5", [box, ("spot", 1, 1, 9, 9)])
    with pytest.raises(MakeweightError, match=rf"1 boxes do not lie in their images: 5.png \({reason}\).*boxes: mend"):
        plan_of(cells, label="category")
    objects = rows_of(cells, label="category", faulty_boxes="mend")["objects"][5].as_py()
    assert [one["bbox"] for one in objects] == ([mended] if mended else []) + [[1.0, 1.0, 8.0, 8.0]]
    assert plan_of(cells, label="category", faulty_boxes="mend").profile.images.faulty_boxes == 1


def coco(folder, **changes):
    images = [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in range(6)]
    square = [[2, 3, 12, 3, 12, 13, 2, 13]]
    marks = [{"image_id": n, "category_id": 1, "bbox": [2, 3, 10, 10], "segmentation": square} for n in range(5)]
    marks += [{"image_id": 4, "category_id": 2, "bbox": [30, 20, 10, 10]}]
    marks += [{"image_id": 5, "category_id": 2, "bbox": [0, 0, 40, 30], "iscrowd": 1}]
    categories = [{"id": 1, "name": "cell"}, {"id": 2, "name": "spot, odd"}]
    data = {"images": images, "annotations": marks, "categories": categories, **changes}
    (folder / "instances.json").write_text(json.dumps(data))


@pytest.fixture
def coco_cells(cells):
    for file in (cells / "Annotations").iterdir():
        file.unlink()
    coco(cells)
    return cells


def test_coco_gives_objects_and_masks(coco_cells):
    from pycocotools import mask

    table = rows_of(coco_cells, label="category")
    assert table["boxes"].to_pylist() == ["cell=1"] * 4 + ["cell=1, spot%2C odd=1", "none"]
    cell, spot = table["objects"][4].as_py()
    assert spot == {"bbox": [30.0, 20.0, 10.0, 10.0], "category": "spot, odd", "segmentation": None}
    assert mask.area(cell["segmentation"]) == 100
    assert list(plan_of(coco_cells, label="category").boxes) == ["cell", "spot, odd"]
    with pytest.raises(MakeweightError, match="masks are not resized; leave out source.images.size"):
        plan_of(coco_cells, {"size": 20, "fit": "pad"}, label="category")


def test_faults_in_coco_are_told(coco_cells):
    coco(coco_cells, categories=[{"id": 1, "name": "cell"}])
    with pytest.raises(MakeweightError, match="instances.json: annotation 5 is of category 2, which is not listed"):
        plan_of(coco_cells, label="category")
    coco(coco_cells, images=[])
    with pytest.raises(MakeweightError, match="annotation 0 is of image 0, which is not listed"):
        plan_of(coco_cells, label="category")
    (coco_cells / "instances.json").write_text('{"images": 3}')
    with pytest.raises(
        MakeweightError, match="instances.json: is no COCO file: images: .*it needs images, annotations"
    ):
        plan_of(coco_cells, label="category")
    coco(coco_cells)
    with pytest.raises(MakeweightError, match="there is no 'instance.json' in .*did you mean 'instances.json'"):
        plan_of(coco_cells, label="category", annotations="instance.json")
    (coco_cells / "instances_val.json").write_text("{}")
    with pytest.raises(
        MakeweightError, match="which file holds the annotations. there are instances.json, instances_v"
    ):
        plan_of(coco_cells, label="category")


def test_an_image_name_that_two_files_have(coco_cells):
    (coco_cells / "other").mkdir()
    picture().save(coco_cells / "other" / "0.png")
    with pytest.raises(MakeweightError, match="names '0.png', which may be JPEGImages/0.png, other/0.png; give it"):
        plan_of(coco_cells, label="category")
