"""What every validator promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.modality import MODALITIES
from pipelines.plan.registry import make_validators
from pipelines.validate.base import Batch, Sketching, Validator
from schemas.errors import SpecError
from schemas.plan import Plan, Step
from tests.traps import attack

BatchOf = Callable[[pa.Table], Batch]


PARAMS: dict[tuple[str, str], dict[str, Any]] = {
    ("tabular", "schema"): {"constraints": ["age >= 18"]},
    ("text", "pii"): {"kinds": ["email", "card"]},
    ("text", "inappropriate"): {"words": ["morning"]},
    ("image", "label_agreement"): {"steps": 8},
    ("image", "memorised"): {"steps": 8},
}
LABELS = {"tabular": "income", "text": "label", "image": "label"}


@pytest.fixture(params=[(one.name, name) for one in MODALITIES.values() for name in one.validators], ids="-".join)
def chosen(request: pytest.FixtureRequest) -> tuple[str, str]:
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture
def step(chosen: tuple[str, str]) -> Step:
    return Step(name=chosen[1], params=PARAMS.get(chosen, {}))


@pytest.fixture
def real(chosen: tuple[str, str], adult, sms, digits, marked_digits) -> pa.Table:
    images = marked_digits if chosen[1] == "boxes" else digits
    tables: dict[str, pa.Table] = {"tabular": adult, "text": sms, "image": images}
    return tables[chosen[0]]


@pytest.fixture
def fresh(chosen: tuple[str, str], unseen, unseen_sms, unseen_digits, unseen_marked) -> pa.Table:
    images = unseen_marked if chosen[1] == "boxes" else unseen_digits
    tables: dict[str, pa.Table] = {"tabular": unseen, "text": unseen_sms, "image": images}
    return tables[chosen[0]]


@pytest.fixture
def plan(chosen: tuple[str, str], real: pa.Table, plan_of: Callable[..., Plan], step: Step) -> Plan:
    label = "boxes" if chosen[1] == "boxes" else LABELS[chosen[0]]
    return plan_of(real, label, [step], "text" if chosen[0] == "text" else None)


def _fitted(plan: Plan, batches: list[Batch]) -> Validator:
    [validator] = make_validators(plan)
    validator.fit(iter(batches))
    return validator


def _cut(table: pa.Table, rows: int, batch_of: BatchOf) -> list[Batch]:
    return [batch_of(table.slice(start, rows)) for start in range(0, len(table), rows)]


def test_defaults_are_known() -> None:
    for one in MODALITIES.values():
        assert {*one.checks, *one.marked_checks} <= set(one.validators)


def test_verdict_has_the_batch_s_shape_and_details_that_add_up(plan, real, fresh, batch_of: BatchOf) -> None:
    verdict = _fitted(plan, [batch_of(real)]).check(batch_of(fresh))
    assert verdict.keep.dtype == np.bool_
    assert verdict.keep.shape == (len(fresh),)
    assert verdict.keep.any()
    assert sum(verdict.details.values()) == (~verdict.keep).sum()
    assert all(count > 0 for count in verdict.details.values())


def test_saved_and_loaded_gives_the_same_verdicts(plan, real, fresh, batch_of: BatchOf, tmp_path: Path) -> None:
    fitted = _fitted(plan, [batch_of(real)])
    fitted.save(tmp_path)
    [loaded] = make_validators(plan)
    loaded.load(tmp_path)
    before, after = fitted.check(batch_of(fresh)), loaded.check(batch_of(fresh))
    np.testing.assert_array_equal(before.keep, after.keep)
    assert before.details == after.details
    if isinstance(fitted, Sketching):
        assert isinstance(loaded, Sketching)
        np.testing.assert_array_equal(fitted.sketch(batch_of(fresh)), loaded.sketch(batch_of(fresh)))


def test_no_saved_file_can_run_code(plan, real, batch_of: BatchOf, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    _fitted(plan, [batch_of(real)]).save(tmp_path / "saved")

    def load(path: Path) -> None:
        [loaded] = make_validators(plan)
        loaded.load(path)

    assert not attack(tmp_path / "saved", load, tmp_path)


def test_fitted_twice_saves_the_same_bytes(plan, real, batch_of: BatchOf, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _fitted(plan, [batch_of(real)]).save(tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_verdicts_do_not_depend_on_batches(plan, real, fresh, batch_of: BatchOf) -> None:
    whole = _fitted(plan, [batch_of(real)]).check(batch_of(fresh)).keep
    shuffled = real.take(np.random.default_rng(2).permutation(len(real)))
    validator = _fitted(plan, _cut(shuffled, 700, batch_of))
    parts = [validator.check(batch).keep for batch in _cut(fresh, 33, batch_of)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_real_and_candidate_rows_are_left_alone(plan, real, fresh, batch_of: BatchOf) -> None:
    batch = batch_of(fresh)
    fingerprints = batch.fingerprints.copy()
    validator = _fitted(plan, [batch])
    validator.check(batch)
    if isinstance(validator, Sketching):
        validator.novelty().admit(validator.sketch(batch))
    np.testing.assert_array_equal(batch.fingerprints, fingerprints)


def test_no_rows(plan, real, batch_of: BatchOf) -> None:
    validator = _fitted(plan, [batch_of(real.slice(0, 0)), batch_of(real)])
    empty = batch_of(real.slice(0, 0))
    assert validator.check(empty).keep.shape == (0,)
    if isinstance(validator, Sketching):
        assert validator.novelty().admit(validator.sketch(empty)).shape == (0,)


def test_sketches_are_of_fixed_width_and_a_novelty_sees_nothing_else(plan, real, fresh, batch_of: BatchOf) -> None:
    validator = _fitted(plan, [batch_of(real)])
    if not isinstance(validator, Sketching):
        pytest.skip("does not compare candidates")
    [unfitted] = make_validators(plan)
    assert isinstance(unfitted, Sketching)
    novelty = unfitted.novelty()
    sketches = validator.sketch(batch_of(fresh))
    assert sketches.dtype == np.uint64
    assert len(sketches) == len(fresh)
    assert novelty.admit(sketches[:0]).shape == (0,)
    assert novelty.admit(sketches).any()
    assert not novelty.admit(sketches).any()


def test_unknown_parameter_is_refused(plan: Plan, step: Step) -> None:
    wrong = plan.model_copy(update={"validators": [Step(name=step.name, params={"min_probabilty": 1})]})
    with pytest.raises(SpecError, match=rf"validate\[0\]\.{step.name}\.min_probabilty: unknown key"):
        make_validators(wrong)
