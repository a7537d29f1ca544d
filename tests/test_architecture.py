"""The house rules that a reader relies on: imports run one way, engines stay in their rooms, `plan` stays light."""

import ast
import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ORDER = ["flows", "pipelines", "generators", "schemas"]
ENGINES = {
    "prefect": ["flows"],
    "ray": ["pipelines/engine/actors.py", "pipelines/engine/kinds.py", "pipelines/engine/pool.py"],
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


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_stay_in_their_rooms(engine):
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not any(name.startswith(room) for room in ENGINES[engine]):
                assert engine not in set(imported(path)), name


def test_schemas_know_pydantic_and_pyarrow_only():
    allowed = {"schemas", "pydantic", "pyarrow", *sys.stdlib_module_names}
    for path in (ROOT / "schemas").rglob("*.py"):
        assert set(imported(path)) <= allowed, path


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
