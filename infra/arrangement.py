"""Starts all that infra/compose.yaml holds, without containers, on this machine: a stand for trying and for tests.

Postgres for Prefect, a Prefect server and a worker, a Ray cluster of two nodes, and an S3 server, each on a free port.
`python infra/arrangement.py` prints what to export and runs until Ctrl-C; nothing of it stays. Knows no build.
"""

import os
import pwd
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from pyarrow import fs

ROOT = Path(__file__).resolve().parents[1]
POOL, BUCKET = "makeweight", "makeweight"
SHARED = (
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
)
"""What the Ray nodes and the builds must both have: actors read and write the store themselves."""
START_SECONDS, STOP_SECONDS = 120.0, 20.0
"""Seconds that a part has to start, and to stop before it is killed."""
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
RAY = ["--num-gpus=0", "--object-store-memory=200000000", "--min-worker-port=0", "--max-worker-port=0"]
"""Two nodes share this machine: each takes the ports that are free, and little memory."""


class ArrangementError(Exception):
    """A part did not start; says which, and what it told last."""


@dataclass(frozen=True)
class Arrangement:
    """What runs: where each part answers, and what a build's environment has to hold to use it."""

    prefect: str
    ray: str
    s3: str
    database: str
    environment: Mapping[str, str]


def postgres_binaries() -> Path | None:
    """Return the folder of Postgres's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else found[-1].parent if found else None


@contextmanager
def arrangement(
    folder: Path, *, cpus: int = 1, deployments: Path | None = None, policy: Path | None = None
) -> Iterator[Arrangement]:
    """Start everything for as long as the block lasts; logs and Prefect's home lie in `folder`.

    Each of the two Ray nodes has `cpus`. `deployments` and `policy` are files of one's own in the place of
    infra/prefect.yaml and infra/policy.yaml. Raises ArrangementError if a part does not start.
    """
    parts = _Parts(folder)
    with ExitStack() as ending:
        ending.callback(parts.stop)
        database = _start_postgres(parts, ending)
        server, store, ray = _start_services(parts, ending, database, cpus)
        _make_bucket(store, parts.environment)
        shared = {name: parts.environment[name] for name in SHARED}
        key = {"PREFECT_API_AUTH_STRING": parts.environment["PREFECT_API_AUTH_STRING"]}
        environment = {"PREFECT_API_URL": server, **key, "RAY_ADDRESS": ray, **shared}
        parts.environment |= {**environment, "MAKEWEIGHT_POLICY": str(policy or ROOT / "infra" / "policy.yaml")}
        _start_worker(parts, deployments or ROOT / "infra" / "prefect.yaml")
        yield Arrangement(server, ray, store, database, environment)


class _Parts:
    """The processes of the arrangement, each with its log in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        home = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_CLI_PROMPT": "false"}
        self.environment = {**os.environ, **QUIET, **home}

    def start(self, name: str, command: Sequence[str], user: str | None = None) -> None:
        """Start a part; as `user`, if one is given."""
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (its own parts)
                command,
                env=self.environment,
                cwd="/",
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches this script alone, which stops the parts in their order
                user=user,
                extra_groups=[] if user else None,
            )
        self._running.append((name, process))

    def run(self, name: str, command: Sequence[str], user: str | None = None) -> None:
        """Run a command to its end; raises ArrangementError if it fails."""
        self.start(name, command, user)
        if self._running.pop()[1].wait(START_SECONDS):
            raise ArrangementError(f"{name} failed: {self._last(name)}")

    def wait(self, name: str, answers: Callable[[], bool]) -> None:
        """Wait until a part that was started answers."""
        end = time.monotonic() + START_SECONDS
        while not answers():
            dead = [part for part, process in self._running if part == name and process.poll() is not None]
            if dead or time.monotonic() > end:
                what = "ended" if dead else f"did not answer within {START_SECONDS:g} s"
                raise ArrangementError(f"{name} {what}: {self._last(name)}")
            time.sleep(0.1)

    def told(self, name: str, text: str) -> bool:
        """Whether a part has written `text` to its log."""
        return text in (self._folder / f"{name}.log").read_text(errors="replace")

    def _last(self, name: str) -> str:
        lines = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines if line.strip())[-600:]

    def stop(self) -> None:
        """Stop the parts, the last one first, with all that they started."""
        for _, process in reversed(self._running):
            with suppress(psutil.NoSuchProcess):
                _stop(psutil.Process(process.pid))
            process.wait()
        self._running.clear()


def _stop(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT if "postgres" in process.name() else signal.SIGTERM)
    _, alive = psutil.wait_procs([process], timeout=STOP_SECONDS)
    _, alive = psutil.wait_procs(family, timeout=0 if alive else 2)
    for one in alive:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _start_postgres(parts: _Parts, ending: ExitStack) -> str:
    """Start Postgres with an empty database, and return its address; it refuses to be run by root."""
    programs = postgres_binaries()
    if programs is None:
        raise ArrangementError("Postgres is not installed (Debian: apt-get install postgresql)")
    user = _other_user() if os.geteuid() == 0 else None
    place = Path(ending.enter_context(_folder(ending, parts, "makeweight-postgres-")))
    password, port = secrets.token_hex(16), _free_port()
    (place / "password").write_text(password)
    for path in (place, place / "password"):
        if user:
            shutil.chown(path, user)
    data = str(place / "data")
    access = ["--username=prefect", f"--pwfile={place / 'password'}", "--auth=scram-sha-256"]
    rules = ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    parts.run("initdb", [str(programs / "initdb"), f"--pgdata={data}", *access, *rules], user)
    options = ["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=60"]
    parts.start(
        "postgres", [str(programs / "postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), *options], user
    )
    parts.wait("postgres", lambda: parts.told("postgres", "ready to accept connections"))
    return f"postgresql+asyncpg://prefect:{password}@127.0.0.1:{port}/postgres"


def _folder(ending: ExitStack, parts: _Parts, prefix: str) -> "TemporaryDirectory[str]":
    """Return a folder in the system's own place, which goes when the parts are stopped.

    Postgres's user may not enter every folder, and the names of Ray's sockets must be short.
    """
    made = TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    ending.callback(parts.stop)  # before the folder goes
    return made


def _other_user() -> str:
    """Return a user that is not root to run Postgres as."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _start_services(parts: _Parts, ending: ExitStack, database: str, cpus: int) -> tuple[str, str, str]:
    """Start the Prefect server, the S3 server and the Ray cluster side by side, since each takes seconds."""
    python = [sys.executable, "-m"]
    server, store, head = _free_port(), _free_port(), _free_port()
    key = f"makeweight:{secrets.token_hex(16)}"  # whoever may use Prefect's API may have its workers run anything
    parts.environment |= {
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{server}/api",
        "PREFECT_SERVER_API_AUTH_STRING": key,
        "PREFECT_API_AUTH_STRING": key,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{server}",
        "RAY_AUTH_MODE": "token",  # whoever reaches a Ray cluster may run code on it
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "AWS_ACCESS_KEY_ID": "makeweight",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",  # so that builds and AWS's own tools name s3://makeweight/…
    }
    parts.start("prefect-server", [*python, "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(server)])
    parts.start("s3", [*python, "moto.server", "-H", "127.0.0.1", "-p", str(store)])
    temporary = ending.enter_context(_folder(ending, parts, "mw-ray-"))
    ray = [*python, "ray.scripts.scripts", "start", "--block", f"--num-cpus={cpus}", *RAY]
    agent = f"--dashboard-agent-listen-port={_free_port()}"
    parts.start(
        "ray-head", [*ray, agent, "--head", f"--port={head}", f"--temp-dir={temporary}", "--include-dashboard=false"]
    )
    parts.wait("ray-head", lambda: parts.told("ray-head", "Ray runtime started"))
    agent = f"--dashboard-agent-listen-port={_free_port()}"
    parts.start("ray-worker", [*ray, agent, f"--address=127.0.0.1:{head}"])
    parts.wait("ray-worker", lambda: parts.told("ray-worker", "Ray runtime started"))
    parts.wait("s3", lambda: _answers(f"http://127.0.0.1:{store}/moto-api/"))
    parts.wait("prefect-server", lambda: _answers(f"http://127.0.0.1:{server}/api/health"))
    return f"http://127.0.0.1:{server}/api", f"127.0.0.1:{store}", f"127.0.0.1:{head}"


def _make_bucket(store: str, access: Mapping[str, str]) -> None:
    filesystem = fs.S3FileSystem(
        access_key=access["AWS_ACCESS_KEY_ID"],
        secret_key=access["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=store,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    filesystem.create_dir(BUCKET)


def _start_worker(parts: _Parts, deployments: Path) -> None:
    """Put up the deployments, and start a worker that runs them."""
    prefect = [sys.executable, "-m", "prefect"]
    template = ["--base-job-template", str(ROOT / "infra" / "work-pool.json")]
    parts.run("work-pool", [*prefect, "work-pool", "create", POOL, "--type", "process", *template])
    parts.environment["PREFECT_WORKER_QUERY_SECONDS"] = "2"
    parts.start("worker", [*prefect, "worker", "start", "--pool", POOL, "--name", "arrangement"])
    parts.run("deploy", [*prefect, "--no-prompt", "deploy", "--all", "--prefect-file", str(deployments)])
    parts.wait("worker", lambda: parts.told("worker", "started!"))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the arrangement until Ctrl-C, and print what a shell has to export to use it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts its background jobs deaf to Ctrl-C
        signal.signal(number, _interrupt)
    try:
        with (
            TemporaryDirectory(prefix="makeweight-", ignore_cleanup_errors=True) as folder,
            arrangement(Path(folder)) as made,
        ):
            for name, value in made.environment.items():
                print(f"export {name}={shlex.quote(value)}")
            print(f"# Prefect {made.prefect.removesuffix('/api')}  bucket s3://{BUCKET}  logs {folder}")
            print("# Ctrl-C stops all of it, and what was in the bucket is gone", flush=True)
            signal.pause()
    except ArrangementError as error:
        print(f"arrangement: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
