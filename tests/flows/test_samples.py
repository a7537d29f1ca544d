"""What a build shows on Prefect's pages: keys of its own, cells as they are, nothing that is encrypted."""

import pytest

from flows.build import build
from flows.samples import artifact_key


def test_datasets_do_not_share_a_history():
    names = ["adult", "Adult", "a.b", "a-b", "täble", "表", "x" * 100]
    keys = [artifact_key(name, "rows") for name in names]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "adult-rows"
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and key[0] != "-" for key in keys)


@pytest.mark.usefixtures("engine")
def test_rows_are_shown_in_pairs_and_not_at_all_if_they_are_encrypted(make_spec, monkeypatch):
    from prefect.artifacts import Artifact

    build(make_spec())
    shown = Artifact.get("payments-rows").data.splitlines()
    assert [table_line.split(" | ")[0] for table_line in shown if "fraud" in table_line] == ["| real"] * 4 + [
        "| synthetic"
    ] * 4
    monkeypatch.setenv("DATASET_KEY", "00112233445566778899aabbccddeeff")
    spec = make_spec("closed").model_copy(update={"name": "closed"})
    build(spec.model_copy(update={"output": spec.output.model_copy(update={"encryption_key_env": "DATASET_KEY"})}))
    assert Artifact.get("closed-class-counts") is not None
    assert Artifact.get("closed-rows") is None
