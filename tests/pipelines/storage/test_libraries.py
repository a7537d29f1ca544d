"""Every library that may decide a row is part of what a build is; of every other one it is said why it does not."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from generators import GENERATORS
from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class, validator_class
from pipelines.storage.libraries import BENEATH, DECIDING, OTHERS, library_versions
from schemas.access import mark_of
from tests.conftest import ROOT

ROOMS = ("generators", "pipelines", "schemas")


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported():
    """Return the distributions that the rooms import, at the top of a module or within a function."""
    known, found = packages_distributions(), set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
                packages = {name.split(".")[0] for name in names} - {*sys.stdlib_module_names, *ROOMS}
                found |= {plain(name) for package in packages for name in known.get(package, [package])}
    return found


def test_every_library_that_is_imported_decides_rows_or_has_a_reason_why_not():
    deciding, others = set(map(plain, DECIDING)), set(map(plain, OTHERS))
    assert not deciding & others
    assert imported() - deciding - others == set(), "put it into DECIDING, or OTHERS"
    assert deciding - imported() == set(map(plain, BENEATH)), "nothing imports it any more"
    assert others - imported() == set()
    assert all(OTHERS.values())


def test_the_versions_of_those_that_decide_are_told():
    found = library_versions()
    for name in (
        "opacus",
        "lingua-language-detector",
        "phonenumbers",
        "python-stdnum",
        "regex",
        "datasketch",
        "fonttools",
    ):
        assert found[name]


def test_every_parameter_that_names_a_file_or_a_model_is_hashed():
    named = {}
    classes = [generator_class(name) for name in GENERATORS]
    classes += [validator_class(name, one.name) for one in MODALITIES.values() for name in one.validators]
    for cls in classes:
        for name, field in cls.Params.model_fields.items():
            if re.search(r"\b(file|folder|hub id)\b", field.description or "", re.IGNORECASE):
                named[name] = mark_of(field)
    kinds = {name: mark and mark.kind for name, mark in named.items()}
    assert kinds.pop("cache") == "write", "it keeps answers: what is in it was given by the endpoint"
    assert set(kinds.values()) == {"read", "models"}
