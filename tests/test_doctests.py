"""Tests of the examples in docstrings: each prints what it says."""

import doctest
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("generators", "pipelines", "schemas")


def modules():
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if ">>>" in file.read_text(encoding="utf-8"):
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules()))
def test_examples_print_what_they_say(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in PACKAGES or find_spec(str(error.name).partition(".")[0]) is not None:
            raise
        pytest.skip(f"needs {error.name}")
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried, "the module has examples, and none was run"
    assert not failed


def test_what_extensions_are_written_with_has_examples():
    assert {"generators.base", "pipelines.validate.base", "pipelines.validate.checks"} <= set(modules())
