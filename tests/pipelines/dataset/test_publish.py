"""The manifest comes last; a step that fails after it loses nothing."""

import json

import pytest

import flows.build as flow
from pipelines.dataset.verify import verify
from schemas.errors import OutputError
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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_manifest_that_is_none_is_told_in_one_line(build, make_spec, out, text):
    build(make_spec())
    (out / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"manifest.json is not a manifest of makeweight: .*; put the right") as told:
        verify(str(out))
    assert "\n" not in str(told.value)
    assert "http" not in str(told.value)


def test_a_step_that_fails_after_the_switch_is_tried_again_and_loses_nothing(build, make_spec, out, monkeypatch):
    real, failures = flow.name_newest, iter([OSError(5, "Input/output error")])

    def once(place):
        real(place)
        for error in failures:
            raise error

    monkeypatch.setattr(flow, "name_newest", once)
    build(make_spec(versions={"keep": 2}))
    assert json.loads((out / "latest.json").read_text()) == {"version": "v00001"}
    assert verify(str(out)).problems == []


def test_a_manifest_names_no_shard_elsewhere(build, make_spec, out):
    build(make_spec())
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["shards"][0]["path"] = "data/../../other/data/x.parquet"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(OutputError, match="is not a manifest of makeweight"):
        verify(str(out))
