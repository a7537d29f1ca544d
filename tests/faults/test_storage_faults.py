"""Every operation on storage in turn fails once, or is the last of the process: readers find a whole dataset always.

A build runs in this process with a generator that imports nothing. `MAKEWEIGHT_FAULTS=all` takes each operation; else
some, spread over the build and other ones for each kind of publishing.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyarrow import fs

from pipelines.dataset.verify import verify
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError
from schemas.manifest import MANIFEST, Manifest
from schemas.spec import Spec, parse
from tests.faults.storage import CHANGES, Killed, inject
from tests.in_process import go_in_process
from tests.s3_server import Store

KINDS = ["first", "replace", "version", "top-up", "prune"]
SOME = 9
"""How many operations of a kind the suite takes on a disk, of each fault."""
LEFT = {"models", "versions", "owner.json", "writer.json", "writer.guard"}
"""What may lie in the hidden folder once all is done."""


@dataclass
class Bench:
    """One output, on a disk or in a store, and builds into it."""

    build: object
    faults: object
    place: Path
    output: str

    def spec(self, **parts):
        source = {"path": str(self.place / "t.csv"), "label": "label"}
        base = {"name": "t", "source": source, "generator": {"name": "resample", "chunk_rows": 8}, "validate": []}
        output = {"path": self.output, "shard_rows": 30, **parts.pop("output", {})}
        return parse(Spec, {**base, "output": output, **parts})

    def write(self, rows):
        lines = [f"{n * 37 % 101},{n},{'ab'[n % 4 == 0]}" for n in range(rows)]
        (self.place / "t.csv").write_text("\n".join(["x,n,label", *lines]) + "\n")

    def prepare(self, kind):
        """Publish what a build of this kind finds; return that build."""
        self.write(40)
        if kind == "first":
            return lambda: self.build(self.spec())
        if kind == "replace":
            self.build(self.spec(seed=1))
            return lambda: self.build(self.spec(), True)
        keep = 1 if kind == "prune" else 3
        rule = {"versions": {"top_up": kind == "top-up", "keep": keep}}
        self.build(self.spec(output=rule))
        self.write(48)
        return lambda: self.build(self.spec(output=rule))

    @property
    def filesystem(self):
        return Folder(self.output).filesystem, Folder(self.output).inner()

    def keep(self):
        """Remember what is in the output now, to put it back."""
        there, path = self.filesystem
        kept = self.place / "kept"
        kept.mkdir()
        if there.get_file_info(path).type == fs.FileType.Directory:
            fs.copy_files(path, str(kept), source_filesystem=there)

    def restore(self):
        there, path = self.filesystem
        there.delete_dir_contents(path, missing_dir_ok=True)
        if any((self.place / "kept").iterdir()):
            fs.copy_files(str(self.place / "kept"), path, destination_filesystem=there)

    def read(self, path):
        there, root = self.filesystem
        try:
            with there.open_input_stream(f"{root}/{path}") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def seen(self):
        """Return the content hash of what a reader finds, None if there is nothing; what is there must be whole."""
        there, root = self.filesystem
        found = there.get_file_info(fs.FileSelector(root, allow_not_found=True))
        versions = {info.base_name for info in found if info.base_name.startswith("v0")}
        hashes = {name: self._whole(f"{name}/") for name in versions}
        latest = self.read("latest.json")
        if latest:
            newest = json.loads(latest)["version"]
            assert hashes[newest], f"latest.json names {newest}, which is not there"
            return hashes[newest]
        return None if versions else self._whole("")

    def _whole(self, below):
        text = self.read(f"{below}{MANIFEST}")
        if text is None:
            return None
        manifest = Manifest.model_validate_json(text)
        for shard in manifest.shards:
            data = self.read(f"{below}{shard.path}")
            assert data is not None, f"{below}{shard.path} is in the manifest, and gone"
            assert hashlib.sha256(data).hexdigest() == shard.sha256, f"{below}{shard.path} is not what was published"
        return manifest.content_hash

    def tidy(self):
        """Check that nothing is left of what was being done."""
        there, root = self.filesystem
        hidden = there.get_file_info(fs.FileSelector(f"{root}/.makeweight", allow_not_found=True))
        assert {info.base_name for info in hidden} <= LEFT
        assert verify(self.output).problems == []


@pytest.fixture
def bench(tmp_path, monkeypatch, request):
    build, faults = go_in_process(monkeypatch), inject(monkeypatch)
    if request.param == "disk":
        yield Bench(build, faults, tmp_path, str(tmp_path / "out"))
        return
    store = Store()
    store.come()
    store.client.create_bucket(Bucket=store.bucket)
    yield Bench(build, faults, tmp_path, store.uri("out"))
    store.go()


def strikes(names, kills, shift, some):
    """Return (number, after) of the operations to strike at: all, or `some` spread evenly, beginning at `shift`."""
    both = [
        (number, after)
        for number, name in enumerate(names, start=1)
        for after in ((False, True) if name in CHANGES else (False,))
    ]
    if os.environ.get("MAKEWEIGHT_FAULTS") == "all":
        return both
    step = max(1, len(both) // some)
    return both[(shift + kills * step // 2) % step :: step]


@pytest.mark.parametrize("bench", ["disk", pytest.param("store", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_readers_find_a_whole_dataset_at_every_moment_whatever_fails(bench, kind):
    command, faults = bench.prepare(kind), bench.faults
    old = bench.seen()
    bench.keep()
    faults.arm(0)
    seen = set()
    faults.look = lambda: seen.add(bench.seen())
    new = command().content_hash
    faults.look = None
    assert seen <= {old, new}
    assert bench.seen() == new != old
    bench.tidy()
    names = list(faults.names)
    for kills in (False, True):
        for number, after in strikes(names, kills, KINDS.index(kind), SOME):
            bench.restore()
            faults.arm(number, after, kills)
            struck = f"{kind}: operation {number} ({names[number - 1]}), {'after' if after else 'before'}, {kills=}"
            with suppress(OSError, MakeweightError, Killed):
                assert command().content_hash == new, struck
            faults.arm(0)
            assert bench.seen() in {old, new}, struck
            assert command().content_hash == new, struck
            assert bench.seen() == new, struck
            bench.tidy()
