"""The two validators that learn a classifier, and that classifier."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from generators.image.classifier import Classifier, fit_classifier
from pipelines.validate.image.label_agreement import LabelAgreement, LabelAgreementParams
from pipelines.validate.image.memorised import Memorised, MemorisedParams
from schemas.errors import SpecError

STEPS = 40


@pytest.fixture(scope="module")
def memory(plan_of, digits, picture_batch) -> Memorised:
    validator = Memorised(MemorisedParams(steps=STEPS), plan_of(digits, "label"))
    validator.fit([picture_batch(digits, rows=range(1000, 1000 + len(digits)))])
    return validator


@pytest.mark.parametrize("kind", [(LabelAgreement, LabelAgreementParams), (Memorised, MemorisedParams)])
def test_marked_images_are_no_classes(plan_of, marked_digits, kind) -> None:
    cls, params = kind
    with pytest.raises(SpecError, match=f"{cls.name} tells classes of whole images apart, but the source marks obj"):
        cls(params(), plan_of(marked_digits, "boxes"))


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
