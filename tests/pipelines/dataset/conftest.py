"""A small table, the specs that build from it into `out`, and a build in this process."""

import pytest

from schemas.spec import Spec, parse
from tests.in_process import go_in_process


@pytest.fixture
def build(monkeypatch):
    return go_in_process(monkeypatch)


@pytest.fixture
def make_spec(tmp_path):
    """Return a spec of a small table into `out`; parts of it may be given."""
    (tmp_path / "source").mkdir()

    def make(rows=40, versions=None, **parts):
        lines = [f"{n * 37 % 101},{n},{'ab'[n % 4 == 0]}" for n in range(rows)]
        (tmp_path / "source" / "t.csv").write_text("\n".join(["x,n,label", *lines]) + "\n")
        output = {"path": str(tmp_path / "out"), "shard_rows": 30}
        base = {
            "name": "teamA",
            "source": {"path": str(tmp_path / "source"), "label": "label"},
            "generator": {"name": "resample", "chunk_rows": 8},
            "validate": [],
            "output": output if versions is None else output | {"versions": versions},
        }
        return parse(Spec, base | parts)

    return make


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"
