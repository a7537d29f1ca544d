import numpy as np
import pytest

from pipelines.validate.image.quality import ImageParams, ImageQuality


def fitted(plan_of, real, **params) -> ImageQuality:
    validator = ImageQuality(ImageParams(**params), plan_of(real.table, "label"))
    validator.fit([real])
    return validator


def details(validator, batch) -> list[str | None]:
    """The detail of each image by itself."""
    count = batch.table.num_rows
    found = [
        validator.check(type(batch)(batch.table.slice(row, 1), batch.fingerprints[row : row + 1], ""))
        for row in range(count)
    ]
    return [next(iter(verdict.details), None) for verdict in found]


def test_each_fault_is_named(plan_of, picture_batch, noise) -> None:
    validator = fitted(plan_of, picture_batch(noise(50)))
    good, blank = noise(2, seed=1)
    made = [good, b"no image", None, good[..., :1], good[:31], np.full((32, 32, 3), 90, np.uint8)]
    made += [blank // 32 + 100, *noise(1, rough=True)]
    expected = [None, "does not decode", "does not decode", "mode", "size", "blank", "blank", "noise"]
    batch = picture_batch(made)
    assert details(validator, batch) == expected
    verdict = validator.check(batch)
    assert verdict.keep.tolist() == [detail is None for detail in expected]
    assert verdict.details == {"does not decode": 2, "mode": 1, "size": 1, "blank": 2, "noise": 1}


def test_rules_can_be_left_out(plan_of, picture_batch, noise) -> None:
    validator = fitted(plan_of, picture_batch(noise(50)), blank=False, noise=False)
    assert validator.check(picture_batch([*noise(3, rough=True), np.zeros((32, 32, 3), np.uint8)])).keep.all()


def test_unseen_digits_are_kept(plan_of, digits, unseen_digits, picture_batch) -> None:
    assert fitted(plan_of, picture_batch(digits)).check(picture_batch(unseen_digits)).keep.mean() > 0.99


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_unseen_photographs_are_kept_and_noise_is_not(
    plan_of, cifar, unseen_cifar, picture_batch, decoded, strength
) -> None:
    validator = fitted(plan_of, picture_batch(cifar))
    assert validator.check(picture_batch(unseen_cifar)).keep.mean() > 0.99
    rng = np.random.default_rng(0)
    images = np.stack(decoded(unseen_cifar.slice(0, 100)))
    mixed = (1 - strength) * images + strength * rng.integers(0, 256, images.shape)
    assert validator.check(picture_batch(list(mixed.astype(np.uint8)))).keep.mean() < 0.05
