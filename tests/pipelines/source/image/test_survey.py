"""Encoded images one by one: broken ones are named, and a bomb is never unpacked."""

import pytest
from PIL import Image

from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_pixels import encoded, picture, plan_of, rows_of


def broken_file(kind):
    data = encoded(picture(size=(64, 64)), "JPEG" if kind == "short jpeg" else "PNG")
    return {
        "empty": b"",
        "text": b"not an image at all",
        "short png": data[: len(data) // 2],
        "short jpeg": data[: len(data) // 2],
        "spoilt": data[:60] + bytes(40) + data[100:],
        "header": data[:33],
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "short png", "short jpeg", "spoilt", "header"])
def test_broken_files_are_named_and_may_be_skipped(folder, kind):
    (folder / "red" / "bad.png").write_bytes(broken_file(kind))
    with pytest.raises(MakeweightError, match=r"1 of 12 images cannot be read: red/bad.png \(.*\).*unreadable: skip"):
        plan_of(folder)
    plan = plan_of(folder, {"unreadable": "skip"})
    assert (plan.profile.rows, plan.profile.dropped, plan.profile.images.unreadable) == (11, 1, 1)
    assert list(plan.profile.images.examples) == ["red/bad.png"]
    table = rows_of(folder, {"unreadable": "skip"})
    assert table.num_rows == 11
    assert table["image"].null_count == 0


def test_a_decompression_bomb_is_never_unpacked(folder):
    Image.new("L", (30_000, 30_000)).save(folder / "red" / "bomb.png")
    with pytest.raises(MakeweightError, match=r"bomb.png \(30,000 x 30,000 pixels, more than images.max_pixels 100,00"):
        plan_of(folder)


def test_no_image_that_can_be_read(tmp_path):
    (tmp_path / "none" / "red").mkdir(parents=True)
    with pytest.raises(MakeweightError, match="the folder holds no data files"):
        plan_of(tmp_path / "none")
    (tmp_path / "none" / "red" / "a.png").write_bytes(b"")
    with pytest.raises(MakeweightError, match="none of 1 images can be read"):
        plan_of(tmp_path / "none", {"unreadable": "skip"})
