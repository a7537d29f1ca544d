"""Images that do not look like their class are refused."""

from pathlib import Path

import pytest

from pipelines.validate.image.label_agreement import LabelAgreement, LabelAgreementParams
from pipelines.validate.image.memorised import Memorised, MemorisedParams
from tests.pipelines.validate.image.test_learning import STEPS


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
