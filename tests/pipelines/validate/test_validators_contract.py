"""One contract, held by every registered validator: the promises that `pipelines.validate.checks` lists."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from generators.checks.promises import import_faults
from pipelines.modality import MODALITIES
from pipelines.plan.registry import make_validators, validator_class
from pipelines.validate.checks import CHECKS
from pipelines.validate.checks.examples import EXAMPLES, Examples
from pipelines.validate.checks.subject import Subject
from schemas.errors import SpecError
from schemas.plan import Step
from tests.traps import attack

PARAMS: dict[tuple[str, str], dict[str, Any]] = {
    ("tabular", "schema"): {"constraints": ["age >= 18"]},
    ("text", "pii"): {"kinds": ["email", "card"]},
    ("text", "inappropriate"): {"words": ["morning"]},
    ("image", "label_agreement"): {"steps": 8},
    ("image", "memorised"): {"steps": 8},
}
ONCE = ("importable", "no_code")
"""Checks whose promises are looked at below: in one process for all, and with what an attacked file's error says."""
NAMES = [(one.name, name) for one in MODALITIES.values() for name in one.validators]


@cache
def examples_of(kind: str) -> Examples:
    return EXAMPLES[kind]()


@cache
def subject_of(modality: str, name: str) -> Subject:
    examples = examples_of("marked image" if name == "boxes" else modality)
    return Subject(validator_class(name, modality), PARAMS.get((modality, name), {}), examples)


def test_defaults_are_known() -> None:
    for one in MODALITIES.values():
        assert {*one.checks, *one.marked_checks} <= set(one.validators)


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in ONCE])
@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_keeps_its_promises(modality: str, name: str, check: str) -> None:
    CHECKS[check].check(subject_of(modality, name), name)


def test_importing_all_validators_loads_no_heavy_library() -> None:
    assert not list(import_faults(*(validator_class(name, modality) for modality, name in NAMES)))


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_is_named_as_it_is_registered(modality: str, name: str) -> None:
    assert validator_class(name, modality).name == name


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_every_rejected_row_has_a_reason(modality: str, name: str) -> None:
    verdict = subject_of(modality, name).verdict
    assert sum(verdict.details.values()) == (~verdict.keep).sum()


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_every_saved_file_is_read_and_a_foreign_one_is_told_in_one_sentence(modality, name, tmp_path: Path) -> None:
    subject = subject_of(modality, name)
    assert not attack(subject.saved(tmp_path / "saved"), lambda path: subject.make().load(path), tmp_path)


@pytest.mark.parametrize(("modality", "name"), NAMES)
def test_an_unknown_parameter_is_told_with_where_it_stands(modality: str, name: str) -> None:
    plan = subject_of(modality, name).plan
    wrong = plan.model_copy(update={"validators": [Step(name=name, params={"min_probabilty": 1})]})
    with pytest.raises(SpecError, match=rf"validate\[0\]\.{name}\.min_probabilty: unknown key"):
        make_validators(wrong)
