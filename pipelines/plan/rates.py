"""Records how fast builds were on this machine: one line of JSON for each build, in a file of the user's.

The file is no part of a build: it decides no row, and a build goes on if the file cannot be written. The environment
variable MAKEWEIGHT_RATES names another file, or is `off`.
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
"""The environment variable that names the file, and its values for no file."""
FILE = "rates.jsonl"
MOST = 1 << 20
"""The most bytes of the file; the older half of a larger one is dropped."""
CLASSES = 50
"""The most classes of a build whose rates are recorded (the first ones)."""
PATIENCE = 5.0
"""Seconds that a build waits for another one to write."""


def rates_file() -> Path | None:
    """Return the file of the rates, or None if they are switched off."""
    said = os.environ.get(SETTING)
    if said is None:
        return user_state_path("makeweight", appauthor=False) / FILE
    return None if said.strip().lower() in OFF else Path(said).expanduser()


def remember(rates: Rates) -> None:
    """Add a build to the file; do nothing if the file cannot be written."""
    file = rates_file()
    if file is None:
        return
    with suppress(OSError, Timeout):
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=PATIENCE):
            _append(file, rates.model_dump_json().encode() + b"\n")


def _append(file: Path, line: bytes) -> None:
    """Add a line in one write, even after a line that was cut short; drop the older half of a long file."""
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
    """Return the recorded builds, the oldest first; lines that this version cannot read are left out."""
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
    """Return the width of a row in the unit of its modality."""
    width: int = load_part(modality_of(plan).width)(plan.profile)
    return width


def first_classes(kept: dict[str, float]) -> dict[str, float]:
    """Return the first classes, as many as are recorded of a build."""
    return dict(list(kept.items())[:CLASSES])
