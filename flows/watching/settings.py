"""Reads from the environment which logs, metrics and lineage are asked for. Imports no library for them.

These settings are not in the spec, since they are no part of what is built. A Prefect worker passes its environment on.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from schemas.errors import Fault, SpecError

LOG = "MAKEWEIGHT_LOG"
METRICS_PORT = "MAKEWEIGHT_METRICS_PORT"
METRICS_DIR = "MAKEWEIGHT_METRICS_DIR"
PUSHGATEWAY = "MAKEWEIGHT_PUSHGATEWAY"
LOOPBACK = "127.0.0.1"

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The watchers that are asked for; an empty field means none.

    `log` is `stderr` or a file. `listen` is a host and port to scrape, `metrics` the folder of node_exporter's textfile
    collector, `gateway` the address of a Pushgateway. `lineage` says that OpenLineage is configured.
    """

    log: str | None = None
    listen: tuple[str, int] | None = None
    metrics: str | None = None
    gateway: str | None = None
    lineage: bool = False


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the environment asks for; raises SpecError for a value of a wrong form."""
    return Settings(
        log=_read_value(environment, LOG, _parse_log),
        listen=_read_value(environment, METRICS_PORT, _parse_listen),
        metrics=_read_value(environment, METRICS_DIR, _parse_folder),
        gateway=_read_value(environment, PUSHGATEWAY, _parse_address),
        lineage=_has_lineage(environment),
    )


def setting_error(name: str, problem: str) -> SpecError:
    """Return the error for a wrong variable of the environment."""
    return SpecError(Fault((), f"the environment variable {name} {problem}"))


def _read_value(environment: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise setting_error(name, f"{error}, got {text!r}") from None


def _parse_log(text: str) -> str:
    if "://" in text or os.path.isdir(text):
        raise ValueError("must be stderr or a file on this machine")
    return text


def _parse_folder(text: str) -> str:
    if not os.path.isdir(text):
        raise ValueError("must be the folder that node_exporter's textfile collector reads, and there is none")
    return text


def _parse_listen(text: str) -> tuple[str, int]:
    """Read a port, or a host and a port."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"must be a port from 1 to 65535, or HOST:PORT to be seen beyond {LOOPBACK}")
    return host.strip("[]") or LOOPBACK, int(port)


def _parse_address(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise ValueError("must be the http or https address of a Pushgateway, as in http://gateway:9091")
    return text


def _has_lineage(environment: Mapping[str, str]) -> bool:
    """Whether OpenLineage's own configuration is there: its variables, or its file where its client looks for it."""
    if environment.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    file = environment.get("OPENLINEAGE_CONFIG", "").strip()
    if file and not os.path.isfile(file):
        raise setting_error(
            "OPENLINEAGE_CONFIG", f"must be OpenLineage's configuration file, and there is none: {file!r}"
        )
    paths = ["openlineage.yml", os.path.join(os.path.expanduser("~"), ".openlineage", "openlineage.yml")]
    named = any(name.startswith("OPENLINEAGE__TRANSPORT") for name in environment)
    return bool(file or named or environment.get("OPENLINEAGE_URL") or any(map(os.path.isfile, paths)))
