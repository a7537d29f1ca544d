"""BCCD (364 images, Pascal VOC): balanced by boxes, and every box looked at again through `datasets`."""

import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from pipelines.dataset.verify import verify
from schemas.spec import Spec, parse
from tests.benchmarks.common import machine, timed_build
from tests.conftest import ROOT

BCCD = ROOT.parent / "shared" / "data" / "bccd" / "BCCD"


def boxes_spec(output: Path) -> Spec:
    """Return the spec of the issue: the largest class is the target, two boxes without area are left out."""
    source = {"path": str(BCCD), "label": "category", "faulty_boxes": "mend"}
    return parse(Spec, {"name": "bccd", "source": source, "generator": {"actors": 2}, "output": {"path": str(output)}})


def look_at(folder: Path) -> tuple[Counter[str], int]:
    """Return the boxes of each class, and how many reach out of their image."""
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    import datasets

    found: Counter[str] = Counter()
    outside = 0
    for row in datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"]:
        width, height = row["image"].size
        for one in row["objects"]:
            x, y, w, h = one["bbox"]
            found[one["category"]] += 1
            outside += not (0 <= x < x + w <= width and 0 <= y < y + h <= height)
    return found, outside


def main() -> None:
    """Build, verify, and count what is in the dataset."""
    if not BCCD.exists():
        raise SystemExit(f"needs the BCCD images at {BCCD}")
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        manifest, _ = timed_build(boxes_spec(Path(temporary) / "out"))
        problems = verify(str(Path(temporary) / "out")).problems
        found, outside = look_at(Path(temporary) / "out")
        for name, one in (manifest.boxes or {}).items():
            off = one.reached / one.target - 1
            print(f"boxes: {name}: {one.before:,} before, target {one.target:,}, reached {one.reached:,} ({off:+.1%})")
            assert found[name] == one.reached
        told = f"{manifest.rows:,} images, {sum(found.values()):,} boxes, {outside} outside their image"
        print(f"boxes: {told}, problems: {problems or 'none'}, {time.perf_counter() - start:.0f} s ({machine()})")


if __name__ == "__main__":
    main()
