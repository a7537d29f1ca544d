"""SMS texts balanced to the larger class: exact counts, the same bytes with 1 and 2 actors, and no near-duplicates.

The last is checked by itself: shingles of three words, every made text against every other text that shares one.
Then the throughput of `edit`: two actors against its bare loop in one process.
"""

import re
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.plan.model_view import to_model
from pipelines.plan.planning import make_plan
from pipelines.plan.registry import make_generator
from pipelines.plan.stream import chunk_request
from pipelines.source import read_source
from pipelines.source.strata import stratum_column
from schemas.arrow import STRATUM
from schemas.spec import Spec, parse
from tests.benchmarks.common import machine, timed_build
from tests.conftest import ROOT

SMS = ROOT.parent / "shared" / "data" / "sms" / "sms.tsv"
THRESHOLD, EDITS = 0.8, 1_000_000


def sms_spec(folder: Path, name: str, generator: str, actors: int, **parts: object) -> Spec:
    """Return the spec of the issue, everything else left to the defaults."""
    source = {"path": str(SMS), "label": "label", "text": "text", "header": ["label", "text"]}
    choice = {"name": generator, "actors": actors}
    output = {"path": str(folder / name)}
    return parse(Spec, {"name": "sms", "source": source, "generator": choice, "output": output, **parts})


def closest(table: pa.Table) -> float:
    """Return the largest Jaccard similarity of a made text to any other text."""
    sets = [_shingles(text) for text in table["text"].to_pylist()]
    made = [row for row, origin in enumerate(table["_origin"].to_pylist()) if origin != "real"]
    holders = defaultdict(list)
    for row, shingles in enumerate(sets):
        for shingle in shingles:
            holders[shingle].append(row)
    largest = 0.0
    for row in made:
        near = {other for shingle in sets[row] for other in holders[shingle]} - {row}
        largest = max([largest, *(len(sets[row] & sets[o]) / len(sets[row] | sets[o]) for o in near)])
    return largest


def _shingles(text: str) -> set[str]:
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    return {" ".join(words[n : n + 3]) for n in range(max(1, len(words) - 2))}


def throughput(folder: Path) -> None:
    """Print the rows a second of two actors and of the bare loop."""
    spec = sms_spec(folder, "fast", "edit", 2, balance={"target": {"spam": EDITS}}, validate=[])
    plan = make_plan(spec)
    table = pa.concat_tables(read_source(spec.source, plan.profile))
    generator = make_generator(plan.generator)
    generator.fit(to_model(table.append_column(STRATUM, stratum_column(table, plan.by)), plan), STRATUM, 0)
    stratum, start, done, writer = plan.stratum("spam"), time.perf_counter(), 0, None
    while done < EDITS // 4:
        made = generator.sample(chunk_request(0, stratum, done // stratum.chunk_rows))
        writer = writer or pq.ParquetWriter(folder / "bare.parquet", made.schema)
        writer.write_table(made)
        done += made.num_rows
    writer.close()
    bare = done / (time.perf_counter() - start)
    for validate, rows in (([], EDITS), (None, EDITS // 20)):
        spec = sms_spec(folder, f"fast{validate}", "edit", 2, balance={"target": {"spam": rows}}, validate=validate)
        rate = timed_build(spec)[1].fill_rate()
        told = "the default validators" if validate is None else "no validator"
        print(f"edit: {rate:,.0f} rows/s with {told}, bare loop {bare:,.0f}: ratio {rate / bare:.2f}")


def main(names: list[str]) -> None:
    """Build with each generator and each number of actors, check, and measure."""
    if not SMS.exists():
        raise SystemExit(f"needs the SMS texts at {SMS}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in names or ["edit", "causal_lm"]:
            start = time.perf_counter()
            builds = [timed_build(sms_spec(folder, f"{name}{n}", name, n))[0] for n in (1, 2)]
            seconds = (time.perf_counter() - start) / 2
            made = {label: counts.real + counts.synthetic for label, counts in builds[0].counts.items()}
            same = "same" if len({m.content_hash for m in builds}) == 1 else "OTHER"
            near = closest(pq.read_table(folder / f"{name}1" / "data"))
            tried, kept = builds[0].attempts["spam"], builds[0].counts["spam"].synthetic
            print(f"{name}: {made}, {kept:,} of {tried:,} candidates, {same} content_hash, {seconds:.0f} s a build")
            print(f"  largest similarity of a made text to another {near:.3f}, threshold {THRESHOLD}")
        throughput(folder)
    print(f"sms: ({machine()})")


if __name__ == "__main__":
    main(sys.argv[1:])
