"""How long the web page over many builds takes: to write, and until a browser shows it.

python -m tests.benchmarks.site [BUILDS] [FOLDER]: writes manifests and empty shards for so many builds (500), not the
builds themselves, and opens the page in headless Chromium, several times, each with an empty cache.
"""

import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipelines.report.site import write_site
from schemas.evaluation import Evaluation, Interval, Utility, Verdict
from schemas.manifest import MANIFEST, ClassCounts, Manifest, Shard
from schemas.privacy import Figure, Privacy, PrivacyFindings
from tests.benchmarks.common import machine

RUNS = 7
KINDS = {"tabular": ["autoregressive", "ctgan", "smote"], "text": ["edit", "causal_lm"], "image": ["augment", "gan"]}
FIRST_VIEW = """() => {
  const [navigation] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return {paint: paint.startTime, interactive: navigation.domInteractive, loaded: navigation.loadEventEnd};
}"""
SORT = """async () => {
  const start = performance.now();
  document.querySelectorAll("th button")[3].click();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""


def write_builds(folder: Path, builds: int) -> None:
    """Write manifests, empty shards and some evaluations, as builds would leave them."""
    rng = np.random.default_rng(0)
    for number in range(builds):
        modality = list(KINDS)[number % 3]
        names = [f"class {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[: rng.integers(2, 13)]]
        before = {name: int(rows) for name, rows in zip(names, 20_000 * rng.random(len(names)) ** 3 + 10, strict=True)}
        place = folder / modality / f"{modality}-{number // 5:03d}"
        place = place / f"v{number % 5 + 1:05d}" if number % 10 < 5 else folder / modality / f"nightly-{number:04d}"
        _write_build(place, number, modality, before, str(rng.choice(KINDS[modality])))


def _write_build(place: Path, number: int, modality: str, before: dict[str, int], generator: str) -> None:
    most = max(before.values())
    rows = most * len(before)
    shards = [
        Shard(path=f"data/train-{n:05d}-of-00002.parquet", split="train", rows=part, bytes=part, sha256="0" * 64)
        for n, part in enumerate((rows // 2, rows - rows // 2))
    ]
    manifest = Manifest(
        name=place.parent.name if place.name.startswith("v0") else place.name,
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=number % 7,
        modality=modality,
        by=["kind"],
        label="kind",
        generator=generator,
        origin="synthetic",
        model_fingerprint="7" * 64,
        columns=[],
        counts={name: ClassCounts(real=real, synthetic=most - real, target=most) for name, real in before.items()},
        source_counts=before,
        rejections={},
        attempts={},
        shards=shards,
        content_hash=f"{number:064d}",
        versions={},
        privacy=_privacy(number) if number % 4 == 0 else None,
    )
    (place / "data").mkdir(parents=True)
    for shard in shards:
        with (place / shard.path).open("wb") as file:
            file.truncate(shard.bytes)
    if number % 97 == 13:
        (place / shards[0].path).unlink()
    (place / "report.html").write_text("<!DOCTYPE html><title>report</title>")
    if number % 3 == 0:
        (place / "evaluation.json").write_text(_evaluation(manifest, number).model_dump_json())
        (place / "evaluation.html").write_text("<!DOCTYPE html><title>evaluation</title>")
    (place / MANIFEST).write_text(manifest.model_dump_json())


def _privacy(number: int) -> PrivacyFindings:
    figure = Figure(name="attack_auc", value=0.5, low=0.49, high=0.51, limit=0.6 if number % 8 else None)
    return PrivacyFindings(asked=Privacy(), figures=[figure])


def _evaluation(manifest: Manifest, number: int) -> Evaluation:
    helps = (True, False, None)[number // 3 % 3]
    zero = Interval(mean=0.5)
    return Evaluation(
        key="k",
        content_hash=manifest.content_hash,
        utility=Utility(
            measure="balanced_accuracy",
            seeds=1,
            classifiers=["forest"],
            minority=[],
            rows={},
            figures=[],
            differences=[],
            verdict=Verdict(helps=helps, sentence=f"So it is: balanced accuracy {zero.mean}."),
            notes=[],
        ),
    )


@contextmanager
def browser() -> Iterator[Any]:
    """Give headless Chromium, which asks nobody for anything."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-gpu"]
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=quiet)
        yield chromium
        chromium.close()


def measure(page: Path, runs: int = RUNS) -> dict[str, float]:
    """Return milliseconds of the first view, and of a sort, the median of several; the slowest first view too."""
    views = []
    with browser() as chromium:
        for _ in range(runs):
            context = chromium.new_context(viewport={"width": 1280, "height": 800})
            tab = context.new_page()
            tab.goto(page.as_uri(), wait_until="load")
            tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
            views.append({**tab.evaluate(FIRST_VIEW), "sort": tab.evaluate(SORT)})
            context.close()
    told = {name: round(statistics.median(view[name] for view in views), 1) for name in views[0]}
    return {**told, "slowest paint": round(max(view["paint"] for view in views), 1)}


def main(builds: int, folder: Path) -> None:
    """Write the builds and the page, open it, and print what was measured."""
    write_builds(folder, builds)
    start = time.perf_counter()
    site = write_site([str(folder)])
    told = {"machine": machine(), "builds": site.builds, "write seconds": round(time.perf_counter() - start, 2)}
    page = Path(site.page)
    print(json.dumps({**told, "page bytes": page.stat().st_size, "milliseconds": measure(page)}, indent=2))


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with TemporaryDirectory() as temporary:
            main(number, Path(temporary))
