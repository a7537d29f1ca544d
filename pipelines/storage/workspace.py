"""Where a build keeps its own things: below the output, in `.makeweight/`. Knows names only, not what is in them."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from pipelines.storage.folder import Folder
from pipelines.storage.libraries import library_versions
from schemas.errors import MakeweightError
from schemas.hashing import json_hash
from schemas.plan import Plan

HIDDEN = ".makeweight"
WORK = "work-"
"""How the folders of unfinished work begin."""
SHOW, VERSIONS = "show", "versions"
"""Where files wait to be shown to readers, and where versions keep what their successors need."""
VERSION = re.compile(r"v\d{5,}")
"""How the folders of versions are named."""


@dataclass(frozen=True)
class Workspace:
    """The folders of one build; a version's own things are in its `series`, beside those of all versions.

    `version` is the name of the version's folder.

    Work is kept under a hash of the plan, of the library versions and of what decides rows beside them, so that a build
    goes on only with what it would have made itself; fitted models are kept for later builds.
    """

    output: Folder
    key: str
    series: Folder | None = None
    version: str | None = None

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for the actors: one that is started again on another machine finds it there."""
        self.work.write_sealed("plan.json", _written(plan))

    def plan(self, told: str | None = None) -> Plan:
        """Return the plan that was written down; whoever runs what it names gives the hash that the driver `told`.

        Raises MakeweightError if another plan lies there: it may name any module and class.
        """
        data = self.work.read_sealed("plan.json")
        if told is not None and hashlib.sha256(data).hexdigest() != told:
            raise MakeweightError(
                f"{self.work.shown}/plan.json is not the plan that this build wrote down; find out who else writes"
                " there, then run the same build again"
            )
        return Plan.model_validate_json(data)

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
    def evaluation(self) -> Folder:
        """What an evaluation gathers and predicts."""
        return self.hidden.at("evaluation")

    @property
    def work(self) -> Folder:
        """What is needed until the dataset is published."""
        return self.hidden.at(f"{WORK}{self.key}")

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


def plan_hash(plan: Plan) -> str:
    """Return the SHA-256 of the plan as it is written down."""
    return hashlib.sha256(_written(plan)).hexdigest()


def _written(plan: Plan) -> bytes:
    return plan.model_dump_json().encode()


def workspace(output: str, plan: Plan) -> Workspace:
    """Return the folders of the build of this plan."""
    identity: list[Any] = [plan.spec_fingerprint, plan.profile.fingerprint, library_versions()]
    if plan.outside:
        identity.append(plan.outside)
    if plan.base:
        identity.append(plan.base.content_hash)
    key = json_hash(identity, sort_keys=False)[:16]
    folder = Folder(output)
    if plan.version is None:
        return Workspace(folder, key)
    return version_workspace(folder, version_name(plan.version), key)


def version_workspace(series: Folder, name: str, key: str = "") -> Workspace:
    """Return the folders of the version of that name; without a key none of its work."""
    return Workspace(series.at(name), key, series, name)


def version_name(number: int) -> str:
    """Return the name of a version's folder."""
    return f"v{number:05d}"
