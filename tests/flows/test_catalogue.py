"""What a spec may choose from is told from the code alone, completely, and without a heavy library."""

import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from typer.testing import CliRunner

from flows.catalogue import generator_entries, type_name, validator_entries
from flows.cli import app
from generators import GENERATORS
from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class, validator_class


def told(*arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, list(arguments))
    assert answer.exit_code == code, answer.output
    return answer.output


def test_all_generators_are_listed_below_their_modality_with_the_default_marked() -> None:
    blocks = {block.split("\n")[0]: block.split("\n")[1:] for block in told("generators").strip().split("\n\n")}
    for modality, lines in blocks.items():
        names = [line.split()[0] for line in lines]
        assert set(names) == {n for n in GENERATORS if modality in generator_class(n).capabilities.modalities}
        assert [line.split()[0] for line in lines if line.endswith("(default)")] == [MODALITIES[modality].generator]
    assert list(blocks) == list(MODALITIES)


def test_all_validators_are_listed_below_their_modality() -> None:
    blocks = {block.split("\n")[0]: block.split("\n")[1:] for block in told("validators").strip().split("\n\n")}
    assert {kind: [line.split()[0] for line in lines] for kind, lines in blocks.items()} == {
        one.name: list(one.validators) for one in MODALITIES.values()
    }


def test_a_generator_is_told_with_parameters_defaults_limits_needs_and_licence() -> None:
    lines = told("generators", "gaussian_copula").split("\n")
    assert lines[0] == "gaussian_copula"
    assert "needs      2 real rows of each class" in lines
    assert "licence    BUSL-1.1 (sdv, ctgan, copulas, rdt): not an open-source one; read its terms" in lines
    assert "                        int, >= 2, default 100" in lines
    assert (
        "                        norm or beta or truncnorm or gamma or uniform or gaussian_kde, default 'truncnorm'"
        in lines
    )


def test_what_a_generator_does_not_run_without_is_told() -> None:
    text = told("generators", "vllm")
    assert "needs      the package vllm, a GPU, 1 real row of each class" in text
    assert "text, required" in text
    assert "no GPU, but it gains from one" in told("generators", "causal_lm")
    assert "licence" not in text


def test_a_validator_of_several_modalities_is_told_for_each() -> None:
    text = told("validators", "near_duplicates")
    assert [line.split()[1] for line in text.split("\n") if line.startswith("rows ")] == ["tabular", "text", "image"]
    assert all(name in text for name in ("tolerance", "num_perm", "max_distance"))


def test_everything_has_a_summary_and_every_parameter_a_description() -> None:
    for entry in [*generator_entries(), *validator_entries()]:
        assert 10 < len(entry.summary) <= 130, entry.name
        assert entry.summary.endswith((".", ")")), entry.name
        for parameter in entry.parameters:
            assert parameter.description, f"{entry.name}.{parameter.name}"
            assert "<" not in parameter.type, f"{entry.name}.{parameter.name}: {parameter.type}"


def test_machines_get_every_parameter_and_its_default() -> None:
    for entry in json.loads(told("generators", "--json")):
        fields = generator_class(entry["name"]).Params.model_fields
        assert [one["name"] for one in entry["parameters"]] == list(fields)
        assert {one["name"]: one["required"] for one in entry["parameters"]} == {
            name: field.is_required() for name, field in fields.items()
        }
    [smote] = json.loads(told("generators", "smote", "--json"))
    assert smote["parameters"][0] == {
        "name": "k_neighbors",
        "type": "int",
        "limits": ">= 1",
        "required": False,
        "default": 5,
        "description": "Nearest neighbours a row is mixed with; fewer in smaller classes.",
    }
    [pii] = json.loads(told("validators", "pii", "--json"))
    assert [one["name"] for one in pii["parameters"]] == list(validator_class("pii", "text").Params.model_fields)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("generators", "smotte"), "unknown generator 'smotte'; did you mean 'smote'?"),
        (("validators", "near_duplicate"), "unknown validator 'near_duplicate'; did you mean 'near_duplicates'?"),
        (("generators", "nowhere:Class"), "No module named 'nowhere'"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(arguments, said) -> None:
    assert said in json.loads(told(*arguments, "--json", code=2))["error"]
    assert "Traceback" not in told(*arguments, code=2)


def test_a_class_of_one_s_own_is_told_too() -> None:
    assert "makes 64 to 8,192 rows at once" in told("generators", "tests.benchmarks.cheap:Cheap")
    assert told("validators", "tests.pipelines.validate.broken:Sound").startswith(
        "tests.pipelines.validate.broken:Sound"
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (int | None, "int or null"),
        (Literal["a", "b"], "a or b"),
        (dict[str, tuple[float, ...]], "mapping of list of float"),
        (list[Annotated[str, "mark"]], "list of text"),
        (bool | int | str, "bool or int or text"),
        (Any, "anything"),
    ],
)
def test_types_are_said_in_words(kind, said) -> None:
    assert type_name(kind) == said


@pytest.mark.parametrize("command", ["generators", "validators"])
def test_listing_imports_no_heavy_library(command) -> None:
    code = (
        "import sys\nfrom flows.cli import app\n"
        f"try: app([{command!r}])\nexcept SystemExit as end: assert not end.code\n"
        "heavy = ('torch', 'ray', 'prefect', 'sdv', 'sklearn', 'pandas', 'transformers', 'cv2', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
