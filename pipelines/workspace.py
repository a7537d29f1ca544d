"""Where a build keeps its own things: below the output, in `.makeweight/`. Knows names only, not what is in them."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from pipelines.libraries import library_versions
from pipelines.storage import Folder
from schemas.plan import Plan

HIDDEN = ".makeweight"
VERSION = re.compile(r"v\d{5,}")
"""How the folders of versions are named."""


@dataclass(frozen=True)
class Workspace:
    """The folders of one build; a version's own things are in its `series`, beside those of all versions.

    Work is kept under a hash of the plan, of the library versions and of what decides rows beside them, so that a build
    goes on only with what it would have made itself; fitted models are kept for later builds.
    """

    output: Folder
    key: str
    series: Folder | None = None

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for the actors: one that is started again on another machine finds it there."""
        self.work.write("plan.json", plan.model_dump_json().encode())

    def plan(self) -> Plan:
        """Return the plan that was written down."""
        return Plan.model_validate_json(self.work.read("plan.json"))

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


def workspace(output: str, plan: Plan) -> Workspace:
    """Return the folders of the build of this plan."""
    identity: list[Any] = [plan.spec_fingerprint, plan.profile.fingerprint, library_versions()]
    if plan.outside:
        identity.append(plan.outside)
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
