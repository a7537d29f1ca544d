"""A million rows from a cheap generator: two actors with validation, staging and shuffled shards, against a bare loop.

The bare loop is what one would write by hand: the same generator in one process, straight into one Parquet file, with
no check, no provenance and no order.
"""

import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.plan.model_view import to_model
from pipelines.plan.planning import make_plan
from pipelines.plan.stream import chunk_request
from pipelines.source import read_source
from schemas.arrow import STRATUM
from tests.benchmarks.cheap import Cheap, CheapParams
from tests.benchmarks.common import CHEAP, machine, make_spec, timed_build, write_source


def bare_loop(spec, rows, path):
    """Return the rows per second of the loop by hand."""
    plan = make_plan(spec)
    table = pa.concat_tables(read_source(spec.source, plan.profile))
    table = table.append_column(STRATUM, table["label"])
    generator = Cheap(CheapParams())
    generator.fit(to_model(table, plan), STRATUM, 0)
    stratum = plan.stratum("rare")
    start = time.perf_counter()
    done, chunk, writer = 0, 0, None
    while done < rows:
        made = generator.sample(chunk_request(0, stratum, chunk))
        writer = writer or pq.ParquetWriter(path, made.schema)
        writer.write_table(made)
        done, chunk = done + made.num_rows, chunk + 1
    writer.close()
    return done / (time.perf_counter() - start)


def main(rows: int = 1_000_000, rounds: int = 3) -> None:
    """Measure both in turn, and print the ratio."""
    from pipelines.engine import actors

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_source(folder / "source.csv")
        ratios = []
        for number in range(rounds):
            spec = make_spec(
                folder,
                f"build{number}",
                balance={"target": {"rare": rows}},
                generator={"name": CHEAP, "actors": 2},
                validate=["schema", "duplicates"],
            )
            bare = bare_loop(spec, rows, folder / "bare.parquet")
            with actors.join_cluster(spec.generator):
                manifest, watch = timed_build(spec)
            made = manifest.counts["rare"].synthetic
            fill, write = made / watch.fill_rate(), watch.seconds("write", "report")
            print(f"bare loop {bare:,.0f} rows/s; two actors: {made / fill:,.0f} while they fill,", end=" ")
            print(
                f"{made / (fill + write):,.0f} with the shuffled shards; {watch.seconds('fill', 'write'):.1f} s of",
                end=" ",
            )
            print(f"filling and {write:.1f} s of writing, the start of the actors counted")
            ratios.append((made / fill / bare, made / (fill + write) / bare))
    filling, whole = (sorted(part)[rounds // 2] for part in zip(*ratios, strict=True))
    print(f"throughput: {filling:.2f} x the bare loop while filling, {whole:.2f} x with the shards ({machine()})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
