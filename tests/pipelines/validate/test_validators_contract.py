"""What every validator promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.registry import make_validators
from pipelines.validate import DEFAULTS, VALIDATORS
from pipelines.validate.base import Batch, Sketching, Validator
from schemas.errors import SpecError
from schemas.plan import Plan, Step

BatchOf = Callable[[pa.Table], Batch]


@pytest.fixture(params=sorted(VALIDATORS))
def step(request: pytest.FixtureRequest) -> Step:
    params: dict[str, Any] = {"schema": {"constraints": ["age >= 18"]}}
    return Step(name=request.param, params=params.get(request.param, {}))


@pytest.fixture
def plan(adult: pa.Table, plan_of: Callable[..., Plan], step: Step) -> Plan:
    return plan_of(adult, "income", [step])


def _fitted(plan: Plan, batches: list[Batch]) -> Validator:
    [validator] = make_validators(plan)
    validator.fit(iter(batches))
    return validator


def _cut(table: pa.Table, rows: int, batch_of: BatchOf) -> list[Batch]:
    return [batch_of(table.slice(start, rows)) for start in range(0, len(table), rows)]


def test_defaults_are_known() -> None:
    assert all(name in VALIDATORS for names in DEFAULTS.values() for name in names)


def test_verdict_has_the_batch_s_shape_and_details_that_add_up(plan, adult, unseen, batch_of: BatchOf) -> None:
    verdict = _fitted(plan, [batch_of(adult)]).check(batch_of(unseen))
    assert verdict.keep.dtype == np.bool_
    assert verdict.keep.shape == (len(unseen),)
    assert verdict.keep.any()
    assert sum(verdict.details.values()) == (~verdict.keep).sum()
    assert all(count > 0 for count in verdict.details.values())


def test_saved_and_loaded_gives_the_same_verdicts(plan, adult, unseen, batch_of: BatchOf, tmp_path: Path) -> None:
    fitted = _fitted(plan, [batch_of(adult)])
    fitted.save(tmp_path)
    [loaded] = make_validators(plan)
    loaded.load(tmp_path)
    before, after = fitted.check(batch_of(unseen)), loaded.check(batch_of(unseen))
    np.testing.assert_array_equal(before.keep, after.keep)
    assert before.details == after.details
    if isinstance(fitted, Sketching):
        assert isinstance(loaded, Sketching)
        np.testing.assert_array_equal(fitted.sketch(batch_of(unseen)), loaded.sketch(batch_of(unseen)))


def test_fitted_twice_saves_the_same_bytes(plan, adult, batch_of: BatchOf, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _fitted(plan, [batch_of(adult)]).save(tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_verdicts_do_not_depend_on_batches(plan, adult, unseen, batch_of: BatchOf) -> None:
    whole = _fitted(plan, [batch_of(adult)]).check(batch_of(unseen)).keep
    shuffled = adult.take(np.random.default_rng(2).permutation(len(adult)))
    validator = _fitted(plan, _cut(shuffled, 700, batch_of))
    parts = [validator.check(batch).keep for batch in _cut(unseen, 33, batch_of)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_real_and_candidate_rows_are_left_alone(plan, adult, unseen, batch_of: BatchOf) -> None:
    batch = batch_of(unseen)
    fingerprints = batch.fingerprints.copy()
    validator = _fitted(plan, [batch])
    validator.check(batch)
    if isinstance(validator, Sketching):
        validator.novelty().admit(validator.sketch(batch))
    np.testing.assert_array_equal(batch.fingerprints, fingerprints)


def test_no_rows(plan, adult, batch_of: BatchOf) -> None:
    validator = _fitted(plan, [batch_of(adult.slice(0, 0)), batch_of(adult)])
    empty = batch_of(adult.slice(0, 0))
    assert validator.check(empty).keep.shape == (0,)
    if isinstance(validator, Sketching):
        assert validator.novelty().admit(validator.sketch(empty)).shape == (0,)


def test_sketches_are_of_fixed_width_and_a_novelty_sees_nothing_else(plan, adult, unseen, batch_of: BatchOf) -> None:
    validator = _fitted(plan, [batch_of(adult)])
    if not isinstance(validator, Sketching):
        pytest.skip("does not compare candidates")
    [unfitted] = make_validators(plan)
    assert isinstance(unfitted, Sketching)
    novelty = unfitted.novelty()
    sketches = validator.sketch(batch_of(unseen))
    assert sketches.dtype == np.uint64
    assert len(sketches) == len(unseen)
    assert novelty.admit(sketches[:0]).shape == (0,)
    assert novelty.admit(sketches).any()
    assert not novelty.admit(sketches).any()


def test_unknown_parameter_is_refused(plan: Plan, step: Step) -> None:
    wrong = plan.model_copy(update={"validators": [Step(name=step.name, params={"min_probabilty": 1})]})
    with pytest.raises(SpecError, match=rf"validate\[0\]\.{step.name}\.min_probabilty: unknown key"):
        make_validators(wrong)
