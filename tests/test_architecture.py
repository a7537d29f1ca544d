"""The house rules that a reader relies on: imports run one way, engines stay in their rooms, `plan` stays light."""

import ast
import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from typing import get_args

import pytest

from flows.commands import console
from generators import GENERATORS
from infra import arrangement
from pipelines.judge.evaluate.remedies import REMEDIES
from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class
from pipelines.report.fidelity_figures import TITLES
from pipelines.source.files import EXTENSIONS
from schemas.evaluation import BUILD, MADE_ALONE, Remedy
from schemas.fidelity import FigureGroup
from schemas.spec import Modality, SourceFormat
from tests.conftest import ROOT

ORDER = ["flows", "pipelines", "generators", "schemas"]


ENGINES = {
    "prefect": ["flows"],
    "ray": ["pipelines/engine/actors.py", "pipelines/engine/machines.py", "pipelines/engine/pool.py"],
    "torch": ["generators"],
    "sdv": ["generators"],
    "albumentations": ["generators"],
    "typer": ["flows"],
    "rich": ["flows"],
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", ORDER)
def test_imports_run_one_way(package):
    against = ORDER[: ORDER.index(package)]
    for path in (ROOT / package).rglob("*.py"):
        assert not set(imported(path)) & {*against, "tests"}, path


@pytest.mark.parametrize("library", ENGINES)
def test_engines_stay_in_their_rooms(library):
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not any(name.startswith(room) for room in ENGINES[library]):
                assert library not in set(imported(path)), name


def test_schemas_know_pydantic_and_pyarrow_only():
    allowed = {"schemas", "pydantic", "pyarrow", *sys.stdlib_module_names}
    for path in (ROOT / "schemas").rglob("*.py"):
        assert set(imported(path)) <= allowed, path


def modules(*packages):
    """Return each module's path by its dotted name."""
    found = {}
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def edges(path, known):
    """Yield the known modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_nothing_is_imported_in_a_circle():
    known = modules(*ORDER)
    graph = {name: {one for one in edges(path, known) if one in known and one != name} for name, path in known.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


ROUTE = ["storage", "source", "validate", "plan", "fit", "fill", "engine", "dataset", "judge", "report"]
"""The rooms of `pipelines/`: each knows those before it."""


def test_the_rooms_of_the_route_know_those_before_them_alone():
    known = modules("pipelines")
    for name, path in known.items():
        if len(parts := name.split(".")) < 2 or parts[1] not in ROUTE:
            continue
        later = set(ROUTE[ROUTE.index(parts[1]) + 1 :])
        assert not {one for one in edges(path, known) if one in known and one.split(".")[1] in later}, name


def test_the_route_has_ten_rooms_at_most_and_one_loose_file():
    found = [path for path in (ROOT / "pipelines").iterdir() if path.name not in ("__pycache__", "README.md")]
    rooms = sorted(path.name for path in found if path.is_dir())
    assert rooms == sorted(ROUTE)
    assert sorted(path.name for path in found if path.is_file()) == ["__init__.py", "modality.py"]


def test_shared_code_names_no_modality():
    """What is for one modality alone lies in a folder or a module of its name; the registry names them all."""
    names = set(MODALITIES)
    known = modules(*ORDER)
    exempt = {
        "pipelines/modality.py",
        "pipelines/validate/checks/examples.py",  # made-up rows of each, to try a class on
        "flows/catalogue.py",  # a parameter that is a str is a `text`
        "flows/deployed/alert.py",  # the key of a webhook's message is `text`
    }
    for name, path in modules("pipelines", "flows").items():
        shown = path.relative_to(ROOT).as_posix()
        if names & set(name.split(".")) or shown in exempt:
            continue
        tree = ast.parse(path.read_text())
        literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names}
        own = {one for one in edges(path, known) if one in known and names & set(one.split(".")[1:])}
        assert not literals, f"{shown} names {literals}"
        assert not own, f"{shown} imports {own}"


def test_plan_imports_no_heavy_library(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{'x' if n % 5 else 'z'}\n" for n in range(200)))
    spec = {"name": "t", "source": {"path": "t.csv", "label": "y"}, "output": {"path": "out"}}
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    code = (
        "import sys\nfrom flows.cli import app\n"
        f"try: app(['plan', {str(tmp_path / 'spec.yaml')!r}])\nexcept SystemExit as end: assert not end.code\n"
        "print([m for m in ('torch', 'ray', 'prefect', 'sdv', 'sklearn') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_json_is_hashed_in_one_place():
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ORDER
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"sha256\(\s*json\.dumps", path.read_text())
    ]
    assert found == ["schemas/hashing.py"]


def test_names_that_are_written_twice_agree():
    formats = {name for one in MODALITIES.values() for name in one.formats}
    assert set(get_args(SourceFormat)) == formats
    assert {*EXTENSIONS.values(), "listed"} == formats, "a list of images is a table beside them"
    assert set(get_args(Modality)) == set(MODALITIES)
    assert set(get_args(Remedy)) == set(REMEDIES) - {BUILD, MADE_ALONE}
    assert set(TITLES) == set(get_args(FigureGroup.model_fields["kind"].annotation))
    shared = {name: value for name, value in console.QUIET.items() if name in arrangement.QUIET}
    assert shared == arrangement.QUIET


@pytest.mark.parametrize("name", GENERATORS)
def test_what_a_generator_says_of_others_is_there(name):
    able = generator_class(name).capabilities
    assert set(able.modalities) <= set(MODALITIES)
    assert able.skips <= {check for one in able.modalities for check in MODALITIES[one].validators}
    assert able.remedy is None or able.remedy in REMEDIES


PROVEN_ELSEWHERE = {
    "dataset/shards": "pipelines/dataset/test_compare.py",
    "fill/chunk": "flows/test_build.py",
    "judge/evaluate/trial": "pipelines/judge/evaluate/test_remedies.py",
    "judge/fidelity/pairs": "pipelines/judge/image/test_pairs.py",
    "judge/privacy/sides": "pipelines/judge/privacy/test_measure.py",
    "judge/tabular/learning": "pipelines/judge/evaluate/test_classifiers.py",
    "judge/text/evidence": "pipelines/judge/text/test_figures.py",
    "plan/tabular": "pipelines/plan/test_propose.py",
    "report/templating": "pipelines/report/test_card.py",
    "report/number_per_row": "pipelines/report/text/test_section.py",
    "report/privacy": "flows/test_privacy_step.py",
    "report/samples": "pipelines/report/test_report.py",
    "report/summary": "flows/test_build.py",
    "report/utility": "flows/test_evaluate.py",
    "source/content": "pipelines/plan/test_recognise.py",
    "source/formats": "pipelines/source/test_errors.py",
    "source/image/reading": "pipelines/source/image/test_pixels.py",
    "fit/held_out": "pipelines/plan/test_privacy.py",
    "judge/tabular/fidelity": "pipelines/judge/fidelity/test_detector.py",
    "plan/model_view": "pipelines/source/test_id_forms.py",
    "plan/parameters": "pipelines/plan/test_dependencies.py",
    "source/late_styles": "pipelines/source/tabular/test_number_styles.py",
    "source/split_words": "pipelines/source/test_splits.py",
    "source/table": "pipelines/source/tabular/test_parquet.py",
    "source/tabular/cleaner": "pipelines/source/tabular/test_dialect.py",
    "source/text/folders": "flows/test_text_build.py",
    "source/text/reading": "flows/test_text_build.py",
    "storage/over_http": "pipelines/storage/test_folder.py",
    "storage/filesystem": "faults/test_storage_faults.py",
    "validate/checks/examples": "pipelines/validate/test_validators_contract.py",
    "validate/checks/subject": "pipelines/validate/checks/test_promises.py",
}
"""Modules of the pipelines that tests of a larger thing prove; one that could have a test of its own is not added."""
FEW = 20
"""Lines of code, from which on a module has tests of its own."""


def code_lines(path):
    """Count the lines of a module that are neither blank, nor a comment, nor of a docstring."""
    text = path.read_text()
    told = [
        one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    ]
    words = {line for one in told for line in range(one.lineno, one.end_lineno + 1)}
    lines = [line.strip() for number, line in enumerate(text.splitlines(), start=1) if number not in words]
    return sum(bool(line) and not line.startswith("#") for line in lines)


def test_each_module_of_the_pipelines_has_the_tests_that_mirror_it():
    room, tests = ROOT / "pipelines", ROOT / "tests"
    large = {path for path in room.rglob("*.py") if path.name != "__init__.py" and code_lines(path) >= FEW}
    lacking = {
        path.relative_to(room).with_suffix("").as_posix()
        for path in large
        if not (tests / "pipelines" / path.relative_to(room).parent / f"test_{path.name}").exists()
    }
    assert lacking == set(PROVEN_ELSEWHERE)
    assert [name for name in PROVEN_ELSEWHERE.values() if not (tests / name).exists()] == []


ALONE = {
    "pipelines.judge.image.manifolds": "a theory of points, whatever they are of",
    "pipelines.plan.recognise": "the one decision before any plan",
    "pipelines.source.compressed": "packings that pyarrow does not know, as readers of bytes",
    "pipelines.source.late_styles": "holds numbers against a style long after the style was found",
    "pipelines.storage.over_http": "turns one library's errors into the system's",
}
"""Modules of few lines that one other imports, each with the reason why it is no part of that one."""
SMALL = 60


def test_no_module_of_few_lines_serves_one_neighbour_without_a_reason():
    known = modules(*ORDER)
    users = {name: set() for name in known}
    for name, path in known.items():
        for one in edges(path, known):
            if one in known and one != name:
                users[one].add(name)
    small = {
        name
        for name, path in modules("pipelines").items()
        if path.name != "__init__.py" and len(path.read_text().splitlines()) < SMALL and len(users[name]) == 1
    }
    assert small == set(ALONE)
