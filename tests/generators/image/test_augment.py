import hashlib
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from generators.image.augment import Augment, AugmentParams
from generators.image.codec import Encoding, decode, encode
from schemas.arrow import IMAGE, MASKED_OBJECTS, OBJECTS, PARENT_ROW
from schemas.errors import GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import parse

ROOT = Path(__file__).parents[3]
PNG = Encoding()


def image(seed, height=32, width=32, channels=3):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    return np.kron(coarse, np.ones((height // 4, width // 4, 1), np.uint8))


def make_table(images, labels=None, encoding=PNG, objects=None, kind=OBJECTS):
    labels = labels or ["a"] * len(images)
    fields = [pa.field("label", pa.string()), pa.field("image", IMAGE, metadata=encoding.metadata())]
    encoded = [{"bytes": encode(pixels, PNG), "path": None} for pixels in images]
    columns = [pa.array(labels), pa.array(encoded, IMAGE)]
    if objects is not None:  # before the image: the order is the source's
        fields.insert(0, pa.field("objects", kind))
        columns.insert(0, pa.array(objects, kind))
    return pa.table(columns, schema=pa.schema(fields))


def fitted(table, **params):
    generator = Augment(parse(AugmentParams, params))
    generator.fit(table, "label", 3)
    return generator


def request(stratum="a", rows=8, chunk=0, seed=2**63 + 5):
    return SampleRequest(stratum=stratum, chunk=chunk, rows=rows, seed=seed + chunk)


def pixels_of(table):
    return [decode(row["bytes"]) for row in table["image"].to_pylist()]


TABLE = make_table([image(n) for n in range(7)], ["a"] * 5 + ["b"] * 2)


def test_same_request_same_pixels_whatever_was_served_before_and_in_another_process(tmp_path):
    generator = fitted(TABLE)
    generator.save(tmp_path)
    first = generator.sample(request())
    other = generator.sample(request(chunk=1))
    generator.sample(request("b", rows=3))
    assert generator.sample(request()).equals(first)
    assert not other["image"].equals(first["image"])
    script = (
        "import hashlib, sys, pathlib; from tests.generators.image.test_augment import *\n"
        "generator = Augment(AugmentParams()); generator.load(pathlib.Path(sys.argv[1]), 'cpu')\n"
        "print(digest(generator.sample(request())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.strip() == digest(first)


def digest(table):
    return hashlib.sha256(b"".join(row["bytes"] for row in table["image"].to_pylist())).hexdigest()


def test_a_row_does_not_depend_on_those_before_it():
    long, short = (fitted(TABLE).sample(request(rows=rows)) for rows in (12, 4))
    assert long.slice(0, 4)["image"].equals(short["image"])


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 12, 3), (32, 32, 3), (32, 32, 1), (96, 128, 3), (96, 80, 1)])
def test_default_transforms_change_every_image_and_keep_its_size_and_mode(shape):
    real = [image(n, *shape) for n in range(3)]
    made = fitted(make_table(real)).sample(request(rows=40))
    for pixels, parent in zip(pixels_of(made), made[PARENT_ROW].to_pylist(), strict=True):
        assert pixels.shape == shape
        assert not np.array_equal(pixels, real[parent])
        assert not np.array_equal(pixels, real[parent][:, ::-1])


def test_flip_can_be_turned_off():
    left = np.zeros((32, 32, 1), np.uint8)
    left[:, :12] = 255
    sides = {}
    for flip in (True, False):
        made = pixels_of(fitted(make_table([left]), flip=flip).sample(request(rows=40)))
        sides[flip] = {bool(pixels[:, :16].mean() > pixels[:, 16:].mean()) for pixels in made}
    assert sides == {True: {True, False}, False: {True}}


def test_parents_are_of_the_class_and_used_evenly_over_chunks():
    generator = fitted(TABLE)
    chunks = [generator.sample(request(rows=7, chunk=n))[PARENT_ROW].to_pylist() for n in range(5)]
    used = np.bincount(np.concatenate(chunks))
    assert used.tolist() == [7, 7, 7, 7, 7]
    assert chunks[0][:5] != chunks[0][5:] + chunks[1][:3]  # each round has an order of its own
    assert set(generator.sample(request("b"))[PARENT_ROW].to_pylist()) == {5, 6}


def test_global_random_state_and_opencv_threads_are_left_alone():
    import cv2

    generator = fitted(TABLE, transforms=["HorizontalFlip", "GaussNoise", "ElasticTransform"])
    before = pickle.dumps((random.getstate(), np.random.get_state())), cv2.getNumThreads()
    generator.sample(request())
    assert (pickle.dumps((random.getstate(), np.random.get_state())), cv2.getNumThreads()) == before


def test_encoding_of_the_field_is_honoured_after_save_and_load(tmp_path):
    generator = fitted(make_table([image(0)], encoding=Encoding("jpeg", 60)))
    generator.save(tmp_path)
    loaded = Augment(AugmentParams())
    loaded.load(tmp_path, "cpu")
    made = loaded.sample(request())
    assert made.equals(generator.sample(request()))
    assert made.schema.field("image").metadata == {b"format": b"jpeg", b"quality": b"60"}
    assert all(row["bytes"][:3] == b"\xff\xd8\xff" for row in made["image"].to_pylist())


def test_images_stay_on_the_disk_after_load(tmp_path):
    fitted(TABLE).save(tmp_path)
    before = pa.total_allocated_bytes()
    loaded = Augment(AugmentParams())
    loaded.load(tmp_path, "cpu")
    assert pa.total_allocated_bytes() - before < TABLE.nbytes / 2


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (["HorizontalFlpi"], "transforms: unknown transform 'HorizontalFlpi'; did you mean 'HorizontalFlip'?"),
        ([{"Affine": {"rotation": 3}}], "transform 'Affine': unknown parameter 'rotation'; did you mean 'rotate'?"),
        ([{"Affine": {"rotate": "ten"}}], "transform 'Affine': rotate: input should be a valid tuple, got 'ten'"),
        ([{"Affine": {"p": 3}}], "transform 'Affine': p: input should be less than or equal to 1, got 3"),
        (
            [{"RandomRotate90": {"p": 2}}],
            "transform 'RandomRotate90': p: input should be less than or equal to 1, got 2",
        ),
        (["RandomCrop"], "transform 'RandomCrop': the parameter 'height' is missing"),
        ([{"Blur": {"blur_limit": [9, 3]}}], "transform 'Blur': blur_limit: Invalid range (9, 3)"),
        ([{"OneOf": ["Blur", {"Sequential": ["Shapren"]}]}], "unknown transform 'Shapren'; did you mean 'Sharpen'?"),
        (
            [{"OneOf": {"transforms": ["Blur"], "p": 2}}],
            "transform 'OneOf': p: input should be less than or equal to 1",
        ),
        ([{"OneOf": []}], "transform 'OneOf': needs a list of transforms, got []"),
        ([{"OneOf": [{"Blur": {"p": 0}}]}], "transform 'OneOf': all its transforms have p: 0"),
        ([{"SomeOf": {"transforms": ["Blur"], "n": 2}}], "n: got 2, and there are 1 transforms to choose from"),
        ([3], "a transform is a name or {name: {parameter: value}}, got 3"),
        ([{"Affine": 3}], "transform 'Affine': its parameters are {parameter: value}, got 3"),
    ],
)
def test_declared_transforms_are_checked(declared, message):
    with pytest.raises(SpecError) as caught:
        parse(AugmentParams, {"transforms": declared})
    assert message in str(caught.value)


def test_compositions_are_applied():
    declared = [
        {"OneOf": {"transforms": [{"HorizontalFlip": {"p": 1}}, {"VerticalFlip": {"p": 1}}], "p": 1}},
        {"Sequential": {"transforms": [{"InvertImg": {"p": 1}}], "p": 1}},
        {"SomeOf": {"transforms": ["NoOp"], "n": 1}},
    ]
    real = image(1)
    made = pixels_of(fitted(make_table([real]), transforms=declared).sample(request(rows=20)))
    kinds = [255 - real[:, ::-1], 255 - real[::-1]]
    assert all(any(np.array_equal(pixels, kind) for kind in kinds) for pixels in made)
    assert len({pixels.tobytes() for pixels in made}) == 2


def test_crop_larger_than_the_smallest_image_is_refused_in_fit():
    table = make_table([image(0, 64, 64), image(1, 32, 48)])
    with pytest.raises(
        GeneratorError, match=r"transform 'RandomCrop' cannot be applied to an image of 48x32 pixels, co"
    ):
        fitted(table, transforms=[{"OneOf": ["Blur", {"RandomCrop": {"height": 40, "width": 40}}]}])


def test_crop_after_a_resize_is_fine():
    declared = [{"Resize": {"height": 64, "width": 64}}, {"RandomCrop": {"height": 48, "width": 40}}]
    assert {pixels.shape for pixels in pixels_of(fitted(TABLE, transforms=declared).sample(request()))} == {(48, 40, 3)}


def test_transform_that_makes_no_image_is_refused():
    with pytest.raises(GeneratorError, match=r"make float32 arrays of shape \(32, 32, 3\).*leave Normalize"):
        fitted(TABLE, transforms=["Normalize"])


def test_what_fails_on_a_row_alone_is_told_when_it_is_made(monkeypatch):
    generator = fitted(TABLE, transforms=["Transpose"])
    monkeypatch.setattr("albumentations.Transpose.get_params", lambda _: 1 / 0)
    with pytest.raises(
        GeneratorError, match=r"transform 'Transpose' cannot be .* 32x32 pixels, colour \(division by z"
    ):
        generator.sample(request(rows=30))


def with_square(x, y, width, height, size=(64, 48)):
    pixels = np.full((size[1], size[0], 3), 40, np.uint8)
    pixels[y : y + height, x : x + width] = 255
    return pixels


def test_boxes_follow_what_is_in_them():
    squares = [(4, 6, 12, 10), (30, 20, 20, 16)]
    images = [with_square(*square) for square in squares]
    objects = [[{"bbox": square, "category": f"c{n}"}] for n, square in enumerate(squares)]
    table = make_table(images, objects=objects)
    flips = [{"HorizontalFlip": {"p": 0.5}}, {"RandomRotate90": {"p": 1}}, {"Transpose": {"p": 0.5}}]
    made = fitted(table, transforms=flips).sample(request(rows=40))
    assert made.schema.names == ["objects", "label", "image", PARENT_ROW]
    for pixels, marks, parent in zip(
        pixels_of(made), made["objects"].to_pylist(), made[PARENT_ROW].to_pylist(), strict=True
    ):
        [mark] = marks
        ys, xs = np.nonzero(pixels[..., 0] > 128)
        assert mark["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert mark["category"] == f"c{parent}"


def reach(marks, pixels):
    boxes = np.array([mark["bbox"] for mark in marks], np.float32).reshape(-1, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= pixels.shape[1]).all()
    assert (boxes[:, 1].astype(float) + boxes[:, 3] <= pixels.shape[0]).all()
    return len(boxes)


def crowd(kind, rng, size=(61, 47)):
    """Return objects of odd boxes, some at the edge and beyond it, some without an area."""
    boxes = rng.uniform(-3, 55, (12, 4)).astype(np.float32)
    boxes[:, 2:] = np.abs(boxes[:, 2:]) * (rng.random((12, 1)) < 0.9)
    return [{"bbox": box.tolist(), "category": str(n)} for n, box in enumerate(boxes)]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"transforms": [{"Affine": {"rotate": [-90, 90], "scale": [0.5, 2], "border_mode": 4, "p": 1}}], "flip": False},
        {"transforms": [{"RandomCrop": {"height": 30, "width": 31}}, {"Resize": {"height": 57, "width": 91}}]},
        {"transforms": [{"Perspective": {"p": 1}}, {"RandomScale": {"p": 1}}]},
    ],
)
def test_no_box_reaches_out_of_its_image(params):
    rng = np.random.default_rng(8)
    images = [rng.integers(0, 256, (47, 61, 3), dtype=np.uint8) for _ in range(6)]
    table = make_table(images, objects=[crowd(OBJECTS, rng) for _ in images])
    made = fitted(table, **params).sample(request(rows=60))
    found = [reach(m, p) for p, m in zip(pixels_of(made), made["objects"].to_pylist(), strict=True)]
    assert sum(found) > 120


def test_default_transforms_keep_every_box_upright_and_around_its_object():
    square = (20, 12, 24, 18)
    boxes = [square, (0, 0, 1, 1), (63.5, 47.5, 0.5, 0.5), (0, 0, 64, 48)]
    marks = [{"bbox": box, "category": str(n)} for n, box in enumerate(boxes)]
    made = fitted(make_table([with_square(*square)], objects=[marks])).sample(request(rows=40))
    for pixels, found in zip(pixels_of(made), made["objects"].to_pylist(), strict=True):
        assert [mark["category"] for mark in found] == ["0", "1", "2", "3"]
        ys, xs = np.nonzero(pixels[..., 0] > 130)
        seen = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert np.abs(np.subtract(found[0]["bbox"], seen)).max() < 1.5


def test_boxes_that_leave_the_image_are_dropped_by_their_visible_share():
    marks = [{"bbox": [0, 0, 10, 10], "category": "left"}, {"bbox": [30, 0, 34, 10], "category": "right"}]
    table = make_table([with_square(0, 0, 10, 10)], objects=[marks])
    crop = [{"Crop": {"x_min": 6, "y_min": 0, "x_max": 40, "y_max": 20, "p": 1}}]
    kept = {}
    for least in (0.0, 0.35, 0.5):
        made = fitted(table, transforms=crop, min_visibility=least).sample(request(rows=1))
        kept[least] = [(mark["category"], mark["bbox"]) for mark in made["objects"][0].as_py()]
    left, right = ("left", [0, 0, 4, 10]), ("right", [24, 0, 10, 10])
    assert kept == {0.0: [left, right], 0.35: [left], 0.5: []}
    small = fitted(table, transforms=crop, min_visibility=0, min_area=60).sample(request(rows=1))
    assert [mark["category"] for mark in small["objects"][0].as_py()] == ["right"]


def rle(mask):
    from pycocotools import mask as coco

    made = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": made["size"], "counts": made["counts"].decode()}


def mask_of(mark):
    from pycocotools import mask as coco

    return coco.decode(mark["segmentation"]).astype(bool)


def test_masks_follow_and_empty_ones_are_null():
    pixels = with_square(4, 6, 12, 10)
    marks = [
        {"bbox": [40, 40, 4, 4], "category": "bare", "segmentation": None},
        {"bbox": [4, 6, 12, 10], "category": "masked", "segmentation": rle(pixels[..., 0] > 128)},
        {"bbox": [40, 2, 9, 9], "category": "empty", "segmentation": rle(np.zeros((48, 64)))},
    ]
    table = make_table([pixels], objects=[marks], kind=MASKED_OBJECTS)
    turns = [{"RandomRotate90": {"p": 1}}, {"HorizontalFlip": {"p": 0.5}}]
    made = fitted(table, transforms=turns).sample(request(rows=20))
    made.validate(full=True)
    for image_, marks_ in zip(pixels_of(made), made["objects"].to_pylist(), strict=True):
        bare, masked, empty = marks_
        assert (bare["segmentation"], empty["segmentation"]) == (None, None)
        assert np.array_equal(mask_of(masked), image_[..., 0] > 128)


def test_an_object_mirrored_at_an_edge_becomes_two_with_a_mask_each():
    pixels = with_square(4, 6, 12, 10)
    marks = [{"bbox": [4, 6, 12, 10], "category": "x", "segmentation": rle(pixels[..., 0] > 128)}]
    pad = {"min_height": 48, "min_width": 96, "border_mode": 2, "p": 1}
    table = make_table([pixels], objects=[marks], kind=MASKED_OBJECTS)
    made = fitted(table, transforms=[{"PadIfNeeded": pad}]).sample(request(rows=1))
    found = made["objects"][0].as_py()
    assert len(found) == 2
    assert np.array_equal(np.any([mask_of(mark) for mark in found], axis=0), pixels_of(made)[0][..., 0] > 128)
    assert not np.any(np.all([mask_of(mark) for mark in found], axis=0))


def test_images_without_objects_among_those_with_some():
    table = make_table([image(0), image(1)], objects=[[], [{"bbox": [1, 2, 9, 9], "category": "x"}]])
    made = fitted(table).sample(request(rows=10))
    assert sorted({len(marks) for marks in made["objects"].to_pylist()}) == [0, 1]


def test_missing_images_and_unknown_classes_are_refused():
    with pytest.raises(GeneratorError, match="class 'c': the model was fitted on no row of it; known are a, b"):
        fitted(TABLE).sample(request("c"))
    missing = pa.table({"label": ["a"], "image": pa.array([{"bytes": None, "path": "x"}], IMAGE)})
    with pytest.raises(GeneratorError, match="1 images are missing; leave those rows out"):
        fitted(missing)


def test_resample_makes_images_too(tmp_path):
    from generators.resample import Resample

    generator = Resample(Resample.Params())
    generator.fit(TABLE, "label", 0)
    generator.save(tmp_path)
    loaded = Resample(Resample.Params())
    loaded.load(tmp_path, "cpu")
    made = loaded.sample(request("b"))
    assert "image" in Resample.capabilities.modalities
    assert made.drop_columns(PARENT_ROW).equals(TABLE.take(made[PARENT_ROW]))
    assert made.schema.field("image").metadata == TABLE.schema.field("image").metadata
