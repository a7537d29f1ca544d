"""The spec refuses what it does not know, and says where and what was meant."""

import pytest

from schemas.errors import SpecError, nearest
from schemas.spec import Spec, parse

GOOD = {"name": "x", "source": {"path": "a.csv", "label": "y"}, "output": {"path": "out"}}


def refused(changes):
    with pytest.raises(SpecError) as caught:
        parse(Spec, GOOD | changes)
    return str(caught.value)


def test_the_least_spec_has_sound_defaults():
    spec = parse(Spec, GOOD)
    assert (spec.balance.target, spec.by, spec.output.splits, spec.seed) == ("largest", ["y"], {"train": 1.0}, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generatr": {}}, "generatr: unknown key 'generatr'; did you mean 'generator'?"),
        ({"generator": {"nmae": "x"}}, "generator.nmae: unknown key 'nmae'; did you mean 'name'?"),
        ({"generator": {"zzz": 1}}, "known are actors, chunk_rows, cpus, deadline_seconds, fit_rows"),
        ({"source": {"label": "a"}}, "source: the key 'path' is missing"),
        ({"balance": {"target": 5, "at_least": 3}}, "balance: at_least stands in target's place; give one of them"),
        ({"balance": {"target": -1}}, "must be largest, smallest, a whole number of rows or {class: number}; got -1"),
        ({"balance": {"target": {"a": -2}}}, "each class must have a whole number of rows, 0 or more; got {'a': -2}"),
        ({"balance": {"target": True}}, "got True"),
        ({"balance": {"by": []}}, "balance.by"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, got -1"),
        ({"name": "../x"}, "name: "),
        ({"output": {"path": "x", "splits": {"train": 0.5}}}, "the shares must add up to 1, got 0.5"),
        ({"output": {"path": "x", "splits": {"a/b": 1.0}}}, "got 'a/b'"),
        ({"validate": [{"a": 1, "b": 2}]}, "validate[0]"),
        ({"budget": {"attempts_per_row": 0.5}}, "budget.attempts_per_row"),
    ],
)
def test_faults_say_where_and_what(changes, message):
    assert message in refused(changes)


def test_all_faults_are_told_at_once():
    assert len(refused({"nam": 1, "seed": -1}).splitlines()) == 2


def test_validators_are_names_or_names_with_parameters():
    spec = parse(Spec, GOOD | {"validate": ["schema", {"label_agreement": {"min_probability": 0.5}}, {"x": None}]})
    assert [(v.name, v.params) for v in spec.validators] == [
        ("schema", {}),
        ("label_agreement", {"min_probability": 0.5}),
        ("x", {}),
    ]


def test_yaml_keys_of_any_type_name_classes():
    target = parse(Spec, GOOD | {"balance": {"target": {2: 5, True: 6, "a": 7}}}).balance.target
    assert target == {"2": 5, "true": 6, "a": 7}


def test_an_error_crosses_processes_whole():
    import pickle

    with pytest.raises(SpecError) as caught:
        parse(Spec, GOOD | {"seed": -1})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_nearest_knows_case():
    assert nearest("CTGAN", ["ctgan", "tvae"]) == "; did you mean 'ctgan'?"
