"""Builds that are killed whole, by SIGKILL: the same command finishes them, exact, with the bytes of a calm build."""

import random
import time

import pytest

from tests.faults.harness import POINTS, wait_until

pytestmark = pytest.mark.slow

CHAIN = [
    ("model saved", "before"),
    ("chunk staged", "after"),
    ("shard written", "before"),
    ("manifest written", "before"),
]


def test_a_build_killed_at_one_commit_after_another_is_finished(make_bench, calm, prefect_api):
    bench = make_bench()
    for point, when in CHAIN:
        bench.start(point=point, when=when, PREFECT_API_URL=prefect_api).kill_at_the_point()
        assert not (bench.place / "out" / "manifest.json").exists()
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


def test_a_kill_throws_away_the_chunks_in_flight_alone(make_bench, prefect_api, tmp_path):
    params = {"seconds": 0.5, "log": str(tmp_path / "log")}
    bench = make_bench(generator={"name": "tests.faults.faulty:Late", "actors": 2, "chunk_rows": 12, "params": params})
    run = bench.start(PREFECT_API_URL=prefect_api)
    wait_until(lambda: len(list(bench.place.rglob("*.rows.arrow"))) >= 4)
    run.kill()
    staged = {int(path.name.split(".")[0]) for path in bench.place.rglob("*.rows.arrow")}
    before = (tmp_path / "log").read_text().split()
    bench.finish(PREFECT_API_URL=prefect_api)
    again = {int(chunk) for chunk in (tmp_path / "log").read_text().split()[len(before) :]}
    assert len(staged) >= 4
    assert not again & staged
    assert len(again & {int(chunk) for chunk in before}) <= 2, "each actor makes one chunk at a time"


def test_a_second_build_of_the_same_output_is_refused_while_the_first_runs(make_bench, prefect_api):
    bench = make_bench()
    first = bench.start(point="source copied", PREFECT_API_URL=prefect_api)
    try:
        first.wait_for_the_point()
        writers = [one.pid for one in first.tree()]
        code, told = bench.start(PREFECT_API_URL=prefect_api).end()
    finally:
        first.kill()
    assert code == 2, told
    assert "out is being written by another build (host " in told
    assert any(f"process {writer}, since " in told for writer in writers)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("modality", ["tables", "texts", "images"])
def test_a_kill_at_any_commit_costs_nothing(make_bench, calm, modality, point, when):
    bench = make_bench(modality)
    bench.start(point=point, when=when).kill_at_the_point()
    assert bench.finish() == calm(modality)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_kills_at_random_moments_cost_nothing(make_bench, calm, random_kills, prefect_api):
    """Kills builds at any moment of their life, up to five times each, until there were so many kills.

    Every fourth build starts a Prefect server of its own, as a user's does; for the others that would cost half the
    time.
    """
    rng = random.Random(random_kills)
    bench, expected = make_bench(), calm("tables")
    begun = time.monotonic()
    assert bench.finish("out0") == expected
    life = time.monotonic() - begun
    kills = builds = 0
    while kills < random_kills:
        builds += 1
        server = {} if builds % 4 == 1 else {"PREFECT_API_URL": prefect_api}
        for _ in range(min(5, random_kills - kills)):
            kills += bench.start(f"out{builds}", **server).kill_after(rng.uniform(0, life))
        assert bench.finish(f"out{builds}", **server) == expected
        print(f"{kills} kills, {builds} builds, all of them exact", flush=True)
