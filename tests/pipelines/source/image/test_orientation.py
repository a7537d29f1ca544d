"""Boxes and masks are turned with images that their EXIF data turns, once."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from generators.image.codec import decode
from pipelines.plan.planning import make_plan
from pipelines.source import read_source
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_annotated import (
    BOX,
    FLIPS,
    GROUND,
    box_in,
    coco,
    first,
    masked,
    polygon,
    runs,
    save,
    spec_for,
    stored,
)


def voc(folder, box, size):
    x, y, w, h = box
    corners = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
    declared = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    text = f"<object><name>patch</name><bndbox>{corners}</bndbox></object>"
    (folder / "0.xml").write_text(f"<annotation><filename>0.png</filename>{declared}{text}</annotation>")


DRAWN = [(n, "stored") for n in range(1, 9)] + [(n, "upright") for n in range(5, 9)]
"""Below 5 both images have one size, which is taken for the stored one's."""


@pytest.mark.parametrize(("orientation", "drawn_on"), DRAWN)
@pytest.mark.parametrize("kind", ["coco", "polygon", "runs", "voc"])
def test_marks_are_turned_with_their_image(tmp_path, orientation, kind, drawn_on):
    save(tmp_path / "s", orientation)
    turned = stored().transpose(FLIPS[orientation]) if orientation in FLIPS else stored()
    seen = stored() if drawn_on == "stored" else turned
    box = box_in(seen)
    mark = {"bbox": box, "segmentation": polygon(box)} if kind == "polygon" else {"bbox": box}
    mark |= {"segmentation": runs(box, seen.size)} if kind == "runs" else {}
    if kind == "voc":
        voc(tmp_path / "s", box, seen.size)
    else:
        coco(tmp_path / "s", [mark], seen.size)
    pixels, [one] = first(tmp_path / "s")
    assert one["bbox"] == box_in(turned)
    np.testing.assert_array_equal(pixels, np.asarray(turned))
    if kind in ("polygon", "runs"):
        np.testing.assert_array_equal(masked(one), np.asarray(turned)[..., 0] > GROUND)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_every_format_is_turned_once(tmp_path, kind, options):
    (tmp_path / "s").mkdir()
    for number, orientation in enumerate(range(1, 9)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        lossless = {"lossless": True} if kind == "WEBP" else options if kind == "TIFF" else {}
        stored().save(
            tmp_path / "s" / f"{number}.png", kind, exif=exif if kind == "TIFF" else exif.tobytes(), **lossless
        )
    coco(tmp_path / "s", [{"bbox": BOX}], images=8)
    spec = spec_for(tmp_path / "s")
    plan = make_plan(spec)
    assert (plan.profile.images.turned, plan.profile.images.least, plan.profile.images.most) == (7, (12, 12), (20, 20))
    table = pa.concat_tables(read_source(spec.source, plan.profile)).to_pylist()
    for row, orientation in zip(table, range(1, 9), strict=True):
        turned = stored().transpose(FLIPS[orientation]) if orientation in FLIPS else stored()
        np.testing.assert_array_equal(decode(row["image"]["bytes"]), np.asarray(turned))
        assert row["objects"][0]["bbox"] == box_in(turned)


def test_where_the_size_cannot_tell_the_spec_does(tmp_path):
    folder = tmp_path / "s"
    save(folder, 3)
    turned = box_in(stored().transpose(FLIPS[3]))
    coco(folder, [{"bbox": turned}])
    assert first(folder, marked_on="upright")[1][0]["bbox"] == turned
    assert first(folder)[1][0]["bbox"] == list(BOX)
    for size in (None, (0, 0)):
        coco(folder, [{"bbox": turned}], size)
        with pytest.raises(MakeweightError, match=r"annotation 0 of 0.png: it is turned by its EXIF data.*marked_on"):
            make_plan(spec_for(folder))
        assert first(folder, marked_on="stored")[1][0]["bbox"] == list(BOX)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_size_that_fits_neither_is_refused(tmp_path, orientation):
    folder = tmp_path / "s"
    save(folder, orientation)
    also = r" \(12 x 20 once it is upright\)" if orientation == 6 else ""
    told = rf"its annotation says 40 x 24 pixels, and the image has 20 x 12{also}, .*source.marked_on"
    coco(folder, [{"bbox": BOX}], (40, 24))
    with pytest.raises(MakeweightError, match=rf"instances.json: annotation 0 of 0.png: {told}"):
        make_plan(spec_for(folder))
    assert first(folder, marked_on="upright")[1][0]["bbox"] == list(BOX)
    coco(folder, [], (40, 24))  # where nothing is marked, nothing can lie wrong
    (folder / "instances.json").unlink()
    voc(folder, BOX, (40, 24))
    with pytest.raises(MakeweightError, match=rf"0.xml: the objects of 0.png: {told}"):
        make_plan(spec_for(folder))
