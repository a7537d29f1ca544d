"""A disk that is full, or turns read-only, at any moment of a build: what a user sees, and that the build goes on."""

import os
import subprocess
from pathlib import Path

import pytest

from flows.build import build
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from schemas.errors import OutputError
from tests.machine import small_disk

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.slow]
GENERATOR = {"name": "smote", "actors": 2, "chunk_rows": 40}


@pytest.fixture
def disk(tmp_path):
    """A file system of its own of 4 MB."""
    with small_disk(tmp_path / "disk", "4m") as place:
        yield place


class Spoiler(Listener):
    """Spoils the disk when a step begins, or when the first chunk was accepted."""

    def __init__(self, when, spoil):
        self.when, self._spoil, self.spoilt = when, spoil, False

    def _at(self, moment):
        if moment == self.when and not self.spoilt:
            self.spoilt = True
            self._spoil()

    def step(self, name):
        self._at(name)

    def filled(self, progress):
        self._at("filled")


def fill_up(disk):
    """Leave no byte free."""
    with (disk / "out" / ".makeweight" / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


@pytest.mark.parametrize("when", ["fit", "fill", "filled", "write", "report"])
def test_a_disk_that_is_full_at_any_step(make_spec, disk, when):
    spec = make_spec(output={"path": str(disk / "out"), "shard_rows": 200}, generator=GENERATOR)
    spoiler = Spoiler(when, lambda: fill_up(disk))
    with listen(spoiler), pytest.raises(OutputError, match="the disk is full; make room and run the same command"):
        build(spec)
    assert spoiler.spoilt
    assert not (disk / "out" / "manifest.json").exists()
    (disk / "out" / ".makeweight" / "ballast").unlink()
    staged = {path: path.stat().st_mtime_ns for path in disk.glob("out/.makeweight/work-*/staged/*/*.rows.arrow")}
    manifest = build(spec)
    assert verify(spec.output.path).problems == []
    assert manifest.content_hash == build(make_spec("calm", generator=GENERATOR)).content_hash
    assert when not in ("write", "report") or staged, "what was staged is kept"


@pytest.mark.parametrize("when", ["fit", "filled", "report"])
def test_a_disk_that_turns_read_only(make_spec, disk, when):
    def remount(mode):
        subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True, capture_output=True)

    spec = make_spec(output={"path": str(disk / "out"), "shard_rows": 200}, generator=GENERATOR)
    spoiler = Spoiler(when, lambda: remount("ro"))
    with listen(spoiler), pytest.raises(OutputError, match="may not be written .Read-only file system.; give the"):
        build(spec)
    assert spoiler.spoilt
    assert not (disk / "out" / "manifest.json").exists()
    remount("rw")
    build(spec)
    assert verify(spec.output.path).problems == []


def test_an_output_that_may_not_be_made(make_spec, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OutputError, match="may not be written .*Not a directory.*; give the rights"):
            build(make_spec(output={"path": str(path)}))
    if os.geteuid() == 0:
        return
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="may not be written .Permission denied."):
        build(make_spec(output={"path": str(tmp_path / "locked" / "out")}))


def test_a_published_dataset_stays_when_its_replacement_finds_no_room(make_spec, disk):
    path = {"path": str(disk / "out"), "shard_rows": 200}
    first = build(make_spec(output=path, generator=GENERATOR))
    spoiler = Spoiler("write", lambda: fill_up(disk))
    with listen(spoiler), pytest.raises(OutputError, match="the disk is full"):
        build(make_spec(output=path, generator=GENERATOR, seed=3), replace=True)
    Path(disk / "out" / ".makeweight" / "ballast").unlink()
    found = verify(path["path"])
    assert found.problems == []
    assert found.manifest == first
