"""Archives are read as the folder that was packed, on a disk and in a store; no file leaves its place."""

import io
import os
import stat
import tarfile
import zipfile

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose
from pipelines.source import archive, read_source
from schemas.errors import MakeweightError, SourceError
from schemas.spec import Spec, parse

ENDINGS = ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"]
CLASSES = {"cat": 3, "dog": 2, "fée": 1}


@pytest.fixture
def folder(tmp_path):
    """Three classes of images."""
    for label, count in CLASSES.items():
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "pets" / label / f"{number}.png")
    return tmp_path / "pets"


def pack(folder, ending, around=""):
    """Pack the folder, in another one of the name `around`, with what macOS adds."""
    path = folder.with_name(f"packed.{ending}")
    files = {f"{around}{file.relative_to(folder)}": file for file in sorted(folder.rglob("*")) if file.is_file()}
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, file in files.items():
                packed.write(file, name)
            packed.writestr("__MACOSX/._x.png", b"odd")
        return path
    mode = {"tgz": "gz", "tar": ""}.get(ending, ending.split(".")[-1])
    with tarfile.open(path, f"w:{mode}") as packed:
        for name, file in files.items():
            packed.add(file, f"./{name}")
    return path


def spec_for(path, label="label", **source):
    data = {"name": "a", "source": {"path": str(path), "label": label, **source}, "output": {"path": "/nowhere/out"}}
    return parse(Spec, data | {"generator": {"name": "resample"}})


def read(path, **source):
    spec = spec_for(path, **source)
    plan = make_plan(spec)
    return plan, pa.concat_tables(read_source(spec.source, plan.profile))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("around", ["", "pets/", "a/b/"])
def test_an_archive_is_read_as_its_folder_is(folder, ending, around):
    plain, rows = read(folder)
    plan, packed = read(pack(folder, ending, around))
    assert {one.name: one.real for one in plan.strata} == CLASSES
    assert plan.profile.fingerprint == plain.profile.fingerprint
    assert packed["label"].equals(rows["label"])
    assert packed["image"].combine_chunks().field("bytes").equals(rows["image"].combine_chunks().field("bytes"))


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_splits_and_annotations_within_an_archive(folder, ending):
    path = pack(folder, ending, "train/")
    assert {one.name: one.real for one in read(path)[0].strata} == CLASSES
    path = pack(folder, ending, "test/")
    with pytest.raises(MakeweightError, match=r"has the splits test \(6 files\)"):
        read(path)
    proposal = propose(str(path), out=str(folder.with_name("s.yaml")), given={"split": "test"})
    assert proposal.text.count("packed-balanced") == 2


def test_tables_within_an_archive(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.csv").write_text("x,y\n1.5,a\n2.5,b\n2.5,b\n")
    assert read(pack(tmp_path / "in", "zip"), label="y")[1]["x"].to_pylist() == [1.5, 2.5, 2.5]
    (tmp_path / "in" / "t.csv").unlink()
    pq.write_table(pa.table({"x": [1.5, 2.5, 2.5], "y": ["a", "b", "b"]}), tmp_path / "in" / "t.parquet")
    for ending in ("zip", "tar.gz"):
        assert read(pack(tmp_path / "in", ending), label="y")[1]["x"].to_pylist() == [1.5, 2.5, 2.5]


def test_names_of_zips_that_do_not_say_they_are_utf_8(folder):
    data = pack(folder, "zip").read_bytes()
    packed = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = packed.find(signature)
        while at >= 0:
            packed[at + offset + 1] &= ~0x08
            at = packed.find(signature, at + 4)
    (folder.parent / "old.zip").write_bytes(packed)
    assert {one.name for one in read(folder.parent / "old.zip")[0].strata} == set(CLASSES)


def zipped(path, *members):
    with zipfile.ZipFile(path, "w") as packed:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            packed.writestr(info, data)
    return path


def tarred(path, *members):
    with tarfile.open(path, "w") as packed:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, "/etc/passwd", len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["../a/1.png", "/a/1.png", "a/../../1.png", "..\\a\\1.png", "C:/a/1.png"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    for path in (
        zipped(tmp_path / "a.zip", (name, b"x", 0)),
        tarred(tmp_path / "a.tar", (name, b"x", tarfile.REGTYPE)),
    ):
        with pytest.raises(SourceError, match=r"a\.(zip|tar): .* leads out of the archive; pack it anew"):
            read(path)


def test_links_and_devices_are_refused(tmp_path):
    link = zipped(tmp_path / "a.zip", ("a/1.png", b"/etc/passwd", stat.S_IFLNK | 0o777))
    found = [tarred(tmp_path / f"{n}.tar", ("a/1.png", b"", kind)) for n, kind in enumerate(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
    )]  # fmt: skip
    for path in (link, *found):
        with pytest.raises(SourceError, match="a/1.png is a link or no plain file; pack the files themselves"):
            read(path)


def test_two_files_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "a.zip", ("a/1.png", b"x", 0), ("a/1.png", b"y", 0))
    with pytest.raises(SourceError, match="two files are named a/1.png"):
        read(path)


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "1.png").write_bytes(bytes(20_000_000))
    with pytest.raises(SourceError, match=r"it unpacks to .* bytes or more of .* packed ones; unpack it yourself"):
        read(pack(tmp_path / "in", ending))


def test_more_files_than_there_are_of_anything(folder, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 5)
    for ending in ("zip", "tar"):
        with pytest.raises(SourceError, match="it unpacks to more than 5 files"):
            read(pack(folder, ending))


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_archives_are_told(folder, ending):
    path = pack(folder, ending)
    data = path.read_bytes()
    halves = [data[:size] for size in range(512, len(data) - 10_240 if ending == "tar" else len(data), 512)]
    for broken in (*halves, b"", b"no archive", data[:200] + bytes(200) + data[400:]):
        path.write_bytes(broken)
        with pytest.raises(MakeweightError, match="packed"):
            read(path)


def test_a_zip_with_a_password(folder):
    path = pack(folder, "zip")
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="cat/0.png needs a password; unpack the archive"):
        read(path)


def test_an_archive_that_changes_is_read_anew(folder):
    path = pack(folder, "zip")
    assert read(path)[0].profile.rows == 6
    (folder / "cat" / "0.png").unlink()
    pack(folder, "zip")
    assert read(path)[0].profile.rows == 5


def test_an_archive_that_changes_between_plan_and_build(folder):
    path = pack(folder, "zip")
    spec = spec_for(path)
    profile = make_plan(spec).profile
    (folder / "cat" / "0.png").write_bytes((folder / "dog" / "0.png").read_bytes() + b" ")
    pack(folder, "zip")
    with pytest.raises(SourceError, match="the source changed while it was read: .*; run the same command again"):
        list(read_source(spec.source, profile))
    path.unlink()
    with pytest.raises(SourceError, match="packed.zip"):
        list(read_source(spec.source, profile))


def test_archives_in_a_store(folder, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="pets")
        plain = read(folder)[0].profile.fingerprint
        for ending in ("zip", "tar.gz"):
            client.upload_file(str(pack(folder, ending)), "pets", f"in/packed.{ending}")
            uri = f"s3://pets/in/packed.{ending}?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
            plan, rows = read(uri)
            assert (plan.profile.fingerprint, rows.num_rows) == (plain, 6)
    finally:
        server.stop()
    assert not [name for name in os.listdir() if name.startswith("packed")]
