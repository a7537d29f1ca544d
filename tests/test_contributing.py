"""What CONTRIBUTING.md tells: its examples keep the promises, its paths lead somewhere, its words are the code's."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.test_architecture import ORDER

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = {
    re.match(r'"""(\w+):', code)[1].lower(): code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
}


@pytest.mark.parametrize("name", ["marginals", "gaps"])
def test_an_example_keeps_every_promise(name, tmp_path) -> None:
    (tmp_path / f"{name}.py").write_text(EXAMPLES[name])
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, f"{name}.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_path_leads_somewhere() -> None:
    named = set(re.findall(r"`((?:flows|pipelines|generators|schemas|tests)/[\w./]*)`", TEXT))
    assert len(named) > 25
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_word_of_the_glossary_is_one_that_the_code_uses() -> None:
    code = "\n".join(path.read_text() for package in ORDER for path in (ROOT / package).rglob("*.py")).lower()
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", TEXT.partition("## Glossary")[2], re.MULTILINE)
    words = [word.strip() for row in rows[2:] for word in row.split(",")]
    assert len(words) == len(set(words)) > 40
    unused = [word for word in words if not re.search(r"\b" + re.sub("[- ]", r"[-\\s_]", word), code)]
    assert unused == []
