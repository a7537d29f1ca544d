import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.validate.duplicates import Duplicates, DuplicatesParams, contains

_WORDS = st.lists(st.integers(0, 30) | st.integers(0, 2**64 - 1))


@given(_WORDS, _WORDS)
def test_contains(held: list[int], wanted: list[int]) -> None:
    found = contains(np.array(sorted(held), np.uint64), np.array(wanted, np.uint64))
    assert found.tolist() == [word in held for word in wanted]


def test_copies_of_real_rows_are_refused_whatever_their_id(adult, plan_of, batch_of) -> None:
    validator = Duplicates(DuplicatesParams(), plan_of(adult, "income"))
    validator.fit([batch_of(adult.slice(0, 1000)), batch_of(adult.slice(1000))])
    copies = adult.slice(500, 20).set_column(0, "id", pa.array(np.arange(20) + 10**6))
    verdict = validator.check(batch_of(copies))
    assert not verdict.keep.any()
    assert verdict.details == {"copy of a real row": 20}
    others = copies.set_column(1, "age", pa.array([200] * 20))
    assert validator.check(batch_of(others)).keep.all()


def test_switched_off(adult, plan_of, batch_of) -> None:
    validator = Duplicates(DuplicatesParams(against_real=False, among_synthetic=False), plan_of(adult, "income"))
    validator.fit([batch_of(adult)])
    batch = batch_of(adult)
    assert validator.check(batch).keep.all()
    novelty = validator.novelty()
    assert novelty.admit(validator.sketch(batch)).all()
    assert novelty.admit(validator.sketch(batch)).all()
