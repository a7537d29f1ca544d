"""Long-tailed CIFAR-10 balanced to its largest class by `augment`: exact counts, the same bytes with 1 and 2 actors.

Then the throughput: two actors of a real build, while they fill, against what one would write by hand, a loop in one
process that reads the same files, decodes, transforms and encodes.
"""

import sys
import tempfile
import time
from pathlib import Path

from generators.image.codec import Encoding, decode, encode
from generators.image.default_transforms import default_transforms, kind_of
from generators.image.transforms import library
from pipelines.plan.planning import make_plan
from schemas.spec import Spec, parse
from tests.benchmarks.common import machine, timed_build
from tests.conftest import ROOT

CIFAR = ROOT.parent / "shared" / "data" / "cifar10-lt" / "train"
RARE = "truck"  # 50 real images


def cifar_spec(folder: Path, name: str, actors: int, **parts: object) -> Spec:
    """Return a spec that reads the class folders, everything else left to the defaults."""
    source = {"path": str(CIFAR), "label": "label"}
    choice = {"name": "augment", "actors": actors}
    output = {"path": str(folder / name)}
    return parse(Spec, {"name": "cifar", "source": source, "generator": choice, "output": output, **parts})


def encoding_of(spec: Spec) -> Encoding:
    """Return how the build writes the images that it makes."""
    told = make_plan(spec).encoding or {}
    return Encoding.of({key.encode(): value.encode() for key, value in told.items()})


def bare_loop(rows: int, encoding: Encoding) -> float:
    """Return the rows a second of the loop by hand, with the transforms that `augment` takes for such images."""
    import cv2

    files = sorted((CIFAR / RARE).iterdir())
    kind = kind_of(decode(files[0].read_bytes()), marked=False)
    transforms = library().Compose(default_transforms(kind, flip=True), seed=0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    for number in range(rows):
        pixels = decode(files[number % len(files)].read_bytes())
        encode(transforms(image=pixels)["image"], encoding)
    seconds = time.perf_counter() - start
    cv2.setNumThreads(threads)
    return rows / seconds


def balance(folder: Path) -> None:
    """Print the counts, and whether one and two actors make the same bytes."""
    manifests = []
    for actors in (1, 2):
        manifest, watch = timed_build(cifar_spec(folder, f"balanced{actors}", actors))
        manifests.append(manifest)
        counts = manifest.counts.values()
        made = sum(count.synthetic for count in counts)
        tried = sum(manifest.attempts.values())
        totals = sorted({count.real + count.synthetic for count in counts})
        print(f"{actors} actors: {totals} of each class, {made:,} of {tried:,} candidates,", end=" ")
        print(f"{watch.seconds('fill', 'write'):.0f} s of filling, {watch.seconds('ingest', 'done'):.0f} s in all")
    same = "same" if len({manifest.content_hash for manifest in manifests}) == 1 else "OTHER"
    print(f"{same} content_hash")


def throughput(folder: Path, rows: int, rounds: int) -> None:
    """Print the rows a second of two actors and of the bare loop, measured in turn."""
    for validate, told in (([], "no validator"), (None, "the default validators")):
        ratios = []
        for number in range(rounds):
            name = f"fast{len(told)}-{number}"
            spec = cifar_spec(folder, name, 2, balance={"target": {RARE: rows}}, validate=validate)
            bare = bare_loop(rows // 4, encoding_of(spec))
            rate = timed_build(spec)[1].fill_rate()
            ratios.append(rate / bare)
            print(f"augment: {rate:,.0f} rows/s with {told}, bare loop {bare:,.0f}: ratio {ratios[-1]:.2f}")
        print(f"augment with {told}: {sorted(ratios)[rounds // 2]:.2f} x the bare loop")


def main(rows: int = 40_000, rounds: int = 3) -> None:
    """Balance, then measure."""
    if not CIFAR.exists():
        raise SystemExit(f"needs long-tailed CIFAR-10 at {CIFAR}")
    with tempfile.TemporaryDirectory() as temporary:
        balance(Path(temporary))
        throughput(Path(temporary), rows, rounds)
    print(f"augment: ({machine()})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
