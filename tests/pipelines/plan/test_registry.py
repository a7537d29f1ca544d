"""Generators and validators by name: registered ones, a user's own, and what is told where there is none."""

import pytest

from generators import GENERATORS
from pipelines.plan.registry import generator_class, generators_for, make_generator, make_validators, validator_class
from pipelines.validate.checks.examples import EXAMPLES, plan_of_table
from schemas.errors import SpecError
from schemas.plan import Step
from tests.benchmarks.cheap import Cheap


def test_every_registered_generator_is_there_and_listed_by_what_it_makes():
    made = {modality: generators_for(modality) for modality in ("tabular", "text", "image")}
    assert set().union(*made.values()) == set(GENERATORS)
    assert all("resample" in names for names in made.values())
    assert "smote" in made["tabular"]
    assert "smote" not in made["text"]


def test_a_users_own_class_is_loaded_by_module_and_name():
    assert generator_class("tests.benchmarks.cheap:Cheap") is Cheap
    assert isinstance(make_generator(Step(name="tests.benchmarks.cheap:Cheap", params={})), Cheap)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smot", "generator.name: unknown generator 'smot'; did you mean 'smote'?"),
        ("tests.benchmarks.cheap:Dear", "cannot load 'tests.benchmarks.cheap:Dear': .*; give it as module:Class"),
        ("nowhere.at_all:Cheap", "cannot load 'nowhere.at_all:Cheap': No module named 'nowhere'"),
        (
            "collections:Counter",
            "'collections:Counter' does not say what it can do; write into the class: capabilities =",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_told(name, told):
    with pytest.raises(SpecError, match=told):
        generator_class(name)


def test_a_validator_is_looked_for_among_those_of_its_modality():
    assert validator_class("label_agreement", "text") is not validator_class("label_agreement", "tabular")
    with pytest.raises(SpecError, match=r"validate\[2\]: unknown tabular validator 'schem'; did you mean 'schema'"):
        validator_class("schem", "tabular", ("validate", 2))


def test_a_wrong_parameter_is_told_with_its_place():
    with pytest.raises(SpecError, match=r"generator.params.k_neighbour: .*did you mean 'k_neighbors'"):
        make_generator(Step(name="smote", params={"k_neighbour": 3}))


BROKEN = {
    "x = = 1\n": "importing broken_{0} raises SyntaxError: .*; mend the module",
    "raise ValueError('boom')\n": "importing broken_{0} raises ValueError: boom; mend the module",
    "from json import nothing\n": "importing broken_{0} raises ImportError: .*; mend the module",
    "import nothere_lib\n": "No module named 'nothere_lib'; install it",
    "class Own:\n    pass\n": "'broken_{0}:Own' has no class Params; write one into it, derived from .*base.Params",
    "from generators.base import Params\nclass Own:\n    Params = Params\n    def __init__(self, params): pass\n": (
        "'broken_{0}:Own' cannot be made as a validator is: .*; see pipelines/validate/base.py"
    ),
}


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_class_of_ones_own_that_is_none_is_told_in_one_sentence(tmp_path, monkeypatch, number):
    code, told = list(BROKEN.items())[number]
    (tmp_path / f"broken_{number}.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    examples = EXAMPLES["tabular"]()
    plan = plan_of_table(examples.real.slice(0, 50), examples.label)
    plan = plan.model_copy(update={"validators": [Step(name=f"broken_{number}:Own", params={})]})
    with pytest.raises(SpecError, match=f"^validate\\[0\\]: .*{told.format(number)}") as refused:
        make_validators(plan)
    assert "\n" not in str(refused.value)
