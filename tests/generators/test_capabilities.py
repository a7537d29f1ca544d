"""What a generator says it can do: faults are one sentence, and licences those of the libraries."""

from importlib.metadata import metadata

import pytest

from generators import GENERATORS
from generators.base import Capabilities, lasting
from pipelines.plan.registry import generator_class
from schemas.errors import SpecError

SDV = ("gaussian_copula", "ctgan", "copulagan", "tvae")


def test_defaults_are_those_of_a_plain_model() -> None:
    able = Capabilities(modalities=("tabular",))
    assert (able.origin, able.min_chunk_rows, able.max_chunk_rows, able.min_class_rows) == ("synthetic", 64, 4096, 1)
    assert not any((able.uses_gpu, able.needs_gpu, able.packages, able.licence, able.skips, able.needs_one_size))
    assert not any((able.makes_objects, able.smooths_private, able.differentially_private))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"modalities": "tabular"}, r"modalities must be a tuple of names, got 'tabular'; write \(\"tabular\",\)"),
        ({"modalities": ()}, "modalities is empty; name at least one"),
        ({"packages": "vllm"}, "packages must be a tuple of names, got 'vllm'"),
        ({"origin": "made"}, "origin must be 'synthetic' or 'augmented', got 'made'"),
        ({"min_chunk_rows": 0}, "min_chunk_rows must be at least 1 and at most max_chunk_rows, got 0 and 4096"),
        ({"max_chunk_rows": 8}, "at most max_chunk_rows, got 64 and 8"),
        ({"min_class_rows": 0}, "min_class_rows must be at least 1, got 0"),
    ],
)
def test_what_no_generator_can_be_is_refused_in_one_sentence(given, said) -> None:
    with pytest.raises(SpecError, match=said) as raised:
        Capabilities(**{"modalities": ("tabular",), **given})
    assert str(raised.value).startswith("generator.name: the capabilities of a generator: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", SDV)
def test_the_licence_of_what_is_not_free_is_said_and_is_that_of_the_installed_libraries(name) -> None:
    licence, _, libraries = generator_class(name).capabilities.licence.partition(" ")
    assert [metadata(library)["License-Expression"] for library in libraries.strip("()").split(", ")] == [licence] * 4


def test_a_class_without_capabilities_is_told_what_to_write(tmp_path, monkeypatch) -> None:
    old = "class Old:\n    modalities = ('tabular',)\n    origin = 'synthetic'\n    min_chunk_rows = 64\n"
    (tmp_path / "loose_flags.py").write_text(old)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError) as raised:
        generator_class("loose_flags:Old")
    assert str(raised.value) == (
        "generator.name: 'loose_flags:Old' does not say what it can do; write into the class: capabilities ="
        ' Capabilities(modalities=("tabular",)), with Capabilities from generators.base and the modalities that it'
        " makes"
    )


def test_how_long_a_generator_learns_is_said_by_the_parameter_itself():
    found = {name: lasting(generator_class(name).Params) for name in GENERATORS}
    learning = {name: keys for name, keys in found.items() if keys}
    assert learning.keys() == {
        "autoregressive", "dp_autoregressive", "ctgan", "tvae", "copulagan", "causal_lm", "diffusion", "gan", "vae",
    }  # fmt: skip
    assert {key for keys in learning.values() for key in keys} == {"epochs", "steps"}
    assert "steps" in generator_class("pretrained").Params.model_fields, "of denoising, which is no learning"
