"""Known ways to hurt a reader: bombs, odd names, links and devices. Each ends in rows or in a plain message, soon."""

import base64
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.spec_file import load_spec
from generators.image.codec import decode
from pipelines.plan.planning import make_plan
from pipelines.source import read_source
from schemas.errors import MakeweightError
from tests.hostile.promise import kept, refused_plainly, spec_of
from tests.hostile.test_hostile_images import SEEDS, box, coco, read_coco, voc, with_checksums, write_classes

NAMES = ["<script>alert(1)", "=1+1", "{{7*7}}", "c" * 250, "  ", "a\nb", "\x1b[31mred", "-rf", "a..b", "%s"]


def refused(path: Path, label: str = "y", **parts: Any) -> str:
    """Return the message that the plan ends with."""
    with pytest.raises(MakeweightError) as caught:
        make_plan(spec_of(path, label, **parts))
    refused_plainly(caught.value)
    return str(caught.value)


def images(folder: Path, odd: bytes, name: str = "odd.png") -> Path:
    write_classes(folder, odd, name)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_class_folders_of_any_name(tmp_path: Path, name: str) -> None:
    folder = images(tmp_path / "images", SEEDS["png"][1])
    (folder / "a").rename(folder / name)
    assert kept(spec_of(folder))
    assert {s.name for s in make_plan(spec_of(folder)).strata} == {name, "b"}


def test_files_of_any_name(tmp_path: Path) -> None:
    folder = images(tmp_path / "images", SEEDS["png"][1])
    for name in ("x" * 251 + ".png", "a\nb.png", "\x07.png", "a..b.png", "..c.png", " .png", "\\..\\x.png"):
        if not name.startswith("."):
            (folder / "b" / name).write_bytes(SEEDS["png"][2])
    assert kept(spec_of(folder))
    (folder / "b" / "a\n\x1b.png").write_bytes(b"")
    assert "b/a\\n\\x1b.png (empty file)" in refused(folder)


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    folder = images(tmp_path / "images", SEEDS["png"][1])
    try:
        os.rename(os.fsencode(folder / "b"), os.fsencode(folder) + b"/b\xff")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert "the name 'b\\udcff/1.png' is not UTF-8; rename the file or its folder" in refused(folder)


@pytest.mark.parametrize("name", [*NAMES, "x\0y", "n" * 100_000, "nul\\u0000"])
def test_classes_of_any_name_in_tables(tmp_path: Path, name: str) -> None:
    rows = [{"y": name, "x": n} for n in range(3)] + [{"y": "other", "x": 9}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert kept(spec_of(tmp_path / "d.jsonl"))


def test_keys_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"y": "a", "\\ud800": 1}\n{"y": "b"}\n')
    assert "half a surrogate pair" in refused(tmp_path / "d.jsonl")


def test_parquet_texts_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string()):
        offsets = b"".join(n.to_bytes(8 if kind == pa.large_string() else 4, "little") for n in (0, 1, 2))
        odd = pa.Array.from_buffers(kind, 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"a\xff")])
        pq.write_table(pa.table({"y": odd, "x": [1, 2]}), tmp_path / "d.parquet")
        assert "column 'y' holds text that is not UTF-8; convert the column" in refused(tmp_path / "d.parquet")


def test_parquet_columns_whose_names_are_not_utf8_are_refused(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"y": ["a", "b"], "name": [1, 2]}), sink, store_schema=False)
    (tmp_path / "d.parquet").write_bytes(sink.getvalue().replace(b"name", b"n\xffme"))
    assert "the name or the time zone of a column is not UTF-8; write the file anew" in refused(tmp_path / "d.parquet")


def test_parquet_time_zones_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    sink = io.BytesIO()
    when = pa.array([0, 1], pa.timestamp("us", "Europe/Oslo"))
    pq.write_table(pa.table({"y": ["a", "b"], "when": when}), sink)
    told = re.search(b"ARROW:schema[^A-Za-z0-9+/]*([A-Za-z0-9+/]{100,}=*)", sink.getvalue())
    assert told
    odd = base64.b64encode(base64.b64decode(told[1]).replace(b"Europe", b"Eur\xffpe"))
    (tmp_path / "d.parquet").write_bytes(sink.getvalue().replace(told[1], odd))
    assert "the time zone of a column is not UTF-8" in refused(tmp_path / "d.parquet")


def test_a_parquet_column_of_one_long_text_is_read_in_parts(tmp_path: Path) -> None:
    rows = 1_000
    table = pa.table({"y": ["a", "b"] * (rows // 2), "x": pa.array(["x" * 500_000]).take(pa.array([0] * rows))})
    pq.write_table(table, tmp_path / "d.parquet")
    assert (tmp_path / "d.parquet").stat().st_size < 100_000
    assert peak_of(tmp_path / "d.parquet") < 400 << 20, "500 MB of text, of which a part is in memory at a time"


def peak_of(path: Path) -> int:
    """Return the most memory (bytes) that a process of its own takes to plan the source or to refuse it."""
    code = (
        "import sys\n"
        "from pipelines.plan.planning import make_plan\n"
        "from pipelines.source import read_source\n"
        "from schemas.errors import SourceError\n"
        "from tests.hostile.promise import spec_of\n"
        "spec = spec_of(sys.argv[1])\n"
        "try:\n"
        "    print(sum(1 for _ in read_source(spec.source, make_plan(spec).profile)), 'blocks')\n"
        "except SourceError as error:\n"
        "    print(error)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, path], cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) << 10


@pytest.mark.parametrize(
    ("name", "start", "filler"),
    [
        ("d.csv.gz", b"x,y\n1,", b"a"),
        ("e.csv.gz", b"x,y\n", b"\n"),
        ("d.jsonl.gz", b'{"y": "', b"a"),
        ("h.csv.gz", b"", b"a"),
    ],
)
def test_packed_bombs_stay_small_in_memory(tmp_path: Path, name: str, start: bytes, filler: bytes) -> None:
    packed = gzip.compress(filler * (64 << 20), mtime=0)
    (tmp_path / name).write_bytes(gzip.compress(start) + packed * 8)  # half a megabyte that holds half a gigabyte
    assert peak_of(tmp_path / name) < 450 << 20  # pyarrow reads up to 32 blocks of 8 MB ahead


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(*tags: tuple[int, int, int, int], loops: int = 1, more: bytes = b"") -> bytes:
    """Return a little-endian TIFF of so many directories, each with these tags (number, type, count, value)."""
    size = 2 + 12 * len(tags) + 4
    made = b"II*\0" + struct.pack("<I", 8)
    for number in range(loops):
        made += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
        made += struct.pack("<I", 8 + size * (number + 1) if number + 1 < loops else 0)
    return made + more


GREY = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0), (279, 4, 1, 16)]
PNG = SEEDS["png"][1]
TEXT_BOMB = b"k\0\0" + zlib.compress(b"\0" * (100 << 20), 9)
GIF = b"GIF89a\1\0\1\0\0\0\0" + b"!\xf9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\x80\0\0\0\xff\xff\xff\2\2D\1\0" * 100_000 + b";"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.png", PNG[:33] + png_chunk(b"zTXt", TEXT_BOMB) * 3 + PNG[33:]),
        ("profile.png", PNG[:33] + png_chunk(b"iCCP", TEXT_BOMB) + PNG[33:]),
        ("large.png", with_checksums(PNG[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + PNG[24:])),
        ("frames.gif", GIF),
        ("screen.gif", b"GIF89a\xff\xff\xff\xff" + GIF[10:60] + b";"),
        ("tiles.tif", tiff(*GREY[:5], (322, 4, 1, 1), (323, 4, 1, 1), (324, 4, 2**28, 8), (325, 4, 2**28, 8))),
        ("tile.tif", tiff(*GREY[:5], (322, 4, 1, 2**31 - 16), (323, 4, 1, 2**31 - 16), (324, 4, 1, 8), (325, 4, 1, 8))),
        ("pages.tif", tiff(*GREY, loops=50_000)),
        ("samples.tif", tiff(*GREY, (277, 3, 1, 65_535))),
        ("script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print quit\n"),
        ("drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("turned.jpg", SEEDS["jpg"][3].replace(b"Exif\0\0MM", b"Exif\0\0MM\xff", 1)),
    ],
)
def test_image_bombs_are_read_or_refused_soon(tmp_path: Path, name: str, data: bytes) -> None:
    for rules in ({"unreadable": "skip", "animated": "first"}, {"size": 4, "unreadable": "skip", "animated": "skip"}):
        folder = tmp_path / f"images{len(rules)}"
        kept(spec_of(images(folder, data, name), source={"images": rules}))


@pytest.mark.parametrize(("rules", "most"), [({}, 65_500), ({"format": "webp"}, 16_383)])
def test_a_picture_longer_than_can_be_written_is_refused(tmp_path: Path, rules: dict[str, Any], most: int) -> None:
    for side in (most, most + 1):
        sink = io.BytesIO()
        Image.new("1", (1, side)).save(sink, "PNG")
        folder = images(tmp_path / str(side), sink.getvalue())
        assert kept(spec_of(folder, source={"images": rules})) == (side == most)
        assert kept(spec_of(folder, source={"images": rules | {"size": 8}}))
    problem = f"odd.png (1 x {most + 1:,} pixels, and no side may be over {most:,})"
    assert problem in refused(folder, source={"images": rules})


def test_a_picture_that_pillow_reads_and_opencv_does_not_is_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    length = sink.getvalue().index(b"IDAT") - 4
    data = bytearray(sink.getvalue())
    data[length + 3] += 8  # the chunk says that it is longer than it is
    assert kept(spec_of(images(tmp_path / "images", bytes(data))))
    assert np.array_equal(decode(bytes(data)), pixels)


def test_a_picture_that_is_a_program_for_ghostscript_is_no_image(tmp_path: Path) -> None:
    sink = io.BytesIO()
    Image.new("L", (4, 4)).save(sink, "EPS")
    assert "odd.png (not an image of a known format)" in refused(images(tmp_path / "images", sink.getvalue()))


def test_a_file_that_is_too_large_for_an_image(tmp_path: Path) -> None:
    folder = images(tmp_path / "images", b"")
    with (folder / "a" / "odd.png").open("wb") as file:
        file.truncate(300 << 20)  # a hole: it takes no room
    assert "a/odd.png (more than 256 MB)" in refused(folder)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.png", "device.png", "plug.png"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, name: str) -> None:
    import socket

    folder = tmp_path / "d"
    if name.endswith("png"):
        images(folder, SEEDS["png"][1])
    else:
        folder.mkdir()
        (folder / "d.csv").write_text("x,y\n1,a\n2,b\n")
    place = folder / "a" / name if name.endswith("png") else folder / name
    if name.startswith("pipe"):
        os.mkfifo(place)
    elif name.startswith("device"):
        place.symlink_to("/dev/zero")
        assert "is a symbolic link out of the folder" in refused(folder)
        return
    else:
        os.chdir(place.parent)  # the name of a socket may have 100 bytes
        with socket.socket(socket.AF_UNIX) as plug:
            plug.bind(name)
    assert kept(spec_of(folder))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_links_out_of_a_folder_of_images_are_refused(tmp_path: Path, prefix: str) -> None:
    folder = images(tmp_path / "images", SEEDS["png"][1])
    (tmp_path / "secret.png").write_bytes(SEEDS["png"][0])
    (folder / "a" / "out.png").symlink_to("../../secret.png")
    assert "a/out.png is a symbolic link out of the folder" in refused(
        Path(folder), source={"path": f"{prefix}{folder}"}
    )
    (folder / "a" / "out.png").unlink()
    (folder / "c").symlink_to("/etc")
    assert "c is a symbolic link to a folder" in refused(folder, source={"path": f"{prefix}{folder}"})


LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><annotation><filename>&b;</filename></annotation>'
FOREIGN = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LAUGHS, "0.xml: is not XML: it has a document type (<!DOCTYPE), which annotations need not"),
        (FOREIGN, "it has a document type"),
        (LAUGHS.decode().encode("utf-16"), "it has a document type"),
        (b'<?xml version="1.0" encoding="idna"?><a/>', "is not XML"),
        (b'<?xml version="1.0" encoding="none-such"?><a/>', "is not XML"),
        (b"<a>" * 200_000, "is not XML"),
        (voc(box("", 1, 2, 3, 4)), "an object has no name"),
    ],
)
def test_annotations_that_are_bombs_or_look_elsewhere(tmp_path: Path, data: bytes, message: str) -> None:
    folder = tmp_path / "marked"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(SEEDS["png"][0])
    (folder / "0.xml").write_bytes(data)
    (folder / "1.xml").write_bytes(voc(box("cell", 1, 1, 3, 3), image="1.png"))
    assert message in refused(folder, "category")


def test_an_annotation_that_looks_elsewhere_is_of_the_image_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "marked"
    folder.mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(SEEDS["png"][1])
    for number in range(2):
        (folder / f"{number}.png").write_bytes(SEEDS["png"][0])
        image = "../../secret.png" if number else "0.png"
        (folder / f"{number}.xml").write_bytes(voc(box("cell", 1, 1, 3, 3), image=image))
    spec = spec_of(folder, "category")
    rows = pa.concat_tables(read_source(spec.source, make_plan(spec).profile))
    assert [image["bytes"] for image in rows["image"].to_pylist()] == [SEEDS["png"][0]] * 2
    (folder / "1.png").unlink()
    assert "images cannot be read: ../../secret.png (missing)" in refused(folder, "category")


@pytest.mark.parametrize(
    ("first", "readable"),
    [
        ({}, True),
        ({"segmentation": {"size": [9, 7], "counts": [10, 5, 48]}}, True),
        ({"segmentation": {"size": [9, 7], "counts": [10, 5, 4800]}}, False),
        ({"segmentation": {"size": [90, 70], "counts": [6300]}}, False),
        ({"segmentation": {"size": [9, 7], "counts": [-10, 5, 68]}}, False),
        ({"segmentation": {"size": [9, 7], "counts": "`0"}}, False),
        ({"segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}, False),
        ({"segmentation": [[0, 0, float("nan"), 0, 1, 1]]}, False),
        ({"segmentation": [[0, 0, 5, 5]]}, False),
        ({"segmentation": [[[[[[1]]]]]]}, False),
        ({"bbox": [1e300, -1e300, 1e300, 1e300]}, True),
        ({"image_id": 99}, False),
    ],
)
def test_shapes_of_coco_that_crash_others(first: dict[str, Any], readable: bool) -> None:
    assert read_coco(json.dumps(coco(**first)).encode()) is readable


def test_nested_json_and_repeated_images_in_coco() -> None:
    assert not read_coco(json.dumps(coco()).replace("[[", "[" * 100_000, 1).encode())
    twice = coco()
    twice["images"][1]["id"] = 1
    assert not read_coco(json.dumps(twice).encode())


def test_a_spec_that_never_ends(tmp_path: Path) -> None:
    with pytest.raises(MakeweightError, match="has more than 1,000,000 bytes; that is no spec"):
        load_spec("/dev/zero")
    with pytest.raises(MakeweightError, match="cannot read"):
        load_spec("a\0b")
    with pytest.raises(MakeweightError, match="cannot read"):
        load_spec(str(tmp_path))


def test_more_classes_than_anyone_has(tmp_path: Path) -> None:
    rows = "".join(f"1,class {number}\n" for number in range(20_000))
    (tmp_path / "d.csv").write_text(f"x,y\n{rows}2,class 1\n")
    assert kept(spec_of(tmp_path / "d.csv", balance={"target": 1}))
