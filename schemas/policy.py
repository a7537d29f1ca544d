"""The policy, in which the operator of a worker says what specs from others may touch.

Knows no file system and no network: stores and addresses are compared as text, and must be written in one plain form,
so that no text has two meanings.
"""

import os
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, unquote

from pydantic import AfterValidator, Field, StringConstraints

from schemas.base import Part

NO_SECRETS = "holds a user or a key before '@'; give those in the worker's environment"
_STORE = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s/?#@\\%]*)(/[^\s?#\\]*)?(?:\?([^\s#\\]*))?")
_ADDRESS = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(/[\w./~-]*)?", re.ASCII)
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Store:
    """A folder or file on an object store or another file system; `path` is decoded, without `.` and `..`."""

    scheme: str
    host: str
    path: str
    options: tuple[tuple[str, str], ...]

    def holds(self, other: "Store") -> bool:
        """Whether `other` is this folder or lies below it, on the same server and by the same scheme."""
        same = (self.scheme, self.host, self.options) == (other.scheme, other.host, other.options)
        return same and (other.path == self.path or other.path.startswith(f"{self.path}/"))


def read_store(uri: str) -> Store:
    """Return the store that a URI names; raises ValueError for a URI that is not in plain form."""
    if "@" in uri.partition("://")[2].partition("/")[0]:
        raise ValueError(NO_SECRETS)
    found = _STORE.fullmatch(uri)
    if not found:
        raise ValueError("is not written plainly, as in s3://bucket/folder")
    scheme, host, path, query = found.groups(default="")
    decoded = _decoded(path).rstrip("/")
    parts = decoded.split("/")[1:]
    if not {"", ".", ".."}.isdisjoint(parts) or re.search(r"[%\\\0-\x1f]", decoded):
        raise ValueError("holds '..', '.', '//' or an odd sign in its path; write the path straight")
    return Store(scheme, host, decoded, tuple(sorted(parse_qsl(query, keep_blank_values=True))))


def _decoded(path: str) -> str:
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("holds bytes in its path that are no text; write the path straight") from None


def read_origin(address: str) -> str:
    """Return scheme, host and port of an address; raises ValueError for an address that is not in plain form."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise ValueError("is not written plainly, as in https://host:8000/v1")
    scheme, host, port, _ = found.groups()
    return f"{scheme}://{host}:{int(port) if port else _PORTS[scheme]}"


def _folder(place: str) -> str:
    if "://" in place:
        if read_store(place).scheme == "file":
            raise ValueError(f"a folder of this machine is written as a path, got {place!r}")
        return place
    if not os.path.isabs(place):
        raise ValueError(f"must be a whole path or a URI, got {place!r}")
    return place


def _origin(address: str) -> str:
    if "/" in address.partition("://")[2]:
        raise ValueError(f"must be a scheme, a host and perhaps a port, as in https://host:8000, got {address!r}")
    read_origin(address)
    return address


Folder = Annotated[str, StringConstraints(min_length=1), AfterValidator(_folder)]
Origin = Annotated[str, AfterValidator(_origin)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\*?$")]
Module = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
HubId = Annotated[str, StringConstraints(pattern=r"^([\w.-]+/)?([\w.-]+|\*)$|^\*$")]


class Policy(Part):
    """What requests and schedules may touch on this worker; what is not named here, they may not."""

    read: list[Folder] = Field([], description="Folders and stores that sources and word lists may lie in.")
    write: list[Folder] = Field([], description="Folders and stores that datasets may be written to.")
    models: list[Folder] = Field(
        [], description="Folders that models may be loaded from; who writes there decides what code runs."
    )
    hub: list[HubId] = Field([], description="Models that may be downloaded, as in org/model, org/* or *.")
    hosts: list[Origin] = Field([], description="Endpoints that may be called, as in https://host or http://host:8000.")
    keys: list[Variable] = Field(
        ["MAKEWEIGHT_KEY_*"], description="Environment variables that may hold keys; * stands for any ending."
    )
    modules: list[Module] = Field([], description="Modules whose generators may be imported, as in my_module.")
    max_rows: int | None = Field(None, ge=1, description="Rows that a dataset may have.")
