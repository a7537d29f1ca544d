"""Runs real builds by the command line, kills them whole, and checks what a later run of the same command gives."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from pipelines.dataset.ownership import OWNER
from pipelines.dataset.publish import read_manifest
from pipelines.dataset.verify import verify
from pipelines.storage.folder import Folder
from pipelines.storage.lock import GUARD, RECORD
from tests.conftest import ROOT
from tests.terminal import Terminal
from tests.waiting import LIMIT, wait_until

POINTS = {
    "source copied": r"/real/files\.json$",
    "model saved": r"/models/[0-9a-f]{64}$",
    "model recorded": r"/models/[0-9a-f]{64}/fitted\.json$",
    "chunk staged": r"/staged/.*\.rows\.arrow$",
    "classes full": r"/filled/accepted\.arrow$",
    "shard written": r"/publish/data/.*\.parquet$",
    "ledger written": r"/\.makeweight/ledger\.json$",
    "shard moved": r"/out\d*/data/.*\.parquet$",
    "card moved": r"/out\d*/README\.md$",
    "report moved": r"/out\d*/report\.html$",
    "description moved": r"/out\d*/croissant\.json$",
    "manifest written": r"/out\d*/manifest\.json$",
}
"""Where a build commits: the name that a file or a folder gets then."""
NTH = {"chunk staged": 2, "shard written": 2, "shard moved": 2}


@dataclass
class Run:
    """A build that is under way, as a user starts it."""

    process: subprocess.Popen
    reached: Path

    def tree(self) -> list[psutil.Process]:
        """Return the build's process, and all that it started."""
        try:
            driver = psutil.Process(self.process.pid)
            return [driver, *driver.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Kill all of it at once: halted first, so that none starts another meanwhile."""
        halted: dict[int, psutil.Process] = {}
        while new := [process for process in self.tree() if process.pid not in halted]:
            for process in new:
                halted[process.pid] = process
                signal_to(process, signal.SIGSTOP)
        for process in halted.values():
            signal_to(process, signal.SIGKILL)
        self.process.wait()
        _, alive = psutil.wait_procs(list(halted.values()), timeout=LIMIT)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], (
            "a process is left behind"
        )

    def pause(self) -> None:
        """Halt all of it, as a laptop that falls asleep does."""
        halted: set[int] = set()
        while new := [process for process in self.tree() if process.pid not in halted]:
            for process in new:
                halted.add(process.pid)
                signal_to(process, signal.SIGSTOP)

    def wake(self) -> None:
        """Let all of it go on."""
        for process in self.tree():
            signal_to(process, signal.SIGCONT)

    def wait_for_the_point(self) -> None:
        """Wait until it halts at its point."""
        wait_until(lambda: self.reached.exists() or self.process.poll() is not None)
        assert self.reached.exists(), f"never got to the point: {self.told()}"

    def kill_at_the_point(self) -> None:
        """Wait until it halts at its point, and kill it there."""
        self.wait_for_the_point()
        self.kill()

    def kill_after(self, seconds: float) -> bool:
        """Kill it after so many seconds; return whether it was still at work then."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            return False
        self.kill()
        return True

    def actors(self) -> list[psutil.Process]:
        """Return the actors that make rows."""
        return [process for process in self.tree() if "ray::GeneratorActor" in " ".join(command(process))]

    def told(self) -> str:
        """Wait for the end, and return what it printed."""
        return self.process.communicate(timeout=LIMIT)[0]

    def end(self) -> tuple[int, str]:
        """Wait for the end, and return its exit code and what it printed; whatever hangs is killed."""
        try:
            told = self.told()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.process.returncode, told


def signal_to(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Bench:
    """A folder with a source and its spec, and the builds from it."""

    def __init__(self, place: Path, spec: dict, prefect_home: Path) -> None:
        self.place, self._spec, self._home = place, spec, prefect_home
        self._runs: list[Run] = []

    def spec_file(self, out: str) -> Path:
        """Return the spec of a build into the folder `out`."""
        path = self.place / f"{out}.yaml"
        path.write_text(json.dumps(self._spec | {"output": {"path": out} | self._spec.get("output", {})}))
        return path

    def start(self, out="out", point="", when="before", program=("-m", "flows.cli"), **environment) -> Run:
        """Start a build into the folder `out`, which halts at the point, if one is given."""
        settings, reached = self._settings(point, when, environment)
        process = subprocess.Popen(
            [*self._command(out, program=program), "--json"],
            env=settings,
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._runs.append(Run(process, reached))
        return self._runs[-1]

    def at_a_terminal(self, out="out", point="", when="before", verb="build", **environment) -> tuple[Terminal, Path]:
        """Start a build at a terminal of its own; return it, and the file that says that it halts at the point."""
        settings, reached = self._settings(point, when, environment)
        terminal = Terminal(self._command(out, verb), env=settings, cwd=self.place)
        self._runs.append(Run(terminal.process, reached))
        return terminal, reached

    def _command(self, out: str, verb: str = "build", program: tuple[str, ...] = ("-m", "flows.cli")) -> list[str]:
        return [sys.executable, *program, verb, str(self.spec_file(out))]

    def _settings(self, point: str, when: str, environment: dict[str, str]) -> tuple[dict[str, str], Path]:
        """Return the environment of a build, and the file that will say that it got to the point."""
        reached = self.place / f"reached{len(self._runs)}"
        paths = [Path(__file__).parent / "stall", self.place, ROOT]
        faults = {"FAULT_POINT": POINTS[point], "FAULT_NTH": str(NTH.get(point, 1))} if point else {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FAULT_", "PREFECT_API"))}
        settings = {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PREFECT_HOME": str(self._home),
            "FAULT_WHEN": when,
            "FAULT_REACHED": str(reached),
        }
        return kept | settings | faults | environment, reached

    def close(self) -> None:
        """Kill the builds that a failed test left at work."""
        for run in self._runs:
            if run.process.poll() is None:
                run.kill()

    def finish(self, out="out", **environment) -> str:
        """Run the command to its end, check the dataset, and return its content hash."""
        code, told = self.start(out, **environment).end()
        assert code == 0, told
        return self.check(out)

    def check(self, out="out") -> str:
        """Check that the dataset is exact and whole, with nothing left beside it; return its content hash."""
        folder = self.place / out
        assert verify(str(folder)).problems == []
        manifest = read_manifest(Folder(str(folder)))
        assert manifest is not None
        assert {counts.real + counts.synthetic - counts.target for counts in manifest.counts.values()} == {0}
        ids = pq.read_table([folder / shard.path for shard in manifest.shards], columns=["_id"])["_id"].to_pylist()
        assert len(set(ids)) == len(ids) == sum(counts.target for counts in manifest.counts.values())
        assert sorted(path.name for path in folder.iterdir()) == [
            ".makeweight",
            "README.md",
            "croissant.json",
            "data",
            "manifest.json",
            "report.html",
        ]
        assert len(list((folder / "data").iterdir())) == len(manifest.shards)
        hidden = {path.name for path in (folder / ".makeweight").iterdir()}
        # a build that is killed when all is done leaves its lock, which the next to write takes over
        assert hidden <= {"models", OWNER, GUARD, RECORD}, f"left behind: {hidden}"
        models = [path.name for path in (folder / ".makeweight" / "models").iterdir()]
        assert models == [manifest.model_fingerprint], f"left behind: {models}"
        return manifest.content_hash
