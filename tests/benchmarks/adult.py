"""Adult (32,561 rows) balanced to its larger class by every table generator: exact counts, and the same bytes whatever
the number of actors. The deep models are trained for a few epochs only: this is about counts, not about quality.
"""

import sys
import tempfile
import time
from pathlib import Path

from generators import GENERATORS
from pipelines.dataset.verify import verify
from pipelines.plan.registry import generator_class
from schemas.spec import Spec, parse
from tests.benchmarks.common import machine, timed_build
from tests.conftest import ROOT

TRAIN = ROOT.parent / "shared" / "data" / "adult" / "train.csv"
EPOCHS = {"ctgan": 3, "copulagan": 1, "tvae": 3}


def adult_spec(folder: Path, name: str, generator: str, actors: int) -> Spec:
    """Return the spec of the issue: the larger class is the target, everything else is left to the defaults."""
    params = {"epochs": EPOCHS[generator]} if generator in EPOCHS else {}
    choice = {"name": generator, "actors": actors, "params": params}
    source = {"path": str(TRAIN), "label": "income"}
    return parse(Spec, {"name": "adult", "source": source, "generator": choice, "output": {"path": str(folder / name)}})


def main(names: list[str]) -> None:
    """Build with each generator and 2 actors; the first also with 1 and 4, and again in another folder."""
    if not TRAIN.exists():
        raise SystemExit(f"needs the Adult table at {TRAIN}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in names or [n for n in GENERATORS if "tabular" in generator_class(n).capabilities.modalities]:
            start = time.perf_counter()
            manifest, watch = timed_build(adult_spec(folder, name, name, 2))
            seconds = time.perf_counter() - start
            assert not verify(str(folder / name)).problems
            made = {label: counts.real + counts.synthetic for label, counts in manifest.counts.items()}
            tried, kept = manifest.attempts[">50K"], manifest.counts[">50K"].synthetic
            fit, fill = watch.seconds("fit", "fill"), watch.seconds("fill", "write")
            print(f"{name}: {made}, {kept:,} of {tried:,} candidates, {seconds:.0f} s (fit {fit:.0f}, fill {fill:.0f})")
            if name == "gaussian_copula":
                for again, actors in enumerate((1, 4, 2)):
                    other, _ = timed_build(adult_spec(folder, f"{name}{again}", name, actors))
                    same = other.content_hash == manifest.content_hash and other.shards == manifest.shards
                    print(f"  {actors} actor(s), another folder: {'same' if same else 'OTHER'} content_hash and shards")
    print(f"adult: ({machine()})")


if __name__ == "__main__":
    main(sys.argv[1:])
