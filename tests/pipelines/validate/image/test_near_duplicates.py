from pathlib import Path

import cv2
import numpy as np

from pipelines.validate.image.near_duplicates import NearDuplicates, NearDuplicatesParams, perceptual_hashes


def fitted(plan_of, *batches, **params) -> NearDuplicates:
    validator = NearDuplicates(NearDuplicatesParams(**params), plan_of(batches[0].table, "label"))
    validator.fit(batches)
    return validator


def test_none_is_missed(plan_of, digits, unseen_digits, picture_batch) -> None:
    real, made = picture_batch(digits), picture_batch(unseen_digits)
    codes, asked = (perceptual_hashes(batch.table.column("image")) for batch in (real, made))
    distances = np.bitwise_count(asked[:, None] ^ codes).min(axis=1)
    for most in (0, 4, 10):
        keep = fitted(plan_of, real, max_distance=most).check(made).keep
        np.testing.assert_array_equal(keep, distances > most)
    assert (distances == 0).sum() >= 30  # the copies


def test_what_hardly_changes_an_image_is_seen_through(plan_of, cifar, unseen_cifar, picture_batch, decoded) -> None:
    validator = fitted(plan_of, picture_batch(cifar))
    images = decoded(cifar)[::5]
    changes = {
        "jpeg": lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1),
        "light": lambda image: cv2.convertScaleAbs(image, alpha=0.9, beta=12),
        "smaller": lambda image: cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA),
    }
    for name, change in changes.items():
        verdict = validator.check(picture_batch([change(image) for image in images]))
        assert verdict.keep.mean() < 0.06, name
        assert verdict.details == {"close to a real row": int((~verdict.keep).sum())}
    assert validator.check(picture_batch(unseen_cifar)).keep.mean() > 0.99
    assert validator.check(picture_batch([image[:, ::-1].copy() for image in images])).keep.mean() > 0.95


def test_a_row_is_not_compared_with_its_own_parent_but_with_its_copies(plan_of, noise, picture_batch) -> None:
    one, two, three = noise(3)
    real = picture_batch([one, two, two, three], rows=[10, 11, 12, 13])
    validator = fitted(plan_of, real)
    made = [one, one, two, three]
    assert validator.check(picture_batch(made, rows=[10, 13, 11, 10])).keep.tolist() == [True, False, False, False]
    assert not validator.check(picture_batch(made)).keep.any()


def test_order_and_batches_of_real_rows_do_not_matter(plan_of, noise, picture_batch, tmp_path: Path) -> None:
    images = [*noise(30), *noise(5)]
    rows = np.arange(100, 135)
    order = np.random.default_rng(0).permutation(35)
    for name, places in (("one", np.arange(35)), ("two", order)):
        parts = [places[:20], places[20:]]
        (tmp_path / name).mkdir()
        batches = [picture_batch([images[place] for place in part], rows=rows[part].tolist()) for part in parts]
        fitted(plan_of, *batches).save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_synthetic_rows_are_compared_in_stream_order(plan_of, noise, picture_batch) -> None:
    one, two, three = noise(3)
    real = picture_batch(noise(3, seed=1))
    validator = fitted(plan_of, real)
    novelty = validator.novelty()
    assert novelty.admit(validator.sketch(picture_batch([one, two, one]))).tolist() == [True, True, False]
    assert novelty.admit(validator.sketch(picture_batch([two, three]))).tolist() == [False, True]
    tolerant = fitted(plan_of, real, among_synthetic=False, against_real=False)
    assert tolerant.novelty().admit(validator.sketch(picture_batch([one, one]))).all()
    assert tolerant.check(real).keep.all()


def test_flat_images_are_all_one(picture_batch) -> None:
    flat = [np.full((side, side, 3), value, np.uint8) for side, value in ((8, 0), (32, 100), (50, 255))]
    assert perceptual_hashes(picture_batch(flat).table.column("image")).tolist() == [0, 0, 0]
