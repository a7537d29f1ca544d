"""Keeps how fast builds were on this machine: one line of JSON for each, in a file of the user's own.

Nothing of it is part of a build: it decides no row, and where it cannot be written, it is not. MAKEWEIGHT_RATES names
another file, or is `off`.
"""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from pipelines.modality import load_part, modality_of
from schemas.hashing import json_hash
from schemas.plan import Plan, Step
from schemas.rates import RATES_FORMAT, Rates

SETTING, OFF = "MAKEWEIGHT_RATES", ("off", "0", "no", "false", "")
"""The environment variable that names the file, and what it says where none is wanted."""
FILE = "rates.jsonl"
MOST = 1 << 20
"""Bytes that the file has at most; beyond, the older half is forgotten."""
CLASSES = 50
"""Classes whose rates are kept of a build, the first of them."""
PATIENCE = 5.0
"""Seconds that a build waits for another one to have written."""


def rates_file() -> Path | None:
    """Return where rates are kept, or nothing if they are not to be."""
    said = os.environ.get(SETTING)
    if said is None:
        return user_state_path("makeweight", appauthor=False) / FILE
    return None if said.strip().lower() in OFF else Path(said).expanduser()


def remember(rates: Rates) -> None:
    """Add a build to the file; where that cannot be done, leave it."""
    file = rates_file()
    if file is None:
        return
    with suppress(OSError, Timeout):
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=PATIENCE):
            _append(file, rates.model_dump_json().encode() + b"\n")


def _append(file: Path, line: bytes) -> None:
    """Add a line with one write, after a line that was cut short too; forget the older half of a long file."""
    with file.open("ab+") as stream:
        size = stream.tell()
        if size:
            stream.seek(size - 1)
            line = line if stream.read(1) == b"\n" else b"\n" + line
        stream.write(line)
    if size + len(line) > MOST:
        lines = file.read_bytes().splitlines(keepends=True)
        shorter = file.with_suffix(".tmp")
        shorter.write_bytes(b"".join(lines[len(lines) // 2 :]))
        shorter.replace(file)


def recall() -> list[Rates]:
    """Return the builds that are remembered, the oldest first; lines that this version does not know are left out."""
    file, found = rates_file(), []
    try:
        lines = file.read_bytes().splitlines() if file else []
    except OSError:
        return []
    for line in lines:
        with suppress(ValueError):
            rates = Rates.model_validate_json(line)
            found += [rates] if rates.format == RATES_FORMAT else []
    return found


def params_key(generator: Step) -> str:
    """Return a hash of the generator's parameters."""
    return json_hash(generator.params)[:16]


def row_width(plan: Plan) -> int:
    """Return how wide a row is, as its modality counts it."""
    width: int = load_part(modality_of(plan).width)(plan.profile)
    return width


def first_classes(kept: dict[str, float]) -> dict[str, float]:
    """Return the first classes, as many as are kept of a build."""
    return dict(list(kept.items())[:CLASSES])
