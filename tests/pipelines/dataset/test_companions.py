"""What lies beside the shards: a user's file is never written over or removed, ours are known and written again."""

import json
import os
import socket
from pathlib import Path

import pytest

import flows.build as flow
from flows.progress import listen
from pipelines.dataset import companions
from pipelines.dataset.builds import find_builds
from pipelines.dataset.verify import verify
from pipelines.dataset.versions import newest_folder
from schemas.errors import OutputError
from schemas.manifest import Manifest
from tests.pipelines.dataset.test_ownership import Notes, everything, refused, stopped

OTHER_DISK = Path("/dev") / "shm"


MINE = "my precious words"


@pytest.fixture
def evaluated_spec(make_spec, tmp_path):
    """Return a spec with an evaluation, which takes seconds."""

    def make(**parts):
        lines = [f"{n * 41 % 97},{n},{'ab'[n % 3 == 0]}" for n in range(30)]
        (tmp_path / "held-out.csv").write_text("\n".join(["x,n,label", *lines]) + "\n")
        return make_spec(evaluate={"test": str(tmp_path / "held-out.csv"), "seeds": 1, "remedies": ["raw"]}, **parts)

    return make


@pytest.mark.parametrize(("text", "problem"), [(None, "is missing"), (MINE, "was changed since it was published")])
def test_the_card_beside_the_versions_is_verified_and_written_anew(build, make_spec, out, text, problem):
    build(make_spec(versions={"keep": 3}))
    whole = (out / "README.md").read_text()
    (out / "README.md").write_text(text) if text else (out / "README.md").unlink()
    assert verify(str(out)).problems == [f"README.md beside the versions {problem}"]
    build(make_spec(versions={"keep": 3}))
    assert (out / "README.md").read_text() == whole
    assert verify(str(out)).problems == []


def test_a_card_by_an_earlier_makeweight_bears_no_seal_and_is_none_the_worse(build, make_spec, out):
    build(make_spec(versions={"keep": 3}))
    (out / "README.md").write_text("a card of then")
    manifest = out / "v00001" / "manifest.json"
    older = json.loads(manifest.read_text())
    older.pop("seal")
    older["versions"]["makeweight"] = "0.0.9"
    manifest.write_text(json.dumps(older))
    assert verify(str(out)).problems == []


def test_what_a_dataset_lost_beside_its_shards_is_written_again(build, make_spec, out):
    build(make_spec())
    before = everything(out)
    (out / "README.md").unlink()
    (out / "croissant.json").unlink()
    assert verify(str(out)).problems == ["README.md is missing", "croissant.json is missing"]
    build(make_spec())
    after = everything(out)
    assert {path: after[path] for path in before if path.parent == out} == {
        path: data for path, data in before.items() if path.parent == out
    }
    assert verify(str(out)).problems == []


def test_a_report_that_is_gone_is_told_since_no_complete_build_can_make_it(build, make_spec, out):
    build(make_spec())
    (out / "report.html").unlink()
    heard = Notes()
    with listen(heard):
        build(make_spec())
    assert heard.notes == [
        f"{out}: report.html is gone, and only a build from the beginning writes one; give another output.path for that"
    ]
    assert verify(str(out)).problems == ["report.html is missing"]


def test_a_card_that_another_makeweight_writes_otherwise_is_in_the_manifest_too(build, make_spec, out, monkeypatch):
    manifest = build(make_spec())
    (out / "README.md").unlink()
    monkeypatch.setattr("pipelines.report.render_card", lambda *_: "another card")
    build(make_spec())
    assert (out / "README.md").read_text() == "another card"
    assert verify(str(out)).problems == []
    found = Manifest.model_validate_json((out / "manifest.json").read_text())
    differ = {name for name in Manifest.model_fields if getattr(found, name) != getattr(manifest, name)}
    assert differ == {"files", "seal"}


@pytest.mark.parametrize("name", ["README.md", "report.html", "croissant.json"])
def test_a_users_text_in_place_of_ours_stops_a_replacement(build, make_spec, out, name):
    build(make_spec())
    (out / name).write_text(MINE)
    told = f"holds '{name}', which is not what makeweight wrote there; move it elsewhere"
    refused(build, make_spec(seed=1), told, out, True)
    build(make_spec())
    assert (out / name).read_text() == MINE, "nor does a complete build write over it"
    (out / name).unlink()
    build(make_spec(seed=1), True)
    assert verify(str(out)).problems == []


@pytest.mark.parametrize("name", ["README.md", "report.html"])
def test_a_users_text_where_nothing_is_published_yet_stops_the_next_build(build, make_spec, out, monkeypatch, name):
    stopped(build, make_spec(), monkeypatch)
    assert (out / ".makeweight" / "ledger.json").exists()
    (out / name).write_text(MINE)
    refused(build, make_spec(), f"holds '{name}', which is not what makeweight wrote there; move it", out)
    (out / name).unlink()
    assert build(make_spec()).rows == 60


def test_a_build_that_died_between_its_texts_knows_them_again(build, make_spec, out, monkeypatch):
    real, left = companions.write_manifest, iter([KeyboardInterrupt])

    def die(place, manifest):
        for error in left:
            raise error
        real(place, manifest)

    monkeypatch.setattr("pipelines.dataset.publish.write_manifest", die)
    with pytest.raises(KeyboardInterrupt):
        build(make_spec())
    assert sorted(path.name for path in out.iterdir()) == [
        ".makeweight",
        "README.md",
        "croissant.json",
        "data",
        "report.html",
    ]
    assert build(make_spec()).rows == 60
    assert verify(str(out)).problems == []


def test_texts_of_a_replacement_that_was_given_up_do_not_stay_with_the_old_dataset(build, make_spec, out, monkeypatch):
    build(make_spec())
    before = {name: (out / name).read_bytes() for name in ("README.md", "croissant.json", "manifest.json")}

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("pipelines.dataset.publish.write_manifest", die)
        build(make_spec(seed=1), True)
    heard = Notes()
    with listen(heard):
        build(make_spec())
    assert {name: (out / name).read_bytes() for name in before} == before
    assert verify(str(out)).problems == ["report.html is missing"]
    assert any("report.html is gone" in note for note in heard.notes)
    build(make_spec(seed=1), True)
    assert verify(str(out)).problems == []


EVALUATION = ["evaluation.json", "evaluation.html"]


@pytest.mark.parametrize("name", EVALUATION)
def test_a_users_own_evaluation_is_neither_removed_nor_written_over(build, make_spec, evaluated_spec, out, name):
    build(make_spec())
    (out / name).write_text(MINE)
    told = f"holds '{name}', which is not what makeweight wrote there; move it elsewhere"
    refused(build, make_spec(seed=1), told, out, True)
    refused(build, evaluated_spec(), told, out)
    build(make_spec())
    assert (out / name).read_text() == MINE


def test_one_that_a_user_writes_meanwhile_stays_too(build, make_spec, out, monkeypatch):
    build(make_spec())
    real = flow.publish_task

    def publish(*args):
        (out / "evaluation.json").write_text(MINE)
        return real(*args)

    monkeypatch.setattr(flow, "publish_task", publish)
    build(make_spec(seed=1), True)
    assert (out / "evaluation.json").read_text() == MINE


def test_our_own_evaluation_is_verified_shown_again_and_forgotten(build, make_spec, evaluated_spec, out):
    build(evaluated_spec())
    assert verify(str(out)).problems == []
    text, page = [(out / name).read_text() for name in EVALUATION]
    (out / "evaluation.html").unlink()
    assert verify(str(out)).problems == ["evaluation.html is missing"]
    build(evaluated_spec())
    assert [(out / name).read_text() for name in EVALUATION] == [text, page]
    (out / "evaluation.html").write_text(page.replace("build", "bluid", 1))
    assert verify(str(out)).problems == ["evaluation.html was changed since it was published"]
    (out / "evaluation.html").write_text(page)
    (out / "evaluation.json").write_text(text.replace('"helps": ', '"helps":  ', 1).replace("null", "true", 1))
    assert verify(str(out)).problems == ["evaluation.json was changed since it was published"]
    (out / "evaluation.json").write_text(text)
    build(make_spec(seed=1), True)
    assert not [name for name in EVALUATION if (out / name).exists()]


def test_an_evaluation_by_an_earlier_makeweight_is_ours(build, make_spec, evaluated_spec, out):
    build(evaluated_spec())
    older = json.loads((out / "evaluation.json").read_text())
    del older["seal"], older["page"]
    (out / "evaluation.json").write_text(json.dumps(older))
    page = (out / "evaluation.html").read_text()
    (out / "evaluation.html").write_text(page[: page.index("<!-- makeweight: ")])
    assert verify(str(out)).problems == ["evaluation.json was changed since it was published: its seal is gone"]
    say_that_it_is_older(out)
    assert verify(str(out)).problems == []
    build(make_spec(seed=1), True)
    assert not [name for name in EVALUATION if (out / name).exists()]


def say_that_it_is_older(out):
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["versions"]["makeweight"] = "0.0.9"
    del manifest["seal"]
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_figures_of_an_evaluation_are_not_changed_by_taking_its_seal_away(build, evaluated_spec, out):
    build(evaluated_spec())
    found = json.loads((out / "evaluation.json").read_text())
    del found["seal"], found["page"]
    found["utility"]["verdict"]["sentence"] = "It helps a lot."
    (out / "evaluation.json").write_text(json.dumps(found))
    with (out / "evaluation.html").open("a") as page:
        page.write("It helps a lot.")
    assert verify(str(out)).problems == ["evaluation.json was changed since it was published: its seal is gone"]


@pytest.mark.parametrize("version", ["0.1.0", "0.1.0.dev1", "0.2", "1.0", "12.3", "", None])
def test_verify_sees_a_manifest_whose_seal_was_taken_away(build, make_spec, out, version):
    build(make_spec())
    found = json.loads((out / "manifest.json").read_text())
    del found["seal"], found["versions"]["makeweight"]
    written_by = {} if version is None else {"makeweight": version}
    found |= {"files": {}, "seed": 7, "versions": found["versions"] | written_by}
    (out / "manifest.json").write_text(json.dumps(found))
    assert verify(str(out)).problems == ["manifest.json was changed since it was published: its seal is gone"]
    say = json.loads((out / "manifest.json").read_text())
    say["versions"]["makeweight"] = "0.0.9"
    (out / "manifest.json").write_text(json.dumps(say))
    assert verify(str(out)).problems == []


@pytest.mark.parametrize("name", ["manifest.json", "report.html", "README.md", "croissant.json", "data"])
def test_verify_sees_that_a_part_lies_elsewhere(build, make_spec, out, name):
    build(make_spec())
    (out / name).rename(out.parent / "elsewhere")
    (out / name).symlink_to(out.parent / "elsewhere")
    assert verify(str(out)).problems == [f"{name} is a link to what lies elsewhere, and not what was published"]


@pytest.mark.parametrize("name", ["latest.json", "README.md", "v00001"])
def test_nor_may_what_is_beside_the_versions(build, make_spec, out, name):
    build(make_spec(versions={"keep": 3}))
    (out / name).rename(out.parent / "elsewhere")
    (out / name).symlink_to(out.parent / "elsewhere")
    assert verify(str(out)).problems == [f"{name} is a link to what lies elsewhere, and not what was published"]


def pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [pipe, lambda path: socket.socket(socket.AF_UNIX).bind(str(path))])
@pytest.mark.parametrize("name", ["writer.json", "ledger.json", "../manifest.json"])
def test_a_pipe_in_a_files_place_is_told_and_not_waited_for(build, make_spec, out, monkeypatch, name, make):
    monkeypatch.chdir(out.parent)  # the path of a socket is short
    build(make_spec())
    path = out / ".makeweight" / name
    path.unlink(missing_ok=True)
    make(path.resolve().relative_to(out.parent))
    with pytest.raises(OutputError, match=r"in a file's place is no file, but a pipe, socket or device \(.*\); move"):
        build(make_spec(seed=1), True)


@pytest.mark.parametrize("name", [".makeweight/models", ".makeweight/show", ".makeweight/evaluation", "data"])
def test_a_file_where_a_folder_belongs_is_told_before_any_work(build, make_spec, out, name):
    (out / ".makeweight").mkdir(parents=True)
    (out / name).write_text(MINE)
    refused(build, make_spec(), f"{name} lies where makeweight needs a folder; move it elsewhere, and run it", out)


@pytest.mark.skipif(not OTHER_DISK.is_dir(), reason="needs a second disk")
@pytest.mark.parametrize("name", [".makeweight", "data", ".makeweight/show"])
def test_a_link_to_another_disk_is_told_before_any_work(build, make_spec, out, name):
    other = OTHER_DISK / f"makeweight-{os.getpid()}"
    out.mkdir()
    if name != ".makeweight":
        (out / ".makeweight").mkdir()
    other.mkdir()
    try:
        if os.stat(other).st_dev == os.stat(out).st_dev:
            pytest.skip("the machine has one disk")
        (out / name).symlink_to(other)
        with pytest.raises(OutputError, match="lie on two disks, and a build renames its finished files from one to"):
            build(make_spec())
        assert os.listdir(other) == []
    finally:
        other.rmdir()


DEEP = "[" * 100_000


def test_json_that_is_nested_without_end_is_no_record_of_ours(build, make_spec, out):
    build(make_spec(versions={"keep": 3}))
    (out / "latest.json").write_text(DEEP)
    with pytest.raises(OutputError, match="latest.json names no version; build the dataset again"):
        verify(str(out))
    (out / ".makeweight" / "owner.json").write_text(DEEP)
    build(make_spec(48, versions={"keep": 3}))
    assert verify(str(out)).problems == []
    (out / "v00002" / "manifest.json").write_text(DEEP)
    assert [one.state for one in find_builds(str(out))] == ["complete"], "the other is taken for nobody's"
    with pytest.raises(OutputError, match="manifest.json is not a manifest of makeweight"):
        verify(str(out))


@pytest.mark.parametrize("text", ['{"version": "v00001"}', '{"app": "3.1"}', DEEP])
def test_a_users_latest_json_beside_a_plain_dataset_names_nothing(build, make_spec, out, text):
    build(make_spec())
    (out / "latest.json").write_text(text)
    assert verify(str(out)).problems == []
    with pytest.raises(OutputError, match=r"holds no versions: there is no latest.json; set output.versions"):
        newest_folder(str(out))


def test_a_version_that_is_kept_and_broken_blocks_no_newer_one(build, make_spec, out):
    build(make_spec(versions={"keep": 1}))
    (out / "v00001" / "notes.txt").write_text(MINE)
    build(make_spec(48, versions={"keep": 1}))
    (out / "v00001" / "manifest.json").write_text("{}")
    for number, rows in ((3, 56), (4, 64)):
        assert build(make_spec(rows, versions={"keep": 1})).version == number
        assert verify(str(out)).problems == []
    assert (out / "v00001" / "notes.txt").read_text() == MINE
    assert (out / "v00001" / "manifest.json").read_text() == "{}"
    assert sorted(path.name for path in out.glob("v0*")) == ["v00001", "v00004"]


def test_the_newest_one_that_is_broken_does(build, make_spec, out):
    build(make_spec(versions={"keep": 2}))
    (out / "v00001" / "manifest.json").write_text("{}")
    with pytest.raises(OutputError, match="v00001/manifest.json is not a manifest of makeweight"):
        build(make_spec(48, versions={"keep": 2}))
