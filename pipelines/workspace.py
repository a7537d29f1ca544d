"""Where a build keeps its own things: below the output, in `.makeweight/`. Knows names only, not what is in them."""

import hashlib
import json
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipelines.storage import Folder
from schemas.errors import OutputError
from schemas.plan import Plan

HIDDEN = ".makeweight"
VERSION = re.compile(r"v\d{5,}")
"""How the folders of versions are named."""
_DECIDING = ("makeweight", "numpy", "pandas", "pyarrow", "torch", "sdv", "ctgan", "copulas", "rdt", "scikit-learn",
             "imbalanced-learn", "scipy", "xxhash",
             "pillow", "opencv-python-headless", "albumentations", "albucore", "pycocotools", "diffusers",
             "transformers", "tokenizers", "peft")  # fmt: skip


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide the rows."""
    found = {"python": platform.python_version()}
    for name in _DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Workspace:
    """The folders of one build; a version's own things are in its `series`, beside those of all versions.

    Work is kept under a hash of the plan and of the library versions, so that a build goes on only with what it would
    have made itself; fitted models are kept for later builds.
    """

    output: Folder
    key: str
    series: Folder | None = None

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for the actors: one that is started again on another machine finds it there."""
        self.work.write("plan.json", plan.model_dump_json().encode())

    def plan(self, expected: str | None = None) -> Plan:
        """Return the plan that was written down; raises OutputError for another one than is expected.

        Others may be able to write the folder, and the plan says what is imported.
        """
        text = self.work.read("plan.json")
        if expected is not None and _digest(text) != expected:
            problem = f"{self.work.shown}/plan.json was changed while the build ran"
            raise OutputError(f"{problem}; see who writes there, and run the same command again")
        return Plan.model_validate_json(text)

    def sweep(self) -> None:
        """Remove what killed builds left half-written beside their work, which goes with it."""
        self.hidden.sweep()
        self.models.sweep()

    @property
    def hidden(self) -> Folder:
        """All that is not the dataset itself."""
        return (self.series or self.output).at(HIDDEN)

    @property
    def models(self) -> Folder:
        """Fitted models, each in a folder of its own; they outlive the build."""
        return self.hidden.at("models")

    @property
    def work(self) -> Folder:
        """What is needed until the dataset is published."""
        return self.hidden.at(f"work-{self.key}")

    @property
    def real(self) -> Folder:
        """The typed copy of the source."""
        return self.work.at("real")

    @property
    def validators(self) -> Folder:
        """The fitted validators, by their number."""
        return self.work.at("validators")

    @property
    def staged(self) -> Folder:
        """Candidates that passed, chunk by chunk."""
        return self.work.at("staged")

    @property
    def carried(self) -> Folder:
        """Rows of the version before, chunk by chunk, as candidates."""
        return self.work.at("carried")

    @property
    def filled(self) -> Folder:
        """What the fill step decided."""
        return self.work.at("filled")


def plan_digest(plan: Plan) -> str:
    """Return what `Workspace.plan` knows a plan by."""
    return _digest(plan.model_dump_json().encode())


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def workspace(output: str, plan: Plan) -> Workspace:
    """Return the folders of the build of this plan."""
    identity: list[Any] = [plan.spec_fingerprint, plan.profile.fingerprint, library_versions()]
    if plan.base:
        identity.append(plan.base.content_hash)
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    folder = Folder(output)
    if plan.version is None:
        return Workspace(folder, key)
    return Workspace(folder.at(version_name(plan.version)), key, folder)


def version_name(number: int) -> str:
    """Return the name of a version's folder."""
    return f"v{number:05d}"
