"""Boxes and masks lie where they were drawn: on images that are turned, and of sizes that annotations do not know."""

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from generators.image.codec import decode
from pipelines.modality import modality_notes
from pipelines.plan.planning import fingerprint_spec, make_plan
from pipelines.source import read_source
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse

SIZE, PATCH, GROUND = (20, 12), 200, 60


BOX = (3, 2, 9, 5)
"""Of the bright patch in the stored image: x, y, width, height."""


FLIPS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def stored():
    pixels = np.full((SIZE[1], SIZE[0], 3), GROUND, np.uint8)
    x, y, w, h = BOX
    pixels[y : y + h, x : x + w] = PATCH
    pixels[y, x] = PATCH // 2  # one corner is another, so that no turn looks like another
    return Image.fromarray(pixels)


def box_in(image):
    """Return the box of the patch in an image."""
    down, across = np.nonzero(np.asarray(image)[..., 0] > GROUND)
    return [int(across.min()), int(down.min()), int(np.ptp(across)) + 1, int(np.ptp(down)) + 1]


def save(folder, orientation, name="0.png"):
    folder.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored().save(folder / name, exif=exif.tobytes())


def polygon(box):
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def runs(box, size):
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 1
    flat, counts, last = mask.ravel(order="F"), [0], 0
    for value in flat:
        if value == last:
            counts[-1] += 1
        else:
            counts.append(1)
            last = value
    return {"size": [size[1], size[0]], "counts": counts}


def coco(folder, marks, size=SIZE, images=1):
    declared = {"width": size[0], "height": size[1]} if size else {}
    data = {
        "images": [{"id": n, "file_name": f"{n}.png", **declared} for n in range(images)],
        "annotations": [{"image_id": n, "category_id": 1, **mark} for n in range(images) for mark in marks],
        "categories": [{"id": 1, "name": "patch"}],
    }
    (folder / "instances.json").write_text(json.dumps(data))


def spec_for(folder, **source):
    data = {"name": "m", "source": {"path": str(folder), "label": "category", **source}}
    return parse(Spec, data | {"generator": {"name": "resample"}, "output": {"path": f"{folder}-out"}})


def first(folder, **source):
    """Return the first image, and its objects."""
    spec = spec_for(folder, **source)
    table = pa.concat_tables(read_source(spec.source, make_plan(spec).profile))
    return decode(table["image"][0].as_py()["bytes"]), table["objects"][0].as_py()


def masked(one):
    from pycocotools import mask

    return mask.decode({**one["segmentation"], "counts": one["segmentation"]["counts"].encode()})


def test_masks_without_a_declared_size_have_that_of_the_file(tmp_path):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": polygon(BOX)}], None)
    _, [one] = first(tmp_path / "s")
    assert one["segmentation"]["size"] == [12, 20]
    np.testing.assert_array_equal(masked(one), np.asarray(stored())[..., 0] > GROUND)


def test_masks_of_another_size_than_the_image_are_refused(tmp_path):
    folder = tmp_path / "s"
    save(folder, 1)
    save(folder, 1, "1.png")
    other = {"bbox": BOX, "segmentation": runs(BOX, (24, 12))}
    coco(folder, [{"bbox": BOX, "segmentation": polygon(BOX)}, other])
    with pytest.raises(MakeweightError, match=r"annotation 1 of 0.png: .* is of \[12, 24\].*its image of \[12, 20\]"):
        make_plan(spec_for(folder))
    coco(folder, [other], None)
    with pytest.raises(MakeweightError, match=r"annotation 0 of 0.png: its annotation says 24 x 12 pixels, and the im"):
        make_plan(spec_for(folder))


def test_a_box_may_be_left_out_where_there_is_a_mask(tmp_path):
    save(tmp_path / "s", 6)
    coco(tmp_path / "s", [{"bbox": [], "segmentation": polygon(BOX)}])
    _, [one] = first(tmp_path / "s")
    assert one["bbox"] == box_in(stored().transpose(FLIPS[6]))
    coco(tmp_path / "s", [{"bbox": None}])
    with pytest.raises(MakeweightError, match="annotation 0 of 0.png: it has neither a bbox nor a segmentation"):
        make_plan(spec_for(tmp_path / "s"))


def test_a_setting_that_is_left_out_is_in_no_fingerprint(tmp_path):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX}])
    plain, said = spec_for(tmp_path / "s"), spec_for(tmp_path / "s", marked_on="stored")
    assert fingerprint_spec(plain) != fingerprint_spec(said)
    assert make_plan(plain).profile.fingerprint != make_plan(said).profile.fingerprint
    assert "marked_on" not in json.dumps(sorted(_fingerprinted(plain)))


def _fingerprinted(spec):
    from pipelines.plan.planning import _deciding

    return _deciding(spec)["source"]


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ([3, 2, 9, 5], []),
        ([-1, 2, 9, 5], ["Boxes that crossed the edge of their image by a pixel or less, cut to it: 2."]),
        ([11, 7, 10, 5.5], ["Boxes that crossed the edge of their image by a pixel or less, cut to it: 2."]),
        (
            [3.1, 2, 9, 5],
            ["Boxes with numbers that a 32-bit float does not hold, to which they are rounded: 2 (such as 3.1)."],
        ),
        ([3.25, 2.5, 9, 5], []),
    ],
)
@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_what_becomes_of_boxes_is_told(tmp_path, box, told, kind):
    for number in range(2):
        save(tmp_path, 1, f"{number}.png")
    if kind == "coco":
        coco(tmp_path, [{"bbox": box}], images=2)
    else:
        for number in range(2):
            (tmp_path / f"{number}.xml").write_text(voc_text(f"{number}.png", box))
    notes = modality_notes(make_plan(spec_for(tmp_path)))
    assert [note for note in notes if note.startswith("Boxes")] == told


def voc_text(name, box):
    x, y, w, h = box
    corners = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
    marks = f"<object><name>patch</name><bndbox>{corners}</bndbox></object>"
    return f"<annotation><filename>{name}</filename>{marks}</annotation>"
