"""What is usual is learnt of real images."""

import numpy as np

from tests.pipelines.validate.image.test_quality import details, fitted


def test_sizes_that_vary_may_go_a_little_beyond(plan_of, picture_batch, noise) -> None:
    real = picture_batch([*noise(20, 40), *noise(20, 60)])
    validator = fitted(plan_of, real)
    made = picture_batch([image for side in (30, 36, 50, 66, 70) for image in noise(1, side)])
    assert details(validator, made) == ["size", None, None, None, "size"]
    assert details(fitted(plan_of, real, slack=0, size=False), made) == [None] * 5


def test_what_real_images_are_is_no_fault(plan_of, picture_batch, noise) -> None:
    flat = [np.full((32, 32, 3), value, np.uint8) for value in range(0, 200, 10)]
    real = picture_batch([*noise(50, rough=True), *flat])
    made = picture_batch([*noise(5, seed=1, rough=True), flat[3] + 1])
    assert fitted(plan_of, real).check(made).keep.all()
