"""Builds that were stopped, and whose files are damaged then, in every way: what a user has after the same command."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from schemas.errors import MakeweightError
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest
from schemas.spec import Spec, parse

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "emptied": lambda data: b"",  # noqa: ARG005
    "halved": lambda data: data[: len(data) // 2],
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "removed": lambda data: None,  # noqa: ARG005
}
LOCKS = {"writer.json", "writer.guard"}


class Stop(Listener):
    """Stops a build when a step begins, at the first chunk that was accepted (`filled`), or at the last (`full`).

    Keeps what is told of damage.
    """

    def __init__(self, at: str = "") -> None:
        self._at, self.told = at, list[str]()

    def step(self, name):
        """Stop here, if it is time."""
        if name == self._at:
            raise KeyboardInterrupt

    def filled(self, progress):
        """Stop here, if it is time."""
        self.step("filled")
        if not progress.missing:
            self.step("full")

    def noted(self, what):
        """Keep it."""
        self.told.append(what)


@dataclass
class Outcome:
    """What a build ended with: its rows, model and evaluation, or the message of an explained failure."""

    content_hash: str | None = None
    model: str | None = None
    evaluation: Evaluation | None = None
    message: str | None = None
    told: list[str] = field(default_factory=list, compare=False)


@dataclass
class Stopped:
    """A build that was stopped; copies of its folder are damaged and built on."""

    folder: Path
    data: dict
    build: Callable[[Spec], Manifest]

    def spec(self, out: Path) -> Spec:
        """Return the spec of the same build into another folder."""
        return parse(Spec, self.data | {"output": self.data.get("output", {}) | {"path": str(out)}})

    def files(self) -> list[str]:
        """Return all files that the build keeps for itself, in their order."""
        hidden = self.folder / ".makeweight"
        return sorted(str(f.relative_to(hidden)) for f in hidden.rglob("*") if f.is_file() and f.name not in LOCKS)

    def after(self, damages: dict[str, str], out: Path) -> Outcome:
        """Damage files of a copy in `out`, each in its way, and run the same build there."""
        shutil.copytree(self.folder, out)
        for name, damage in damages.items():
            path = out / ".makeweight" / name
            spoilt = DAMAGES[damage](path.read_bytes())
            path.unlink() if spoilt is None else path.write_bytes(spoilt)
        with listen(ears := Stop()):
            found = self._run(out)
        shutil.rmtree(out)
        return replace(found, told=[line.replace(f"{out}/.makeweight/", "") for line in ears.told])

    def _run(self, out: Path) -> Outcome:
        try:
            manifest = self.build(self.spec(out))
        except MakeweightError as error:
            return Outcome(message=str(error).replace(f"{out}/.makeweight/", ""))
        assert verify(str(out)).problems == []
        kept = out / "evaluation.json"
        evaluation = Evaluation.model_validate_json(kept.read_text()) if kept.exists() else None
        return Outcome(manifest.content_hash, manifest.model_fingerprint, evaluation)


def stopped(folder: Path, data: dict, at: str, build: Callable[[Spec], Manifest]) -> Stopped:
    """Return a build into a new folder that was stopped at a step."""
    made = Stopped(folder, data, build)
    with listen(Stop(at)):
        try:
            build(made.spec(folder))
        except KeyboardInterrupt:
            return made
    raise AssertionError(f"it never came to {at!r}")
