"""The two validators that learn a classifier, and that classifier."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from generators.image.classifier import Classifier, fit_classifier
from pipelines.validate.image.label_agreement import LabelAgreement, LabelAgreementParams
from pipelines.validate.image.memorised import Memorised, MemorisedParams, nearest_distances
from schemas.errors import SpecError

STEPS = 40


@pytest.fixture(scope="module")
def agreement(plan_of, digits, picture_batch) -> LabelAgreement:
    validator = LabelAgreement(LabelAgreementParams(steps=STEPS), plan_of(digits, "label"))
    validator.fit([picture_batch(digits, rows=range(len(digits)))])
    return validator


@pytest.fixture(scope="module")
def memory(plan_of, digits, picture_batch) -> Memorised:
    validator = Memorised(MemorisedParams(steps=STEPS), plan_of(digits, "label"))
    validator.fit([picture_batch(digits, rows=range(1000, 1000 + len(digits)))])
    return validator


def test_unseen_digits_agree_with_their_classes_and_not_with_others(agreement, unseen_digits, picture_batch) -> None:
    assert agreement.check(picture_batch(unseen_digits)).keep.mean() > 0.93
    labels = [f"digit {(int(label[-1]) + 3) % 10}" for label in unseen_digits["label"].to_pylist()]
    wrong = unseen_digits.set_column(1, "label", [labels])
    verdict = agreement.check(picture_batch(wrong))
    assert verdict.keep.mean() < 0.1
    assert verdict.details == {"unlikely class": int((~verdict.keep).sum())}


def test_more_may_be_asked_for(agreement, plan_of, digits, unseen_digits, picture_batch, tmp_path: Path) -> None:
    agreement.save(tmp_path)
    strict = LabelAgreement(LabelAgreementParams(steps=STEPS, min_probability=0.9), plan_of(digits, "label"))
    strict.load(tmp_path)
    batch = picture_batch(unseen_digits)
    assert strict.check(batch).keep.mean() < agreement.check(batch).keep.mean()


def test_unknown_and_missing_classes_are_refused(agreement, digits, picture_batch) -> None:
    strange = digits.slice(0, 2).set_column(1, "label", [["digit 11", None]])
    assert agreement.check(picture_batch(strange)).details == {"not a class of the real rows": 2}


def test_one_class_alone_is_kept(plan_of, picture_batch, noise, tmp_path: Path) -> None:
    real = picture_batch(noise(12))
    validator = LabelAgreement(LabelAgreementParams(steps=2), plan_of(real.table, "label"))
    validator.fit([real])
    validator.save(tmp_path)
    validator.load(tmp_path)
    assert validator.check(picture_batch(noise(3, rough=True))).keep.all()
    memory = Memorised(MemorisedParams(steps=2), plan_of(real.table, "label"))
    memory.fit([real])
    assert memory.check(picture_batch([*noise(2), *noise(2, seed=9)])).keep.tolist() == [False, False, True, True]


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


@pytest.mark.parametrize("kind", [(LabelAgreement, LabelAgreementParams), (Memorised, MemorisedParams)])
def test_marked_images_are_no_classes(plan_of, marked_digits, kind) -> None:
    cls, params = kind
    with pytest.raises(SpecError, match=f"{cls.name} tells classes of whole images apart, but the source marks obj"):
        cls(params(), plan_of(marked_digits, "boxes"))


def test_nearest_is_what_comparing_all_says() -> None:
    rng = np.random.default_rng(0)
    held, asked = (rng.normal(size=(count, 8)).astype(np.float32) for count in (9000, 300))
    held, asked = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (held, asked))
    numbers, own = rng.integers(0, 50, 9000), rng.integers(0, 50, 300)
    all_pairs = np.linalg.norm(asked[:, None] - held, axis=2)
    np.testing.assert_allclose(nearest_distances(asked, held), all_pairs.min(axis=1), atol=1e-3)
    all_pairs[own[:, None] == numbers] = 2
    np.testing.assert_allclose(nearest_distances(asked, held, (numbers, own)), all_pairs.min(axis=1), atol=1e-3)


def test_a_classifier_is_saved_whole_and_says_the_same_in_any_batch(noise, tmp_path: Path) -> None:
    import torch

    pixels = np.stack(noise(150, 16))
    target = np.arange(150) % 3
    state = torch.get_rng_state()
    fitted = fit_classifier(pixels, target, steps=4)
    fitted.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    for ask in (Classifier.probabilities, Classifier.features):
        whole = ask(fitted, pixels)
        parts = [ask(loaded, pixels[start : start + 33]) for start in range(0, 150, 33)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert ask(loaded, pixels[:0]).shape == (0, whole.shape[1])


def test_a_rare_class_weighs_as_much_as_others() -> None:
    """Two classes that overlap: at the middle both are as likely, however many images each has."""
    rng = np.random.default_rng(0)
    counts = (900, 60)
    levels = np.concatenate([rng.normal(mean, 25, count) for mean, count in zip((100, 150), counts, strict=True)])
    pixels = np.clip(levels[:, None, None, None] + rng.normal(0, 3, (960, 16, 16, 1)), 0, 255).astype(np.uint8)
    net = fit_classifier(pixels, np.repeat([0, 1], counts), steps=40)
    middle = np.full((1, 16, 16, 1), 125, np.uint8)
    assert 0.25 < net.probabilities(middle)[0, 1] < 0.75


def test_photographs_of_ten_classes(plan_of, cifar, unseen_cifar, picture_batch, decoded) -> None:
    params = MemorisedParams(steps=15)
    memory = Memorised(params, plan_of(cifar, "label"))
    memory.fit([picture_batch(cifar)])
    assert memory.check(picture_batch(unseen_cifar)).keep.mean() > 0.95
    copies = [cv2.imdecode(cv2.imencode(".jpg", image, [1, 70])[1], 1) for image in decoded(cifar.slice(0, 200))]
    assert memory.check(picture_batch(copies)).keep.mean() < 0.1
