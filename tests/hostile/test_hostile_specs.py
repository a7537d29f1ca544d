"""Specs of any shape: mappings that are almost right, and files of any bytes."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.spec_file import add_location, load_spec
from schemas.errors import MakeweightError
from tests.hostile.promise import hostile, kept, mutated, refused_plainly

GOOD = {
    "name": "s",
    "seed": 1,
    "source": {"path": "d.csv", "label": "y", "types": {"x": "integer"}, "nulls": ["?"]},
    "balance": {"target": {"a": 5, "b": 6}, "by": ["y"]},
    "generator": {"name": "resample", "params": {}, "actors": 1, "gpus": 0, "chunk_rows": 4},
    "validate": ["schema", "duplicates", {"label_agreement": {"min_probability": 0.5}}],
    "budget": {"attempts_per_row": 2.5},
    "output": {"path": "out", "shard_rows": 10, "splits": {"train": 0.5, "test": 0.5}},
}
TEXT = yaml.safe_dump(GOOD, allow_unicode=True).encode()
_PLACES = [
    "none.csv",
    "a\0b",
    "~\0",
    "s3://",
    "foo://x",
    "fsspec+foo://x",
    "file://x",
    "a\nb",
    "x" * 300,
    "../d.csv",
    "é",
]
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/~."), max_size=12) | st.sampled_from(_PLACES)
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(0, 12).map(lambda power: 10**power),
        st.floats(),
        st.dates(),
        st.binary(max_size=4),
        _WORDS,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value within nested data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(way for key, value in inner for way in places(value, (*path, key)))]


@st.composite
def nearly_good(draw: st.DrawFn) -> Any:
    """Return the good spec with a few of its values replaced, and a few keys added."""
    data: Any = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(data)[1:]))
        inner = data
        for key in way:
            inner = inner[key]
        if isinstance(inner, dict) and draw(st.integers(0, 3)) == 0:
            inner[draw(_WORDS)] = draw(_VALUES)
        else:
            inner[last] = draw(_VALUES)
        if len(places(data)) < 2:
            break
    return data


def read(text: bytes, overrides: list[str] = []) -> None:  # noqa: B006
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "d.csv").write_text("x,y\n1,a\n2,b\n3,a\n")
        path = Path(folder) / "spec.yaml"
        path.write_bytes(text)
        try:
            spec, lines = load_spec(str(path), overrides)
        except MakeweightError as error:
            refused_plainly(error)
            return
        assert spec.model_validate_json(spec.model_dump_json(by_alias=True))
        with add_location(str(path), lines):
            kept(spec)


@hostile
@given(data=nearly_good())
def test_specs_that_are_almost_right(data: Any) -> None:
    read(yaml.safe_dump(data, allow_unicode=True).encode())


@hostile
@given(data=_VALUES)
def test_specs_of_any_shape(data: Any) -> None:
    read(yaml.safe_dump(data, allow_unicode=True).encode())


@hostile
@given(
    text=mutated([TEXT, b"a: &a [b]\nc: *a\n", b"%YAML 1.1\n---\n? [a]\n: !!set {b}\n...\n"]) | st.binary(max_size=60)
)
def test_spec_files_of_any_bytes(text: bytes) -> None:
    read(text)


@hostile
@given(
    key=st.sampled_from(["seed", "balance.target", "generator.params.x", "validate", "source.path"]) | _WORDS,
    value=st.text(st.characters(codec="utf-8", exclude_characters="/~"), max_size=12).filter(
        lambda text: "." not in text
    ),
)
def test_overrides(key: str, value: str) -> None:
    read(TEXT, [f"{key}={value}"])
