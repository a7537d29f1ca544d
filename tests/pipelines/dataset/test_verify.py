"""Verification sees each file that is not as it was published, and waits for none."""

import json

import pytest

from pipelines.dataset.verify import verify
from tests.pipelines.dataset.test_companions import pipe
from tests.pipelines.dataset.test_ownership import refused


def lead_nowhere(path):
    path.symlink_to("/nonexistent")


def lead_elsewhere(path):
    kept = path.parents[2] / "elsewhere"
    path.rename(kept)
    path.symlink_to(kept)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda out, _: lead_nowhere(out / "data" / "x.parquet"), "data/x.parquet is not in the manifest"),
        (lambda out, _: lead_nowhere(out / "x.parquet"), "x.parquet is not in the manifest"),
        (lambda out, _: pipe(out / "data" / "pipe"), "data/pipe is not in the manifest"),
        (lambda _, shard: lead_elsewhere(shard), "is a link to a file elsewhere, and not the one that was published"),
    ],
)
def test_verify_sees_links_and_pipes(build, make_spec, out, harm, problem):
    build(make_spec())
    harm(out, next((out / "data").glob("*.parquet")))
    assert [problem in one for one in verify(str(out)).problems] == [True]
    if "in the manifest" in problem and " data/" in f" {problem}":
        refused(build, make_spec(seed=1), "which no build of makeweight wrote there; move it elsewhere", out, True)


@pytest.mark.parametrize("name", ["README.md", "report.html", "shard"])
def test_verify_does_not_wait_for_a_pipe(build, make_spec, out, name):
    build(make_spec())
    path = next((out / "data").glob("*.parquet")) if name == "shard" else out / name
    path.unlink()
    pipe(path)
    assert any(f"{path.name} is no file, but a pipe" in one for one in verify(str(out)).problems)


@pytest.mark.parametrize(
    ("field", "value"), [("seed", 7), ("generator", "smote"), ("label", "other"), ("name", "teamB"), ("attempts", {})]
)
def test_verify_sees_an_edited_manifest(build, make_spec, out, field, value):
    build(make_spec())
    manifest = out / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {field: value}))
    assert "manifest.json was changed since it was published" in verify(str(out)).problems
