"""Whose an output is: nothing that is not ours is removed, and a dataset belongs to its name."""

import shutil

import pytest

import flows.build as flow
import flows.steps
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from pipelines.dataset.versions import plan_build
from pipelines.plan.planning import fingerprint_recipe, fingerprint_spec
from schemas.errors import MakeweightError, OutputError, ShortfallError, SourceError, SpecError
from schemas.spec import Spec, parse
from tests.machine import s3_bucket


def everything(folder):
    """Return each file below a folder with its bytes; not the lock's guard, which any look at it makes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "writer.guard"}


def refused(build, spec, message, out, replace=False):
    """Check that a build is refused before it changes anything."""
    before = everything(out)
    with pytest.raises(OutputError, match=message):
        build(spec, replace)
    assert everything(out) == before


def test_a_folder_that_is_named_like_a_version_is_no_version(build, make_spec, out):
    (out / "v00000").mkdir(parents=True)
    (out / "v00000" / "thesis.txt").write_text("years of work")
    refused(build, make_spec(versions={"keep": 1}), "holds 'v00000', which is named like a version and was not", out)
    shutil.rmtree(out)
    build(make_spec(versions={"keep": 1}))
    (out / "v00007").mkdir()
    (out / "v00007" / "thesis.txt").write_text("years of work")
    refused(build, make_spec(48, versions={"keep": 1}), "holds 'v00007', which is named like a version", out)


@pytest.mark.parametrize("name", ["data/more.parquet", "data/other/manifest.json", "data/notes.txt"])
def test_files_among_the_shards_that_no_manifest_lists_stop_a_replacement(build, make_spec, out, name):
    build(make_spec())
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    refused(build, make_spec(seed=1), f"holds '{name}', which no build of makeweight wrote there; move it", out, True)
    (out / name).unlink()
    (out / "notes.txt").write_text("mine")
    build(make_spec(seed=1), True)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_in_a_version_keeps_that_version(build, make_spec, out):
    build(make_spec(versions={"keep": 1}))
    (out / "v00001" / "notes.txt").write_text("mine")
    heard = Notes()
    with listen(heard):
        build(make_spec(48, versions={"keep": 1}))
    assert verify(str(out / "v00001")).problems == verify(str(out)).problems == []
    assert ["v00001 stays, though it is no longer kept: 'notes.txt'" in note for note in heard.notes] == [True]
    build(make_spec(56, versions={"keep": 1}))
    assert sorted(path.name for path in out.glob("v0*")) == ["v00001", "v00003"]


class Notes(Listener):
    def __init__(self):
        self.notes = []

    def noted(self, note):
        self.notes.append(note)


@pytest.mark.parametrize("versions", [None, {"keep": 1}])
def test_a_dataset_belongs_to_its_name(build, make_spec, out, versions):
    build(make_spec(versions=versions))
    other = make_spec(48, versions, name="teamB")
    told = "out belongs to the dataset 'teamA', and this one is 'teamB'; give another .* or --replace-other teamA"
    for replace in (False, True, "teamC"):
        refused(build, other, told, out, replace)
    assert build(other, "teamA").name == "teamB"
    refused(build, make_spec(versions=versions), "belongs to the dataset 'teamB'", out)


def test_what_was_begun_belongs_to_a_name_too(build, make_spec, out, monkeypatch):
    stopped(build, make_spec(), monkeypatch)
    refused(build, make_spec(name="teamB"), "'teamA', which was begun there and is not published yet, and this", out)
    assert build(make_spec()).name == "teamA"


def stopped(build, spec, monkeypatch, replace=False):
    """Stop a build between its shards and its manifest."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(flow, "publish_task", stop)
        build(spec, replace)


def test_rows_of_the_source_do_not_outlive_the_builds_that_need_them(build, make_spec, out, monkeypatch):
    hidden = out / ".makeweight"

    def lying(kind):
        return {path.name for path in hidden.glob(kind)}

    stopped(build, make_spec(), monkeypatch)
    (first,) = lying("work-*")
    stopped(build, make_spec(seed=1), monkeypatch)
    assert first in lying("work-*"), "the source is as it was: the first spec may still be built"
    stopped(build, make_spec(rows=39), monkeypatch)
    assert len(lying("work-*")) == 1, "the source has changed: neither can go on"
    manifest = build(make_spec(rows=39, seed=2))
    assert lying("work-*") == set()
    assert lying("models/*") == {f"models/{manifest.model_fingerprint}".split("/")[1]}
    again = build(make_spec(rows=38), True)
    assert lying("models/*") == {again.model_fingerprint} != {manifest.model_fingerprint}


@pytest.mark.parametrize("harm", ["gone", "emptied", "flipped", "a folder", "a link"])
def test_work_of_another_spec_that_is_damaged_stops_no_build(build, make_spec, out, tmp_path, monkeypatch, harm):
    """Seen: a build was killed while it removed such work, and every later one ended at the plan that was gone."""
    stopped(build, make_spec(), monkeypatch)
    (work,) = (out / ".makeweight").glob("work-*")
    plan = work / "plan.json"
    if harm == "a link":
        shutil.rmtree(work)
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
        work.symlink_to(tmp_path / "thesis")
    else:
        whole = plan.read_bytes()
        plan.unlink()
        if harm == "a folder":
            plan.mkdir()
        elif harm != "gone":
            plan.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:] if harm == "flipped" else b"")
    assert build(make_spec(seed=5)).rows == 60
    assert verify(str(out)).problems == []
    if harm == "a link":
        assert (tmp_path / "thesis" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["ledger.json", "writer.json", "work-*/real/files.json", "work-*/real/000000.arrow"])
def test_a_folder_where_a_file_belongs_is_told_and_stays(build, make_spec, out, monkeypatch, name):
    stopped(build, make_spec(), monkeypatch)
    (out / ".makeweight" / "writer.json").touch()
    (file,) = (out / ".makeweight").glob(name)
    file.unlink()
    file.mkdir()
    (file / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=rf"a folder lies where a file belongs \(.*{file.name}\); move it elsewhere"):
        build(make_spec())
    assert (file / "thesis.txt").read_text() == "years of work"
    shutil.rmtree(file)
    assert build(make_spec()).rows == 60


@pytest.mark.parametrize("versions", [None, {"keep": 1}])
@pytest.mark.parametrize("fails", ["close_ledger", "prune_output"])
def test_what_cannot_be_removed_costs_nobody_the_dataset(build, make_spec, out, monkeypatch, fails, versions):
    build(make_spec(versions=versions))
    heard = Notes()

    def fail(*_):
        raise OSError(39, "Directory not empty")

    with monkeypatch.context() as patched, listen(heard):
        patched.setattr(flows.steps, fails, fail)
        manifest = build(make_spec(48, versions), True)
    assert any("Directory not empty" in note for note in heard.notes)
    assert build(make_spec(48, versions), True) == manifest, "it is complete; only what was left is removed"
    assert verify(str(out)).problems == []
    assert not list((out / ".makeweight").glob("work-*"))


def test_an_output_in_the_folder_of_the_source_is_refused(make_spec, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "source")
    for path in ("source", "source/out", "source/../source/out", "link/out"):
        with pytest.raises(SpecError, match=r"output.path: lies in the source's folder, .*; give a folder outside"):
            plan_build(make_spec(output={"path": str(tmp_path / path)}))
    plan_build(make_spec(output={"path": str(tmp_path / "source-balanced")}))


@pytest.mark.parametrize("as_uri", [("source",), ("output",), ("source", "output")])
@pytest.mark.parametrize("folder", ["source", "source/out"])
def test_an_output_in_the_folder_of_the_source_is_refused_however_the_two_are_written(
    make_spec, tmp_path, as_uri, folder
):
    def written(name, part):
        return f"file://{tmp_path}/{name}" if part in as_uri else str(tmp_path / name)

    spec = make_spec(source={"path": written("source", "source"), "label": "label"})
    with pytest.raises(SpecError, match=r"output.path: lies in the source's folder, .*; give a folder outside"):
        plan_build(
            spec.model_copy(update={"output": spec.output.model_copy(update={"path": written(folder, "output")})})
        )
    beside = spec.output.model_copy(update={"path": written("source-balanced", "output")})
    plan_build(spec.model_copy(update={"output": beside}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("url != 'https://h.org/?key=1'", "url != 'https://h.org/?key=2'"),
        ("url != 'https://me:a@h.org'", "url != 'https://me:b@h.org'"),
        ("url != 'https://a@h.org'", "url != 'https://b@h.org'"),
    ],
)
def test_a_spec_of_which_only_what_looks_like_credentials_changed_is_another_build(build, make_spec, out, one, other):
    lines = [f"https://h.org/?key={n % 3},{n},{'ab'[n % 4 == 0]}" for n in range(40)]
    table = out.parent / "urls.csv"
    table.write_text("\n".join(["url,n,label", *lines]) + "\n")

    def checked(constraint):
        source = {"path": str(table), "label": "label"}
        return make_spec(source=source, validate=[{"schema": {"constraints": [constraint]}}])

    build(checked(one))
    refused(build, checked(other), "holds another build", out)
    assert build(checked(one)).rows == 60, "that is complete already"


def test_the_fingerprint_of_a_spec_without_credentials_is_as_it_always_was():
    spec = {
        "name": "t",
        "source": {"path": "s3://key:hush@b/t.csv", "label": "y", "nulls": ["", "http://n/a"]},
        "output": {"path": "s3://key:hush@b/o?token=1", "versions": {}},
        "balance": {"target": {"a": 3, "b": 4}},
        "generator": {
            "name": "endpoint",
            "params": {"base_url": "http://h:8000/v1", "model": "m", "prompt": "say {label}: password=x"},
        },
        "validate": ["schema", {"schema": {"constraints": ["auth==1", "a.token >= 3"]}}],
        "seed": 3,
    }
    asked = parse(Spec, spec)
    assert fingerprint_spec(asked) == "7c572982b6a8659598f960336ecbba1efb3486437dd64f033c52af26e8a67e98"
    recipe = "09b122a2d39a8e77bfcce8440d24df803375b05d0ab15d9c45155a8b83ecd781"
    assert fingerprint_recipe(asked, {"x": "y"}) == recipe
    elsewhere = {
        "source": spec["source"] | {"path": "s3://key:other@b/t.csv"},
        "output": {"path": "/o", "versions": {}},
    }
    assert fingerprint_spec(parse(Spec, spec | elsewhere)) == fingerprint_spec(asked), "places are in none"


@pytest.mark.parametrize("path", ["out/sub", "out/data/sub", "out/.makeweight/x", "out/v00002", "link/deep/er", "uri"])
@pytest.mark.parametrize("versions", [None, {"keep": 3}])
def test_an_output_inside_another_dataset_is_refused(build, make_spec, out, tmp_path, path, versions):
    build(make_spec(versions=versions))
    (tmp_path / "link").symlink_to(out)
    written = f"file://{out}/sub" if path == "uri" else str(tmp_path / path)
    for name in ("teamA", "teamB"):
        spec = make_spec(name=name, output={"path": written})
        refused(build, spec, f"lies in {out}, which holds a dataset of makeweight, or the beginning of one; give", out)
        refused(build, spec, f"lies in {out}, which holds a dataset of makeweight, or the beginning of one", out, True)


def test_nor_may_it_take_the_place_of_a_version(build, make_spec, out):
    build(make_spec(versions={"keep": 3}))
    spec = make_spec(output={"path": str(out / "v00001"), "shard_rows": 20})
    refused(build, spec, f"v00001 lies in {out}, which holds a dataset of makeweight", out, True)


def test_nor_may_it_lie_in_what_was_only_begun(build, make_spec, out, monkeypatch):
    stopped(build, make_spec(), monkeypatch)
    refused(build, make_spec(output={"path": str(out / "sub")}), f"sub lies in {out}, which holds", out)


def test_a_manifest_of_something_else_above_an_output_is_in_no_ones_way(build, make_spec, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "an app"}')
    assert build(make_spec()).rows == 60


def test_on_an_object_store_too_an_output_inside_another_is_refused(build, make_spec):
    with s3_bucket("hush") as (uri, _):
        build(make_spec(output={"path": uri.format("sets/a")}))
        for path in ("sets/a/b", "sets/a/data/b/c"):
            with pytest.raises(OutputError, match="lies in s3://.*data/sets/a.*, which holds a dataset of makeweight"):
                build(make_spec(output={"path": uri.format(path)}))
        assert build(make_spec(output={"path": uri.format("sets/b")})).rows == 60


def test_errors_name_classes_as_they_are_though_they_look_like_credentials(build, make_spec, out):
    table, source = out.parent / "named.csv", {"path": str(out.parent / "named.csv"), "label": "label"}

    def write(twos):
        rows = [f"{n % 31}.5,{n % 7},password={'two' if n < twos else 'one'}" for n in range(40)]
        table.write_text("\n".join(["x,z,label", *rows]) + "\n")

    write(5)
    with pytest.raises(ShortfallError, match="^class 'password=two': 0 of 30 rows accepted after 1 attempts a row"):
        build(make_spec(source=source, validate=["duplicates"], budget={"attempts_per_row": 1}))
    write(1)
    with pytest.raises(SourceError, match=r"which needs \d+ of a class: 'password=two' \(1\);"):
        plan_build(make_spec(source=source, generator={"name": "smote"}))


@pytest.mark.parametrize("more", ["#v2", "#", "/#v2", "/v#2/x", "?v2"])
def test_an_output_whose_uri_loses_a_part_is_refused_and_all_below_it_stays(build, make_spec, out, more):
    build(make_spec())
    (out / "sub").mkdir()
    (out / "sub" / "thesis.tex").write_text("years of work")
    before = everything(out)
    with pytest.raises(SpecError, match=r"output.path: holds '[#?]', and of a.* URI all that follows it is lost, got"):
        make_spec(output={"path": f"file://{out}{more}"})
    with pytest.raises(SpecError, match=r"source.path: holds '[#?]', and of a.* URI all that follows it is lost, got"):
        make_spec(source={"path": f"file://{out}{more}"})
    spec = make_spec(seed=1)
    past = spec.model_copy(update={"output": spec.output.model_copy(update={"path": f"file://{out}{more}"})})
    with pytest.raises(MakeweightError, match=r"holds '[#?]', and of a.* URI all that follows it is lost, got"):
        build(past)
    assert everything(out) == before


@pytest.mark.parametrize(
    "path",
    ["file:///", "file://", "file:////", "file:///?x", "s3://", "s3:///", "gs://", "s3://?region=x", "mock://x/y"],
)
def test_a_uri_that_names_no_folder_is_refused(make_spec, path):
    with pytest.raises(SpecError, match=r"output.path: (names no folder and no bucket|holds '\?'|is no place that)"):
        make_spec(output={"path": path})


@pytest.mark.parametrize("test", ["{}/held", "file://{}/held"])
def test_an_output_in_the_folder_of_the_held_out_rows_is_refused(make_spec, tmp_path, test):
    spec = make_spec(evaluate={"test": test.format(tmp_path)}, output={"path": str(tmp_path / "held" / "out")})
    with pytest.raises(SpecError, match=r"output.path: lies in the folder of the held-out rows, .*; give a folder"):
        plan_build(spec)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (
            lambda out: shutil.copy(next((out / "data").glob("*.parquet")), out / "more.parquet"),
            "more.parquet is not in",
        ),
        (lambda out: (out / "report.html").write_text("all is well"), "report.html was changed since it was published"),
        (lambda out: (out / "README.md").unlink(), "README.md is missing"),
        (lambda out: (out / "croissant.json").write_text("{}"), "croissant.json was changed since it was published"),
    ],
)
def test_verify_looks_at_all_that_was_published(build, make_spec, out, harm, problem):
    build(make_spec())
    assert verify(str(out)).problems == []
    harm(out)
    assert [problem in one for one in verify(str(out)).problems] == [True]
