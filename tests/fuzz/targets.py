"""What is fuzzed: one small function a reader, which takes bytes and keeps the promise of `tests/hostile/promise.py`.

The seeds are those of the property tests.
"""

import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import test_hostile_images as images
from tests.hostile import test_hostile_specs as specs
from tests.hostile import test_hostile_tables as tables
from tests.hostile.promise import kept, spec_of


@dataclass(frozen=True)
class Target:
    """A function of bytes that must return, and inputs to begin with."""

    run: Callable[[bytes], object]
    seeds: list[bytes]


def _spec(data: bytes) -> None:
    """Read a spec that names no place of its own, since the fuzzer would find the root of the disk to read."""
    if b"path" not in data.replace(b"path: d.csv", b"").replace(b"path: out", b""):
        specs.read(data)


def _table(name: str) -> Callable[[bytes], object]:
    return lambda data: tables.read(name, data)


def _texts(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        for label, content in {"a": data, "b": b"good day"}.items():
            (Path(place) / "texts" / label).mkdir(parents=True)
            (Path(place) / "texts" / label / "0.txt").write_bytes(content)
        kept(spec_of(Path(place) / "texts", source={"missing_text": "drop"}))


def _image(data: bytes) -> None:
    rules = {"unreadable": "skip", "animated": "first", "mode": "RGB"}
    mended = images.with_checksums(data) if data[:4] == b"\x89PNG" else data
    images.read(mended, "png", rules)


def _voc(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        images.read_voc(Path(place) / "marked", data, "mend")


def _yolo(data: bytes) -> None:
    """Read labels, and after the first zero byte what names the classes."""
    labels, _, names = data.partition(b"\0")
    images.read_yolo(labels, names or images.YAML[0])


def _archive(kind: str) -> Callable[[bytes], object]:
    return lambda data: images.read_archive(kind, data)


_TEXT = {"segmentation": {"size": [9, 7], "counts": "Z1510P1"}}
TARGETS = {
    "spec": Target(_spec, [specs.TEXT]),
    "csv": Target(_table("d.csv"), tables.CSV),
    "tsv": Target(_table("d.tsv"), [text.replace(b",", b"\t") for text in tables.CSV]),
    "packed": Target(_table("d.csv.gz"), [gzip.compress(text, mtime=0) for text in tables.CSV]),
    "jsonl": Target(_table("d.jsonl"), tables.LINES),
    "parquet": Target(_table("d.parquet"), [tables.parquet(), tables.parquet(compression="none")]),
    "texts": Target(_texts, ["\ufeffgood day".encode(), b"a\0b"]),
    "images": Target(_image, [seed for seeds in images.SEEDS.values() for seed in seeds]),
    "voc": Target(_voc, images.VOC),
    "coco": Target(images.read_coco, [json.dumps(images.coco()).encode(), json.dumps(images.coco(**_TEXT)).encode()]),
    "yolo": Target(_yolo, [labels + b"\0" + names for labels in images.YOLO for names in images.YAML]),
    "zip": Target(_archive("zip"), [images.ARCHIVES["zip"]]),
    "tar": Target(_archive("tar"), [images.ARCHIVES["tar"]]),
}
