"""A top-up of Adult after 1% of its rows are new, beside a full build of the same rows: what of the work is left."""

import tempfile
from itertools import pairwise
from pathlib import Path

from pipelines.dataset.verify import verify
from schemas.manifest import Manifest
from schemas.spec import Spec, parse
from tests.benchmarks.common import Stopwatch, machine, timed_build
from tests.conftest import ROOT

TRAIN = ROOT.parent / "shared" / "data" / "adult" / "train.csv"
STEPS = ("ingest", "fit", "fill", "write", "report", "done")


def spec_of(folder: Path, name: str, versions: bool) -> Spec:
    """Return a spec that balances the table to its larger class by the default generator."""
    source = {"path": str(folder / "adult.csv"), "label": "income"}
    output = {"path": str(folder / name), **({"versions": {}} if versions else {})}
    return parse(Spec, {"name": "adult", "source": source, "generator": {"actors": 2}, "output": output})


def told(name: str, manifest: Manifest, watch: Stopwatch) -> float:
    """Print what a build cost, and return the seconds of its steps."""
    spans = {first: watch.seconds(first, last) for first, last in pairwise(STEPS)}
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in spans.items())
    print(f"{name}: {manifest.attempts['>50K']:,} candidates; {sum(spans.values()):.1f} s ({steps})")
    return sum(spans.values())


def main() -> None:
    """Build all but 1% of the rows, then the top-up; and all rows anew in a folder of their own."""
    if not TRAIN.exists():
        raise SystemExit(f"needs the Adult table at {TRAIN}")
    lines = TRAIN.read_text().splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "adult.csv").write_text("".join(lines[: 1 + round(0.99 * (len(lines) - 1))]))
        timed_build(spec_of(folder, "series", True))
        (folder / "adult.csv").write_text("".join(lines))
        top_up, spent = timed_build(spec_of(folder, "series", True))
        full, whole = timed_build(spec_of(folder, "full", False))
        assert not verify(str(folder / "series")).problems
        counts = {name: one.real + one.synthetic for name, one in top_up.counts.items()}
        assert counts == {name: one.target for name, one in top_up.counts.items()}
        ratio = told("top-up", top_up, spent) / told("full build", full, whole)
        made = {"top-up": spent.seconds("fit", "write"), "full": whole.seconds("fit", "write")}
        tried, spans = top_up.attempts[">50K"] / full.attempts[">50K"], made["top-up"] / made["full"]
        print(f"top-up: {tried:.1%} of the candidates, {spans:.1%} of the time of fit and fill,")
        print(f"  {ratio:.1%} of all steps' ({machine()})")


if __name__ == "__main__":
    main()
