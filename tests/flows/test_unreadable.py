"""What this user may not read is named, and called neither missing nor changed; other builds are still listed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from schemas.spec import Spec, parse
from tests.conftest import ROOT
from tests.in_process import go_in_process
from tests.waiting import LIMIT

SETPRIV = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""As root without what lets it read and write whatever the rights say."""
SPEC = {"name": "t", "source": {"path": "t.csv", "label": "y"}, "generator": {"name": "resample", "chunk_rows": 8}}


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Two datasets below `out`; the rights of what is in them are given back in the end."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may read everything here")
    build = go_in_process(monkeypatch)
    rows = "".join(f"{n * 37 % 101},{n % 7}.5,{'ab'[n % 4 == 0]}\n" for n in range(40))
    (tmp_path / "t.csv").write_text(f"x,n,y\n{rows}")
    source = {"path": str(tmp_path / "t.csv"), "label": "y"}
    for name in ("good", "shut"):
        build(parse(Spec, SPEC | {"source": source, "validate": [], "output": {"path": str(tmp_path / "out" / name)}}))
    (tmp_path / "spec.json").write_text(json.dumps(SPEC | {"validate": [], "output": {"path": "out/shut"}, "seed": 1}))
    yield tmp_path / "out"
    for path in ("shut", "shut/data", "shut/.makeweight", *(str(one) for one in (tmp_path / "out").rglob("*"))):
        if (tmp_path / "out" / path).is_dir():
            (tmp_path / "out" / path).chmod(0o700)


def run(*words):
    command = [*(SETPRIV if os.geteuid() == 0 else []), sys.executable, "-m", "flows.cli", *map(str, words)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert "Traceback" not in answer.stderr
    return answer


@pytest.mark.parametrize("name", ["data", "manifest.json", ".makeweight"])
def test_it_is_listed_as_such_and_the_others_with_it(out, name):
    (out / "shut" / name).chmod(0o000)
    answer = run("ls", out, "--json")
    assert answer.returncode == 0, answer.stderr
    good, shut = json.loads(answer.stdout)
    assert (good["path"], good["state"]) == (str(out / "good"), "complete")
    assert (shut["path"], shut["state"]) == (str(out / "shut"), "unreadable")
    assert "may not be read (Permission denied); give this user that right" in shut["detail"]
    assert "missing" not in shut["detail"]
    (out / "pages").mkdir()
    answer = run("site", out, "--out", out / "pages", "--json")
    assert json.loads(answer.stdout)["states"] == {"complete": 1, "unreadable": 1}


@pytest.mark.parametrize("name", ["report.html", "README.md", "shard", "data"])
def test_verify_names_it(out, name):
    path = next((out / "shut" / "data").glob("*.parquet")) if name == "shard" else out / "shut" / name
    path.chmod(0o000)
    answer = run("verify", out / "shut", "--json")
    assert answer.returncode == 1, answer.stderr
    problems = json.loads(answer.stdout)["problems"]
    shown = path.relative_to(out / "shut") if name != "data" else "data/"
    assert any(f"{shown}" in one and "may not be read (Permission denied); give" in one for one in problems), problems
    assert not any("missing" in one or "may not be written" in one for one in problems)


def test_verify_names_a_manifest(out):
    (out / "shut" / "manifest.json").chmod(0o000)
    answer = run("verify", out / "shut")
    told = f"makeweight: {out / 'shut'}: manifest.json may not be read (Permission denied); give this user that right\n"
    assert (answer.returncode, answer.stderr) == (2, told)


@pytest.mark.parametrize(
    ("name", "mode", "told"),
    [
        ("data", 0o000, "what is in it may not be read (Permission denied); give"),
        ("README.md", 0o000, "README.md may not be read (Permission denied); give"),
        ("manifest.json", 0o000, "manifest.json may not be read (Permission denied); give"),
        ("data", 0o555, "data: may not be read and written; give the rights"),
    ],
)
def test_a_replacement_says_it_before_it_starts_anything(out, name, mode, told):
    (out / "shut" / name).chmod(mode)
    hidden = out / "shut" / ".makeweight"
    before = [one for one in sorted(hidden.rglob("*")) if one.name != "writer.guard"]
    answer = run("build", out.parent / "spec.json", "--replace")
    assert answer.returncode == 2, answer.stdout
    assert told in answer.stderr
    assert "ingest" not in answer.stderr + answer.stdout
    assert [one for one in sorted(hidden.rglob("*")) if one.name != "writer.guard"] == before
