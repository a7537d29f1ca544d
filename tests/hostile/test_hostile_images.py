"""Images of any bytes, and what is marked in them: Pascal VOC, COCO and YOLO; archives of them."""

import io
import json
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.hostile.promise import hostile, kept, mutated, spec_of

PIXELS = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(sink, kind, **options)
    return sink.getvalue()


def turned(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(kind, exif=exif.tobytes())


FRAMES = [Image.fromarray(PIXELS[:, ::step]) for step in (1, -1)]
SEEDS = {
    "png": [encoded("PNG", mode) for mode in ("RGB", "L", "P", "LA", "1")] + [turned("PNG")],
    "jpg": [encoded("JPEG"), encoded("JPEG", "L", progressive=True), encoded("JPEG", "CMYK"), turned("JPEG")],
    "gif": [encoded("GIF"), encoded("GIF", save_all=True, append_images=FRAMES)],
    "tif": [encoded("TIFF"), encoded("TIFF", "F"), encoded("TIFF", compression="tiff_lzw"), turned("TIFF")],
    "webp": [encoded("WEBP"), encoded("WEBP", "RGBA", lossless=True), turned("WEBP")],
    "bmp": [encoded("BMP"), encoded("BMP", "P")],
}
_RULES = st.fixed_dictionaries(
    {"unreadable": st.just("skip"), "animated": st.sampled_from(["first", "skip"])},
    optional={"mode": st.sampled_from(["RGB", "L"]), "size": st.sampled_from([4, (3, 5)])},
)


def with_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksums that its chunks need, so that it is read beyond the first one."""
    made, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = min(struct.unpack(">I", data[at : at + 4])[0], len(data) - at - 12)
        chunk = data[at + 4 : at + 8 + size]
        made += struct.pack(">I", size) + chunk + struct.pack(">I", zlib.crc32(chunk))
        at += 12 + size
    return bytes(made)


def write_classes(folder: Path, odd: bytes, name: str) -> None:
    for label, files in {"a": {"0.png": SEEDS["png"][0], name: odd}, "b": {"1.png": SEEDS["png"][0]}}.items():
        (folder / label).mkdir(parents=True)
        for file, data in files.items():
            (folder / label / file).write_bytes(data)


def read(data: bytes, ending: str, rules: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        write_classes(folder, data, f"odd.{ending}")
        kept(spec_of(folder, source={"images": rules}))


@hostile
@given(st.data())
def test_images(data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(sorted(SEEDS)))
    image = data.draw(mutated(SEEDS[ending]))
    mend = ending == "png" and data.draw(st.booleans())
    read(with_checksums(image) if mend else image, ending, data.draw(_RULES))


@hostile
@given(data=st.binary(max_size=100), rules=_RULES)
def test_bytes_that_are_no_image(data: bytes, rules: dict[str, Any]) -> None:
    read(data, "png", rules)


def box(name: str, *corners: object) -> str:
    inner = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>"


def voc(*boxes: str, image: str = "0.png") -> bytes:
    return f"<annotation><filename>{image}</filename>{''.join(boxes)}</annotation>".encode()


VOC = [voc(box("cell", 1, 1, 5, 6), box("b=,%", 2, 2, 7, 9)), voc(box("é", "1e1", "nan", "inf", "-1")), voc()]


def read_voc(folder: Path, data: bytes, faulty: str) -> None:
    """Read three images of which one is marked by `data`."""
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(SEEDS["png"][0])
    (folder / "0.xml").write_bytes(data)
    (folder / "1.xml").write_bytes(voc(box("cell", 1, 1, 3, 3), image="1.png"))
    (folder / "2.xml").write_bytes(voc(box("other", 1, 1, 3, 3), image="2.png"))
    kept(spec_of(folder, "category", source={"faulty_boxes": faulty}))


@hostile
@given(data=mutated(VOC) | st.binary(max_size=100), faulty=st.sampled_from(["mend", "refuse"]))
def test_voc(data: bytes, faulty: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        read_voc(Path(place) / "marked", data, faulty)


def coco(**first: Any) -> dict[str, Any]:
    boxed = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 4]}
    masked = boxed | {"segmentation": [[1, 1, 5, 1, 5, 6]], "id": 2, "category_id": 2, **first}
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 7, "height": 9} for n in (1, 2)],
        "annotations": [boxed, masked, boxed | {"image_id": 2, "iscrowd": 1}],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "other"}],
    }


RUNS = {"size": [9, 7], "counts": [10, 5, 48]}
_NUMBERS = st.integers() | st.floats() | st.sampled_from([1e9, 2**31, -1, 2**63, 10**400])
_SEGMENTS = st.one_of(
    st.lists(st.lists(_NUMBERS, max_size=9), max_size=3),
    st.fixed_dictionaries(
        {"size": st.lists(_NUMBERS, max_size=3), "counts": st.lists(_NUMBERS, max_size=4) | st.text(max_size=9)}
    ),
    st.recursive(st.none() | _NUMBERS | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4), max_leaves=8),
)


def read_coco(data: bytes, faulty: str = "mend") -> bool:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "marked"
        folder.mkdir()
        for number in (1, 2):
            (folder / f"{number}.png").write_bytes(SEEDS["png"][0])
        (folder / "instances.json").write_bytes(data)
        return kept(spec_of(folder, "category", source={"faulty_boxes": faulty}))


@hostile
@given(data=mutated([json.dumps(coco()).encode(), json.dumps(coco(segmentation=RUNS)).encode()]))
def test_coco(data: bytes) -> None:
    read_coco(data)


@hostile
@given(segmentation=_SEGMENTS, box=st.lists(_NUMBERS, min_size=4, max_size=4), side=_NUMBERS)
def test_coco_shapes(segmentation: Any, box: list[Any], side: Any) -> None:
    data = coco(segmentation=segmentation, bbox=box)
    data["images"][0]["width"] = side
    read_coco(json.dumps(data).encode())


@hostile
@given(
    text=st.text("0123456789-Zo`\x7fP", max_size=12) | st.text(max_size=6),
    size=st.lists(_NUMBERS, max_size=3) | st.just([9, 7]),
    declared=st.booleans(),
)
def test_coco_run_lengths_as_text(text: str, size: list[Any], declared: bool) -> None:
    data = coco(segmentation={"size": size, "counts": text})
    if not declared:
        for image in data["images"]:
            del image["width"], image["height"]
    read_coco(json.dumps(data).encode())


YOLO = [b"0 0.5 0.5 0.25 0.25\n1 0.2 0.2 0.1 0.3", b"0 0.1 0.1 0.9 0.1 0.5 0.9\n\n1 .5 .5 1e-1 1", b""]
YAML = [b"names: [cell, other]\ntrain: images\nval: more\n", b"names:\n  0: cell\n  1: other\n"]


def read_yolo(labels: bytes, names: bytes, faulty: str = "mend") -> None:
    """Read three images of which one has these labels."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(3):
            for folder in ("images", "labels"):
                (Path(place) / "marked" / folder).mkdir(parents=True, exist_ok=True)
            (Path(place) / "marked" / "images" / f"{number}.png").write_bytes(SEEDS["png"][-1])
            (Path(place) / "marked" / "labels" / f"{number}.txt").write_bytes(labels if number == 1 else YOLO[0])
        (Path(place) / "marked" / "data.yaml").write_bytes(names)
        kept(spec_of(Path(place) / "marked", "category", source={"faulty_boxes": faulty}))


@hostile
@given(
    labels=mutated(YOLO) | st.binary(max_size=60),
    names=mutated(YAML) | st.sampled_from(YAML),
    faulty=st.sampled_from(["mend", "refuse"]),
)
def test_yolo(labels: bytes, names: bytes, faulty: str) -> None:
    read_yolo(labels, names, faulty)


def archived(kind: str) -> bytes:
    sink = io.BytesIO()
    files = {"s/a/0.png": SEEDS["png"][0], "s/b/1.png": SEEDS["png"][1], "s/note.md": b"hello"}
    if kind == "zip":
        with zipfile.ZipFile(sink, "w") as packed:
            for name, data in files.items():
                packed.writestr(name, data)
    else:
        with tarfile.open(fileobj=sink, mode="w:" + kind.removeprefix("tar").removeprefix(".")) as packed:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
    return sink.getvalue()


ARCHIVES = {kind: archived(kind) for kind in ("zip", "tar", "tar.gz", "tar.xz")}


def read_archive(kind: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"packed.{kind}"
        path.write_bytes(data)
        kept(spec_of(path, "label", source={"images": {"unreadable": "skip", "animated": "skip", "mode": "RGB"}}))


@hostile
@given(st.data())
def test_archives(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ARCHIVES)))
    read_archive(kind, data.draw(mutated([ARCHIVES[kind]])))
