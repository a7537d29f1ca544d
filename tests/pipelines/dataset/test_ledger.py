"""The ledger of shards that are being moved names nothing outside of the data folder."""

import json

import pytest

from pipelines.storage.folder import Folder
from schemas.spec import Spec, parse
from tests.in_process import go_in_process
from tests.pipelines.dataset.test_claim import everything


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


def test_a_ledger_names_nothing_outside_the_data_folder(build, make_spec, out, tmp_path):
    build(make_spec())
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "t.parquet").write_text("years of work")
    hidden, whole = Folder(str(out / ".makeweight")), everything(out / "data")
    for path in ("../thesis.txt", "data/../../thesis.txt", str(tmp_path / "t.parquet"), "data/x\\..\\..\\t.parquet"):
        hidden.write_sealed("ledger.json", json.dumps({"shards": [path]}).encode())
        assert build(make_spec()).rows == 60
        assert everything(out / "data") == whole
        assert (tmp_path / "thesis.txt").exists()
        assert (tmp_path / "t.parquet").exists()
