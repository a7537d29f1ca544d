"""The workspace: the folders of one build, below the output in `.makeweight/`. Knows their names, not their content."""

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
"""The beginning of the names of work folders."""
SHOW, VERSIONS = "show", "versions"
"""The folders for files that are about to be published, and for what versions keep for their successors."""
VERSION = re.compile(r"v\d{5,}")
"""The names of versions' folders."""


@dataclass(frozen=True)
class Workspace:
    """The folders of one build: `output` for the dataset, and hidden ones for all else.

    The versions of one dataset share the hidden folder of their `series`; `version` is the name of the version's
    folder. `key` is a hash of the plan, of library versions and of all else that decides rows. The work folder is named
    by it, so that a build resumes only work that it would have done itself. Fitted models are kept for later builds.
    """

    output: Folder
    key: str
    series: Folder | None = None
    version: str | None = None

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan into the work folder, where actors on any machine read it."""
        self.work.write_sealed("plan.json", _to_json(plan))

    def plan(self, sha256: str | None = None) -> Plan:
        """Return the plan in the work folder; raises MakeweightError if its SHA-256 is not `sha256`, if that is given.

        Whoever runs code by the plan must give the hash: a foreign plan may name any module and class.
        """
        data = self.work.read_sealed("plan.json")
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise MakeweightError(
                f"{self.work.shown}/plan.json is not the plan that this build wrote down; find out who else writes"
                " there, then run the same build again"
            )
        return Plan.model_validate_json(data)

    def sweep(self) -> None:
        """Remove temporary files of killed builds, in the hidden folder and among the models."""
        self.hidden.sweep()
        self.models.sweep()

    @property
    def hidden(self) -> Folder:
        """The hidden folder for all files that are not part of the dataset."""
        return (self.series or self.output).at(HIDDEN)

    @property
    def models(self) -> Folder:
        """Fitted models, each in a folder of its own; they outlive the build."""
        return self.hidden.at("models")

    @property
    def evaluation(self) -> Folder:
        """Rows and predictions of an evaluation."""
        return self.hidden.at("evaluation")

    @property
    def work(self) -> Folder:
        """The work folder: all that is needed until the dataset is published."""
        return self.hidden.at(f"{WORK}{self.key}")

    @property
    def real(self) -> Folder:
        """The typed copy of the source."""
        return self.work.at("real")

    @property
    def validators(self) -> Folder:
        """The fitted validators, each in a folder named by its number."""
        return self.work.at("validators")

    @property
    def staged(self) -> Folder:
        """Candidates that passed the validators, by chunk."""
        return self.work.at("staged")

    @property
    def carried(self) -> Folder:
        """Made rows of the version before, as candidates, by chunk."""
        return self.work.at("carried")

    @property
    def filled(self) -> Folder:
        """The accepted rows of each chunk, as the fill step chose them."""
        return self.work.at("filled")


def plan_hash(plan: Plan) -> str:
    """Return the SHA-256 of the plan's JSON in the work folder."""
    return hashlib.sha256(_to_json(plan)).hexdigest()


def _to_json(plan: Plan) -> bytes:
    return plan.model_dump_json().encode()


def make_workspace(output: str, plan: Plan) -> Workspace:
    """Return the workspace of the build of this plan.

    Example: `make_workspace(spec.output.path, plan).models`.
    """
    identity: list[Any] = [plan.spec_fingerprint, plan.profile.fingerprint, library_versions()]
    if plan.outside:
        identity.append(plan.outside)
    if plan.base:
        identity.append(plan.base.content_hash)
    key = json_hash(identity, sort_keys=False)[:16]
    folder = Folder(output)
    if plan.version is None:
        return Workspace(folder, key)
    return make_version_workspace(folder, version_name(plan.version), key)


def make_version_workspace(series: Folder, name: str, key: str = "") -> Workspace:
    """Return the workspace of a version; without a key it has no work folder."""
    return Workspace(series.at(name), key, series, name)


def version_name(number: int) -> str:
    """Return the name of a version's folder.

    >>> version_name(12)
    'v00012'
    """
    return f"v{number:05d}"
