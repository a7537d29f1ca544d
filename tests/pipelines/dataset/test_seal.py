"""An encrypted series: nothing that tells of its rows lies beside it in the clear, from version to version."""

import pytest

from pipelines.dataset.prune import prune_output
from pipelines.dataset.top_up import write_record
from pipelines.dataset.verify import verify
from pipelines.dataset.versions import plan_build
from pipelines.source.ingest import ingest
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import make_workspace
from schemas.output import Versions
from schemas.spec import Spec, parse
from tests.in_process import go_in_process

NAME = "MAKEWEIGHT_KEY_TEST"


@pytest.fixture
def make_spec(tmp_path):
    """Return a spec of so many rows, encrypted unless told otherwise."""

    def make(rows, encrypted=True, **versions):
        lines = [f"{n * 37 % 101},{n},{'ab'[n % 4 == 0]}" for n in range(rows)]
        (tmp_path / "t.csv").write_text("\n".join(["x,n,label", *lines]) + "\n")
        key = {"encryption_key_env": NAME} if encrypted else {}
        data = {
            "name": "secret",
            "source": {"path": str(tmp_path / "t.csv"), "label": "label"},
            "generator": {"name": "smote", "chunk_rows": 8},
            "validate": [],
            "output": {"path": str(tmp_path / "out"), "versions": {"top_up": not encrypted, **versions}, **key},
        }
        return parse(Spec, data)

    return make


@pytest.fixture
def build(monkeypatch):
    monkeypatch.setenv(NAME, bytes(range(32)).hex())
    return go_in_process(monkeypatch)


def hidden(folder):
    """Return all files in makeweight's own folder beside the series."""
    own = folder / "out" / ".makeweight"
    found = (path.relative_to(own).as_posix() for path in own.rglob("*") if path.is_file())
    return sorted(name for name in found if name != "writer.guard")  # any look at the lock makes it, empty


def test_nothing_that_was_counted_of_rows_is_kept_of_any_version(build, make_spec, tmp_path):
    for rows in (40, 48, 56):
        build(make_spec(rows, keep=2))
    assert sorted(path.name for path in (tmp_path / "out").glob("v*")) == ["v00002", "v00003"]
    assert verify(str(tmp_path / "out")).problems == []
    assert hidden(tmp_path) == ["owner.json"]


def test_what_an_earlier_build_kept_of_an_encrypted_version_goes(build, make_spec, tmp_path):
    build(make_spec(40))
    spec = make_spec(40)
    plan = plan_build(spec)
    place = make_workspace(spec.output.path, plan)
    plain = plan.model_copy(update={"key_env": None})
    write_record(plain, place, ingest(spec.source, plan, Folder(str(tmp_path / "rows"))))
    assert "versions/v00001/rows.arrow" in hidden(tmp_path), "as it was kept once"
    prune_output(place, plan, Versions(top_up=False))
    assert [name for name in hidden(tmp_path) if name.startswith("versions")] == []


def test_a_plain_version_keeps_nothing_of_an_encrypted_one_and_says_so(build, make_spec, tmp_path):
    build(make_spec(40))
    manifest = build(make_spec(48, encrypted=False))
    assert manifest.base.anew == "it is encrypted, and keeps nothing for its successors"
    assert "versions/v00002/rows.arrow" in hidden(tmp_path), "the plain one is kept a record of"
    assert not any("v00001" in name for name in hidden(tmp_path))
