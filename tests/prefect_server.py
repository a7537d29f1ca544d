"""A real Prefect server with makeweight's deployments, and a worker that serves them; both end with the block."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import yaml
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.waiting import LIMIT, wait_until

ROOT = Path(__file__).parents[1]
PREFECT = str(Path(sys.executable).parent / "prefect")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def environment(home, **more):
    """Return an environment in which Prefect keeps all below `home`, and nothing calls out."""
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | quiet | {"PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "INFO"} | more


@contextmanager
def running(command, env, log):
    """Run a program in the background, its output in a file, and end it with the block."""
    with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=log.parent) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def prefect_server(home, slot_wait=1):
    """Give the address of a server's API; it answers already. Who waits for a slot asks again after `slot_wait` s."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = environment(
        home,
        PREFECT_SERVER_UI_API_URL=api,
        PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS=str(slot_wait),
    )
    command = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, env, home / "server.log") as process:
        wait_until(lambda: answers(f"{api}/health"), process, saw=lambda: (home / "server.log").read_text())
        yield api


def answers(address):
    """Whether a server answers as it should."""
    try:
        return httpx.get(address).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def pointed_at(api):
    """Let Prefect's client in this process use that server; what it has still to tell another one is told first."""
    EventsWorker.drain_all(timeout=LIMIT)
    with temporary_settings({PREFECT_API_URL: api}):
        yield
        EventsWorker.drain_all(timeout=LIMIT)


def deploy(api, home):
    """Make the work pool and put up the deployments of infra/prefect.yaml, by the commands that the file names."""
    env = environment(home, PREFECT_API_URL=api)
    for words in (
        ["work-pool", "create", "makeweight", "--type", "process", "--base-job-template", "infra/work-pool.json"],
        ["--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml"],
    ):
        done = subprocess.run([PREFECT, *words], env=env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def policy(*folders, **more):
    """Give the path of a policy that lets requests read and write these folders; it lies in none of them itself."""
    usual = {"read": [*map(str, folders), "/nowhere"], "write": [*map(str, folders)]}
    with TemporaryDirectory() as place:
        path = Path(place, "policy.yaml")
        path.write_text(yaml.safe_dump({**usual, **more}))
        yield str(path)


@contextmanager
def worker(api, home, look_seconds=1, **more):
    """Run a worker that looks for work so often."""
    env = environment(home, PREFECT_API_URL=api, PREFECT_WORKER_QUERY_SECONDS=str(look_seconds), **more)
    with running([PREFECT, "worker", "start", "--pool", "makeweight"], env, home / "worker.log"):
        yield
