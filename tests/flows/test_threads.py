"""Two builds in two threads of one process: each has its own rows, its own progress, and keeps the other's Ray up."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from prefect.settings import PREFECT_API_URL
from rich.console import Console

from flows.build import build, find_given_plan, use_plan
from flows.commands.console import running
from flows.progress import Build, Listener, current_listener, listen
from generators.random import seeded
from pipelines.dataset.verify import verify
from pipelines.plan.planning import make_plan
from pipelines.storage.folder import Folder
from schemas.spec import Spec, parse
from tests.conftest import ROOT
from tests.in_process import without_engines

LIMIT = 600
"""Seconds that a thread waits for the other one, at most."""


def spec_of(place, name, out, rows, **parts):
    """Write rows of two classes of this name, and return the spec that balances them."""
    path = place / f"{name}.csv"
    lines = [f"{n},{n % 7},{name}-{'rare' if n % 5 == 0 else 'common'}" for n in range(rows)]
    path.write_text("\n".join(["x,y,label", *lines]) + "\n")
    generator = {"name": "resample", "actors": 1, "chunk_rows": 8, **parts.pop("generator", {})}
    output = {"path": str(place / out), "shard_rows": 40}
    rest = {"validate": ["schema"], "generator": generator, "output": output, **parts}
    return parse(Spec, {"name": name, "source": {"path": str(path), "label": "label"}, **rest})


class Ears(Listener):
    """Keeps what it hears, and meets the other build at each step."""

    def __init__(self, meets=lambda: None):
        self.heard, self.classes, self.meets = [], set(), meets

    def started(self, build: Build):
        self.heard.append(("started", build.plan.name))

    def step(self, name):
        self.heard.append(("step", name))
        self.meets()

    def filling(self, plan, actors):
        self.heard.append(("filling", plan.name, actors))

    def filled(self, progress):
        self.classes.add(progress.name)

    def ended(self, manifest):
        self.heard.append(("ended", manifest.name))


def built(spec, ears):
    """Build as the command line does; return the manifest and the lines that were shown."""
    shown = io.StringIO()
    plan = make_plan(spec)
    with running(Console(file=shown, width=200), spec, plan), listen(ears):
        return build(spec), shown.getvalue()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_two_builds_in_two_threads_have_each_their_own(tmp_path, times):
    makes = {"left": {"rows": 60, "seed": 1}, "right": {"rows": 90, "seed": 2, "generator": {"chunk_rows": 11}}}
    alone = {}
    for name, parts in makes.items():
        ears = Ears()
        with without_engines():
            alone[name] = built(spec_of(tmp_path, name, f"{name}-alone", **parts), ears)[0], ears.heard
    for number in range(times):
        together = Barrier(2, timeout=LIMIT)
        ears = {name: Ears(together.wait) for name in makes}
        specs = {name: spec_of(tmp_path, name, f"{name}-{number}", **parts) for name, parts in makes.items()}
        with ThreadPoolExecutor(2) as threads:
            under_way = {name: threads.submit(built, specs[name], ears[name]) for name in makes}
        for name, future in under_way.items():
            manifest, shown = future.result()
            expected, heard = alone[name]
            assert manifest == expected, "the very rows, counts and shards"
            assert verify(specs[name].output.path).problems == []
            assert ears[name].heard == heard
            assert ears[name].classes == {f"{name}-rare"}
            other = next(one for one in makes if one != name)
            assert f"class '{name}-rare': " in shown
            assert other not in shown


def test_a_plan_at_hand_is_that_of_its_spec_alone(tmp_path):
    spec = spec_of(tmp_path, "left", "out", 60)
    plan = make_plan(spec)
    with use_plan(spec, plan):
        assert find_given_plan(spec) is plan
        assert find_given_plan(spec.model_copy(deep=True)) is plan
        elsewhere = {"output": spec.output.model_copy(update={"path": str(tmp_path / "other")})}
        for change in ({"seed": 9}, {"name": "other"}, elsewhere):
            assert find_given_plan(spec.model_copy(update=change)) is None, change
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(find_given_plan, spec).result() is None, "it is no other thread's"
    assert find_given_plan(spec) is None


def test_a_listener_hears_nothing_of_another_thread():
    ears = Ears()
    with listen(ears), ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: current_listener().step("theirs")).result()
        current_listener().step("ours")
    current_listener().step("later")
    assert ears.heard == [("step", "ours")]


def test_global_random_state_is_lent_to_one_thread_at_a_time():
    inside, go, order = Event(), Event(), []

    def first():
        with seeded(1) as rng:
            inside.set()
            assert go.wait(LIMIT)
            order.append("first")
            return rng.random(), draw()

    def second():
        with seeded(2) as rng:
            order.append("second")
            return rng.random(), draw()

    def draw():
        import numpy as np

        return np.random.random(4).tolist()

    with seeded(1) as rng:
        alone = rng.random(), draw()
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first)
        assert inside.wait(LIMIT)
        two = threads.submit(second)
        go.set()
        assert one.result() == alone
        assert two.result() != alone
    assert order == ["first", "second"]


def test_a_relative_path_is_looked_for_where_the_process_is_now(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Folder("out").write("file", name.encode())
    assert [(tmp_path / name / "out" / "file").read_text() for name in ("one", "two")] == ["one", "two"]


OVERLAP = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
import ray
from flows.build import build
from flows.progress import Listener, listen
from schemas.spec import Spec, parse

joined, over = Event(), Event()

class First(Listener):
    def joined(self, dashboard):
        joined.set()

class Second(Listener):
    def filling(self, plan, actors):
        assert over.wait(600)
        assert ray.is_initialized()

def run(spec, ears):
    try:
        with listen(ears):
            return build(spec).content_hash
    finally:
        joined.set(), over.set() if isinstance(ears, First) else None

if sys.argv[2] == "at once":
    joined.set(), over.set()
left, right = (parse(Spec, one) for one in json.loads(sys.argv[1]))
with ThreadPoolExecutor(2) as threads:
    first = threads.submit(run, left, First())
    assert joined.wait(600)
    second = threads.submit(run, right, Second())
print(json.dumps([first.result(), second.result(), ray.is_initialized()]))
"""


def both(place, when, **environment):
    """Build two specs in two threads of a process of their own; return their content hashes."""
    specs = [spec_of(place, name, f"{name}-out", rows) for name, rows in (("left", 40), ("right", 60))]
    plain = json.dumps([json.loads(one.model_dump_json(by_alias=True)) for one in specs])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_ADDRESS", "PREFECT_API"))}
    done = subprocess.run(
        [sys.executable, "-c", OVERLAP, plain, when],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *hashes, up = json.loads(done.stdout.splitlines()[-1])
    assert not up, "the last one ended Ray"
    return hashes


def alone(place):
    """Build the same specs one after another, in this process."""
    with without_engines():
        return [
            build(spec_of(place, name, f"{name}-a", rows)).content_hash for name, rows in (("left", 40), ("right", 60))
        ]


@pytest.mark.usefixtures("engine")
def test_the_build_that_ends_first_leaves_ray_to_the_other(tmp_path):
    assert both(tmp_path, "one after the other", PREFECT_API_URL=PREFECT_API_URL.value()) == alone(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_two_builds_that_begin_at_once_share_a_server_of_their_own(tmp_path):
    patience = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(LIMIT // 2)}
    assert both(tmp_path, "at once", PREFECT_HOME=str(tmp_path / "home"), **patience) == alone(tmp_path)
