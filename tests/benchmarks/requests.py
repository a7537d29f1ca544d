"""Fifty requests at once, of which two may run: whether all finish, none is lost, and never more than two run.

A real Prefect server (SQLite) with the deployments of infra/prefect.yaml, and one process worker. Counted are the
server's own records and the builds' own times: when each began its log, and when its manifest was written. With
`--cluster` the builds join one Ray that is there already; else each starts its own.
"""

import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deployed.deployments import submit_request, wait_for_request
from pipelines.dataset.verify import verify
from tests.benchmarks.common import machine, make_spec, write_source
from tests.prefect_server import deploy, environment, free_port, policy, prefect_server, running, worker

REQUESTS, SLOT_WAIT, LOOK = 50, 30, 10
"""The last two are Prefect's defaults: seconds until who found no slot asks again, and between a worker's looks."""
RAY = str(Path(sys.executable).parent / "ray")


@contextmanager
def ray_cluster(home: Path):
    """Give what a worker's environment needs to join a Ray with four CPUs on the loopback interface."""
    port, token = free_port(), {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}
    command = [RAY, "start", "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=4"]
    command += ["--include-dashboard=false", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"]
    with running(command, environment(home, **token), home / "ray.log"):
        for _ in range(600):
            if "Ray runtime started" in (home / "ray.log").read_text():
                break
            time.sleep(0.1)
        yield {"RAY_ADDRESS": f"127.0.0.1:{port}", **token}


def most_at_once(spans) -> int:
    """Return how many of the spans (beginning, end) overlap at most; one that begins as another ends does not."""
    events = sorted(((moment, step) for begin, end in spans for moment, step in ((begin, 1), (end, -1))))
    now = most = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


def by_the_server(states, names):
    """Return when a run was in these states, from its states in order."""
    began = next(state.timestamp for state in states if state.type.value in names)
    return began.timestamp(), states[-1].timestamp.timestamp()


def by_the_build(client, request):
    """Return when the build's process began its log, and when its manifest was written."""
    lines = client.read_logs(log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(request.id)])), limit=200)
    began = min(line.timestamp for line in lines if line.message.startswith("Beginning flow run"))
    return began.timestamp(), os.stat(os.path.join(request.dataset, "manifest.json")).st_mtime


def put_in(spec, api: str):
    """Put a request in, from a thread of its own."""
    with temporary_settings({PREFECT_API_URL: api}):
        return submit_request(spec, False)


def main() -> None:
    """Put the requests in, wait for all of them, and print what was counted."""
    many, joined = int(os.environ.get("MAKEWEIGHT_REQUESTS", REQUESTS)), "--cluster" in sys.argv
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        write_source(home / "source.csv", 300)
        api = stack.enter_context(prefect_server(home, SLOT_WAIT))
        deploy(api, home)
        stack.enter_context(temporary_settings({PREFECT_API_URL: api}))
        ray = stack.enter_context(ray_cluster(home)) if joined else {}
        rules = stack.enter_context(policy(home))
        stack.enter_context(worker(api, home, LOOK, MAKEWEIGHT_POLICY=rules, **ray))
        parts = {"generator": {"name": "resample", "actors": 1}, "validate": ["schema"]}
        specs = [make_spec(home, f"request{number:02}", **parts) for number in range(many)]
        start = time.time()
        with ThreadPoolExecutor(many) as at_once:
            asked = list(at_once.map(put_in, specs, [api] * many))
        taken = time.time() - start
        done = [wait_for_request(request, lambda _: None) for request in asked]
        report(done, taken, time.time() - start, joined)


def report(done, taken: float, spent: float, joined: bool) -> None:
    """Print how the requests ended, and how many ran at a time."""
    with get_client(sync_client=True) as client:
        states = [sorted(client.read_flow_run_states(UUID(one.id)), key=lambda s: s.timestamp) for one in done]
        own = most_at_once([by_the_build(client, one) for one in done if one.dataset])
    ended = dict(Counter(one.state for one in done))
    sound = sum(one.dataset is not None and not verify(one.dataset).problems for one in done)
    runs = most_at_once([by_the_server(each, {"RUNNING"}) for each in states])
    held = most_at_once([by_the_server(each[-3:], {"PENDING", "RUNNING"}) for each in states])
    ray = "one Ray for all" if joined else "a Ray for each"
    print(f"requests: {len(done)} at once, taken in {taken:.1f} s, limit 2, {ray}: {ended}, {sound} datasets sound")
    print(f"requests: at most {runs} ran by the server's records, {own} by the builds' own times; {held} held a slot")
    print(f"requests: {spent:.0f} s in all, {spent / len(done):.1f} s a request ({machine()})")


if __name__ == "__main__":
    main()
