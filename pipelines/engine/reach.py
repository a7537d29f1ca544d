"""Whether a Ray cluster answers at an address: found out within seconds, told in words. Knows no Ray but its command.

Ray itself waits for minutes for an address that does not answer, and then ends the whole process.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.plan.machine import ADDRESS
from schemas.errors import Fault, MakeweightError, SpecError

NODES = "MAKEWEIGHT_WAIT_FOR_NODES"
"""The environment variable that says the cluster grows on demand, and how many seconds a build waits for its nodes."""
PATIENCE = 10.0
"""Seconds that a cluster has to take a connection, as when its head is just starting."""
ANSWER = 20.0
"""Seconds that it has to answer as Ray does."""
NEXT = f"see that the cluster runs and that {ADDRESS} names its head (host:6379), or unset {ADDRESS} to build here"


def ray_folder() -> str:
    """Return where Ray keeps what it needs on this machine, as it finds it itself."""
    above = os.environ.get("RAY_TMPDIR") or (sys.platform.startswith("linux") and os.environ.get("TMPDIR")) or "/tmp"  # noqa: S108
    return os.path.join(above, "ray")


def socket_path(folder: str) -> str:
    """Return a path as long as those of Ray's sockets may be there."""
    return os.path.join(folder, "session_2026-01-01_00-00-00_000000_0000000", "sockets", "plasma_store")


def seconds_for_nodes() -> float | None:
    """Return how long a build waits for nodes of a cluster that grows on demand; nothing for one that is as it is.

    Ray does not tell the one from the other, so whoever runs the cluster says it.
    """
    text = os.environ.get(NODES, "")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", text):
        raise SpecError(Fault((), f"the environment variable {NODES} must be a number of seconds, got {text!r}"))
    return float(text) or None


def refuse_unreachable(address: str) -> None:
    """Raise MakeweightError unless a Ray cluster answers at the address (`host:port`)."""
    host, port = _host_and_port(address)
    _connect(address, host, port)
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check"]
    try:  # a process of its own: Ray's client cannot be stopped, and ends the process it is in
        asked = subprocess.run(  # noqa: S603
            [*command, "--address", f"{host}:{port}"], capture_output=True, text=True, timeout=ANSWER
        )
    except subprocess.TimeoutExpired:
        raise _silent(address, f"what listens there does not answer as Ray within {ANSWER:g} s") from None
    if asked.returncode:
        raise _refusal(address, asked.stderr)


def _host_and_port(address: str) -> tuple[str, int]:
    if address.startswith("ray://"):
        problem = f"{ADDRESS} is {address}: a build does not run through Ray's client"
        raise MakeweightError(
            f"{problem}; give the address of the cluster's head (host:6379) on a machine where a node of the cluster"
            " runs, or submit the build as a Ray job"
        )
    found = re.fullmatch(r"\[?([^\[\]@/\s]+?)\]?:(\d{1,5})", address)
    if not found:
        raise MakeweightError(f"{ADDRESS} must be host:port, auto or local, got {address!r}; {NEXT}")
    return found[1], int(found[2])


def _connect(address: str, host: str, port: int) -> None:
    """Wait until something takes a connection there, but not for long."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, port), timeout=max(0.1, end - time.monotonic())).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() + 1 > end or isinstance(error, OverflowError):
                raise _silent(address, str(error)) from None
            time.sleep(1)
        else:
            return


def _refusal(address: str, told: str) -> MakeweightError:
    if "AuthenticationError" in told:
        return MakeweightError(
            f"the Ray cluster at {address} asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the"
            " cluster's token"
        )
    last = [line.strip() for line in told.splitlines() if line.strip()][-1:]
    return _silent(address, last[0] if last else "it gives no reason")


def _silent(address: str, reason: str) -> MakeweightError:
    return MakeweightError(f"no Ray cluster answers at {address}: {reason}; {NEXT}")


@contextmanager
def joining_explained(address: str) -> Iterator[None]:
    """Turn what Ray raises where a cluster cannot be joined into one plain message."""
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        lines = " ".join(str(error).split())
        if "ersion mismatch" not in lines:
            raise MakeweightError(f"the Ray cluster at {address} cannot be joined: {lines[:500]}; {NEXT}") from error
        versions = re.findall(r"Ray: (\S+) Python: (\S+)", lines)
        there, here = (f"Ray {ray} and Python {python}" for ray, python in (versions + [("?", "?")] * 2)[:2])
        raise MakeweightError(
            f"the Ray cluster at {address} runs {there}, this process {here}; give both the same versions:"
            " infra/Containerfile makes one image for all"
        ) from error
