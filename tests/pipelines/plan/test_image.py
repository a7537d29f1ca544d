"""Images of more than 8 bits are scaled by what they hold, all of a source alike, or are refused; never black."""

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from generators.image.codec import decode
from pipelines.plan.image import image_notes
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose
from pipelines.source import read_source
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse

RAMP = np.linspace(0, 1, 96).reshape(8, 12)


@pytest.fixture
def folder(tmp_path):
    """Two classes of a grey image each."""
    for label in ("a", "b"):
        (tmp_path / "s" / label).mkdir(parents=True)
        Image.new("L", (12, 8), 128).save(tmp_path / "s" / label / "0.png")
    return tmp_path / "s"


def planned(folder, **images):
    source = {"path": str(folder), "label": "label", "images": {"mode": "L", **images}}
    spec = parse(Spec, {"name": "d", "source": source, "output": {"path": f"{folder}-out"}})
    return spec, make_plan(spec)


def last(folder, **images):
    spec, plan = planned(folder, **images)
    table = pa.concat_tables(read_source(spec.source, plan.profile))
    return decode(table["image"].to_pylist()[-1]["bytes"])[..., 0].astype(int), plan


@pytest.mark.parametrize(
    ("scale", "kind", "white"),
    [
        (4_095, np.uint16, 4_095),
        (1_000, np.uint16, 1_023),
        (16_000, np.uint16, 16_383),
        (65_535, np.uint16, 65_535),
        (40_000, np.uint16, 65_535),
        (200, np.uint16, 255),
        (1.0, np.float32, 1.0),
        (0.4, np.float32, 1.0),
        (240.0, np.float32, 255),
        (3.0, np.float32, 3.0),
        (3_000.0, np.float32, 3_000.0),
        (2_000_000, np.int32, 2_000_000),
    ],
)
def test_deep_images_keep_their_brightness(folder, scale, kind, white):
    deep = (RAMP * scale).astype(kind)
    Image.fromarray(deep).save(folder / "b" / "9.tiff")
    made, plan = last(folder)
    np.testing.assert_allclose(made, deep.astype(float) / white * 255, atol=0.51)
    assert plan.profile.images.levels == (0, white)
    assert f"0 becomes black and {white:,.6g} white" in " ".join(image_notes(plan.profile.images))


def test_all_images_of_a_source_are_scaled_alike(folder):
    dark, bright = (RAMP * 900).astype(np.uint16), (RAMP * 4_000).astype(np.uint16)
    Image.fromarray(bright).save(folder / "a" / "1.tiff")
    Image.fromarray(dark).save(folder / "b" / "9.png")
    np.testing.assert_allclose(last(folder)[0], dark / 4_095 * 255, atol=0.51)


def test_heights_below_zero_and_what_is_no_number(folder):
    deep = (RAMP * 300 - 100).astype(np.float32)
    deep[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(deep).save(folder / "b" / "9.tiff")
    made, plan = last(folder)
    low, high = plan.profile.images.levels
    assert (round(low), high) == (-91, 200)
    assert made[0, :3].tolist() == [0, 255, 0]
    np.testing.assert_allclose(made[1:], (deep[1:] - low) / (high - low) * 255, atol=0.51)


def test_one_grey_for_all_pixels(folder):
    Image.fromarray(np.full((8, 12), 5e8, np.float32)).save(folder / "b" / "9.tiff")
    assert set(last(folder)[0].ravel()) == {0}


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_colour_of_sixteen_bits(folder, ending):
    deep = np.repeat((RAMP * 65_535)[..., None], 3, axis=2).astype(np.uint16)
    cv2.imwrite(str(folder / "b" / f"9.{ending}"), deep)
    np.testing.assert_allclose(last(folder)[0], deep[..., 0] / 257, atol=1.01)
    cv2.imwrite(str(folder / "b" / f"9.{ending}"), deep >> 4)
    with pytest.raises(MakeweightError, match=r"1 of 3 images have 16 bits a channel, and use the lower 12 alone.*9\."):
        planned(folder)


@pytest.mark.parametrize(("other", "mode"), [("L", "L"), ("RGB", "RGB")])
def test_init_brings_them_to_eight_bits(folder, other, mode):
    Image.fromarray((RAMP * 4_095).astype(np.uint16)).save(folder / "b" / "9.tiff")
    Image.new(other, (12, 8)).save(folder / "a" / "9.png")
    proposal = propose(str(folder), out=str(folder.with_name("s.yaml")))
    assert f"mode: {mode}" in proposal.text
    assert proposal.plan.profile.images.levels == (0, 4_095)
