"""Checks within seconds that a Ray cluster answers at an address. Uses Ray's command line only, and imports no Ray.

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
"""The environment variable for a cluster that grows on demand: the seconds that a build waits for its nodes."""
PATIENCE = 10.0
"""Seconds that a cluster has to accept a connection; its head may be starting."""
ANSWER = 20.0
"""Seconds that a cluster has to pass Ray's health check."""
NEXT = f"see that the cluster runs and that {ADDRESS} names its head (host:6379), or unset {ADDRESS} to build here"


def ray_folder() -> str:
    """Return the folder of Ray's sockets and logs on this machine, by the same rules as Ray."""
    above = os.environ.get("RAY_TMPDIR") or (sys.platform.startswith("linux") and os.environ.get("TMPDIR")) or "/tmp"  # noqa: S108
    return os.path.join(above, "ray")


def longest_socket_path(folder: str) -> str:
    """Return a path as long as the longest path of Ray's sockets in this folder."""
    return os.path.join(folder, "session_2026-01-01_00-00-00_000000_0000000", "sockets", "plasma_store")


def seconds_for_nodes() -> float | None:
    """Return the seconds that a build waits for nodes of a cluster that grows on demand; None for a fixed cluster.

    Ray does not know which of the two a cluster is, so the environment must say it.
    """
    text = os.environ.get(NODES, "")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", text):
        raise SpecError(Fault((), f"the environment variable {NODES} must be a number of seconds, got {text!r}"))
    return float(text) or None


def refuse_unreachable(address: str) -> None:
    """Raise MakeweightError unless a Ray cluster answers at the address (`host:port`)."""
    host, port = _split_address(address)
    _wait_for_connection(address, host, port)
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check"]
    try:  # a process of its own: Ray's client cannot be stopped, and ends the process it is in
        check = subprocess.run(  # noqa: S603
            [*command, "--address", f"{host}:{port}"], capture_output=True, text=True, timeout=ANSWER
        )
    except subprocess.TimeoutExpired:
        raise _silence_error(address, f"what listens there does not answer as Ray within {ANSWER:g} s") from None
    if check.returncode:
        raise _refusal_error(address, check.stderr)


def _split_address(address: str) -> tuple[str, int]:
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


def _wait_for_connection(address: str, host: str, port: int) -> None:
    """Wait until the address accepts a connection; raises MakeweightError after `PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, port), timeout=max(0.1, end - time.monotonic())).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() + 1 > end or isinstance(error, OverflowError):
                raise _silence_error(address, str(error)) from None
            time.sleep(1)
        else:
            return


def _refusal_error(address: str, output: str) -> MakeweightError:
    if "AuthenticationError" in output:
        return MakeweightError(
            f"the Ray cluster at {address} asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the"
            " cluster's token"
        )
    last = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return _silence_error(address, last[0] if last else "it gives no reason")


def _silence_error(address: str, reason: str) -> MakeweightError:
    return MakeweightError(f"no Ray cluster answers at {address}: {reason}; {NEXT}")


@contextmanager
def explain_join_errors(address: str) -> Iterator[None]:
    """Turn Ray's errors on joining a cluster into a MakeweightError with advice."""
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
