"""Old versions go with all that is theirs, and a file of a user keeps one."""

import pytest

from flows.progress import listen
from pipelines.dataset import companions
from tests.pipelines.dataset.test_companions import EVALUATION, MINE
from tests.pipelines.dataset.test_ownership import Notes


@pytest.mark.parametrize("name", [*EVALUATION, "README.md"])
def test_a_users_text_in_a_version_keeps_that_version(build, make_spec, out, name):
    build(make_spec(versions={"keep": 1}))
    (out / "v00001" / name).write_text(MINE)
    heard = Notes()
    with listen(heard):
        build(make_spec(48, versions={"keep": 1}))
    assert [f"v00001 stays, though it is no longer kept: '{name}'" in note for note in heard.notes] == [True]
    assert (out / "v00001" / name).read_text() == MINE
    build(make_spec(56, versions={"keep": 1}))
    assert sorted(path.name for path in out.glob("v0*")) == ["v00001", "v00003"]


def test_a_version_is_removed_with_its_evaluation_though_that_was_begun_before(build, make_spec, out, monkeypatch):
    build(make_spec(versions={"keep": 1}))
    with monkeypatch.context() as patched, listen(Notes()):
        patched.setattr(companions, "close_ledger", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        build(make_spec(48, versions={"keep": 1}))
    assert (out / ".makeweight" / "ledger-v00001.json").exists()
    build(make_spec(56, versions={"keep": 1}))
    assert sorted(path.name for path in out.glob("v0*")) == ["v00003"]
