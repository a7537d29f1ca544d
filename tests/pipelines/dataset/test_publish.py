"""The manifest comes last; a step that fails after it loses nothing."""

import json

import pytest

import flows.steps
from pipelines.dataset.verify import verify
from schemas.errors import OutputError


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_manifest_that_is_none_is_told_in_one_line(build, make_spec, out, text):
    build(make_spec())
    (out / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"manifest.json is not a manifest of makeweight: .*; put the right") as told:
        verify(str(out))
    assert "\n" not in str(told.value)
    assert "http" not in str(told.value)


def test_a_step_that_fails_after_the_switch_is_tried_again_and_loses_nothing(build, make_spec, out, monkeypatch):
    real, failures = flows.steps.publish_latest, iter([OSError(5, "Input/output error")])

    def once(*arguments):
        real(*arguments)
        for error in failures:
            raise error

    monkeypatch.setattr(flows.steps, "publish_latest", once)
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
