"""Images that are copies of real ones are refused, mirrored and changed ones too."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.validate.image.memorised import Memorised, MemorisedParams, nearest_distances
from tests.pipelines.validate.image.test_learning import STEPS


@pytest.fixture(scope="module")
def memory(plan_of, digits, picture_batch) -> Memorised:
    validator = Memorised(MemorisedParams(steps=STEPS), plan_of(digits, "label"))
    validator.fit([picture_batch(digits, rows=range(1000, 1000 + len(digits)))])
    return validator


def test_copies_are_refused_also_mirrored_and_changed_a_little(memory, digits, unseen_digits, decoded, picture_batch):
    images = decoded(digits.slice(0, 100))
    assert not memory.check(picture_batch(digits)).keep.any()
    assert not memory.check(picture_batch([image[:, ::-1].copy() for image in images])).keep.any()
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8) for image in images]
    assert memory.check(picture_batch(noisy)).keep.mean() < 0.05
    fresh = memory.check(picture_batch(unseen_digits.slice(0, 150)))
    assert fresh.keep.mean() > 0.93
    assert memory.check(picture_batch(unseen_digits.slice(150))).details == {"close to a real image": 30}


def test_a_row_is_not_compared_with_its_own_parent(memory, digits, picture_batch) -> None:
    some = digits.slice(0, 60)
    own = memory.check(picture_batch(some, rows=range(1000, 1060)))
    others = memory.check(picture_batch(some, rows=range(1001, 1061)))
    assert own.keep.mean() > 0.9
    assert not others.keep.any()


def test_what_is_learnt_does_not_depend_on_the_order_of_rows(plan_of, digits, picture_batch, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).permutation(len(digits))
    cuts = {"one": [np.arange(len(digits))], "two": [rows[:150], rows[150:]]}
    for name, parts in cuts.items():
        (tmp_path / name).mkdir()
        validator = Memorised(MemorisedParams(steps=3, fit_rows=200), plan_of(digits, "label"))
        validator.fit(picture_batch(digits.take(part), rows=part.tolist()) for part in parts)
        validator.save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_nearest_is_what_comparing_all_says() -> None:
    rng = np.random.default_rng(0)
    held, asked = (rng.normal(size=(count, 8)).astype(np.float32) for count in (9000, 300))
    held, asked = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (held, asked))
    numbers, own = rng.integers(0, 50, 9000), rng.integers(0, 50, 300)
    all_pairs = np.linalg.norm(asked[:, None] - held, axis=2)
    np.testing.assert_allclose(nearest_distances(asked, held), all_pairs.min(axis=1), atol=1e-3)
    all_pairs[own[:, None] == numbers] = 2
    np.testing.assert_allclose(nearest_distances(asked, held, (numbers, own)), all_pairs.min(axis=1), atol=1e-3)
