"""The steps of an evaluation, as Prefect tasks: gather the rows, run the trials, judge, keep the result.

`flows.build` runs them between writing a dataset and publishing it, or on a dataset that is complete already. What is
gathered and predicted lies in a folder of its own below the output until the end, so that an evaluation that was killed
goes on where it was.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass

from flows.progress import Build
from flows.step import step
from pipelines.dataset.beside import missing_beside, strange_beside
from pipelines.dataset.publish import put
from pipelines.dataset.seal import sha256, with_line, with_seal
from pipelines.engine import actors
from pipelines.judge.evaluate.held_out import find_held_out, test_source
from pipelines.judge.evaluate.measures import score
from pipelines.judge.evaluate.rows import RealRecord, gather_built, gather_real
from pipelines.judge.evaluate.trial import (
    all_remedies,
    chosen_remedies,
    minority_of,
    note_left_out,
    run_trial,
    trials_of,
)
from pipelines.judge.evaluate.verdict import judge
from pipelines.judge.fidelity.published import measure_published
from pipelines.modality import modality_of
from pipelines.report.page import render_evaluation
from pipelines.source.files import fingerprint
from pipelines.source.hashed import hashed
from pipelines.storage.encryption import read_key
from pipelines.storage.folder import Folder
from pipelines.storage.lock import Hold
from pipelines.storage.workspace import Workspace
from schemas.evaluation import EVALUATION, EVALUATION_PAGE, Evaluate, Evaluation
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Spec

_KEY = "key"
EVALUATIONS = (EVALUATION, EVALUATION_PAGE)


@dataclass(frozen=True)
class Asked:
    """An evaluation that the spec asks for; `key` is a hash of all that decides its figures but the dataset itself.

    `held_out` is the fingerprint of the held-out rows.
    """

    settings: Evaluate
    key: str
    held_out: str


def asked(spec: Spec, plan: Plan) -> Asked | None:
    """Return the evaluation that the spec asks for; raises SourceError where there are no held-out rows."""
    if spec.evaluate is None:
        return None
    source = test_source(spec.source, plan, spec.evaluate)
    files = hashed(find_held_out(source))
    mark = fingerprint(files, source, files.contents())
    parts = [
        plan.spec_fingerprint,
        plan.profile.fingerprint,
        mark,
        spec.evaluate.model_dump(mode="json", exclude={"test"}),
    ]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return Asked(spec.evaluate, key, mark)


def evaluated(wanted: Asked | None, place: Workspace, manifest: Manifest) -> bool:
    """Whether all that the spec asks for was made already."""
    return wanted is None or read_evaluation(place.output, wanted, manifest) is not None


def kept_evaluation(folder: Folder) -> Evaluation:
    """Return the evaluation beside a dataset, whatever it was asked for by; raises ValueError for another version's."""
    return Evaluation.model_validate_json(folder.read(EVALUATION))


def read_evaluation(folder: Folder, wanted: Asked, manifest: Manifest) -> Evaluation | None:
    """Return the evaluation that is kept beside the dataset, if it is the one that is wanted."""
    if not folder.exists(EVALUATION):
        return None
    try:
        found = kept_evaluation(folder)
    except ValueError:  # of another version; it is made anew
        return None
    return found if (found.key, found.content_hash) == (wanted.key, manifest.content_hash) else None


def forget_evaluation(place: Workspace, manifest: Manifest, wanted: Asked | None) -> None:
    """Remove what is told of a dataset that was replaced; rows too, if none are wanted any more."""
    if wanted is None:
        place.evaluation.remove()
    strange = strange_beside(place, manifest, EVALUATIONS)
    if EVALUATION not in strange and place.output.exists(EVALUATION):
        with suppress(ValueError):
            if kept_evaluation(place.output).content_hash == manifest.content_hash:
                return
    for name in reversed(EVALUATIONS):  # the page first: an older one is known by the evaluation beside it
        if name not in strange:
            place.output.remove(name)


def show_page_again(place: Workspace, manifest: Manifest) -> None:
    """Write the page of an evaluation again where that is gone."""
    if EVALUATION_PAGE not in missing_beside(place, manifest):
        return
    with suppress(ValueError):
        found = kept_evaluation(place.output)
        if found.content_hash == manifest.content_hash and not strange_beside(place, manifest, [EVALUATION]):
            _put(place, found, render_evaluation(manifest, found))


@step
def gather_held_out_task(build: Build, wanted: Asked) -> RealRecord:
    """Gather raw and held-out rows; raises what is wrong with the latter before anything is built."""
    chosen_remedies(build.plan, wanted.settings)
    scratch = _scratch(wanted, build.place)
    return actors.run(gather_real, build.spec.source, build.plan, wanted.settings, scratch, wanted.held_out)


@step
def measure_task(build: Build, wanted: Asked, manifest: Manifest, dataset: Folder) -> Evaluation:
    """Train every classifier with every remedy, and judge; measure fidelity. `dataset` is where the shards lie."""
    plan, source = build.plan, build.spec.source
    settings, scratch = wanted.settings, _scratch(wanted, build.place)
    real = actors.run(gather_real, source, plan, settings, scratch, wanted.held_out)
    key = read_key(plan.key_env)
    built = actors.run(gather_built, plan, settings, manifest, dataset, key, scratch)
    trials = {remedy: trials_of(plan, settings, remedy) for remedy in all_remedies(plan, settings, built)}
    calls = [(plan, settings, real, built, scratch, trial) for some in trials.values() for trial in some]
    if remade := sum(actors.run_all(run_trial, calls)):
        build.listener.noted(f"{remade:,} damaged trial(s) of the evaluation: run again")
    minority = minority_of(real, built)
    scoring = [(scratch, some, minority, settings.seeds, plan.seed) for some in trials.values()]
    scores = dict(zip(trials, actors.run_all(score, scoring), strict=True))
    noted = real.model_copy(update={"notes": [*real.notes, *note_left_out(plan, settings)]})
    utility = judge(noted, built, scores, list(modality_of(plan).classifiers), settings)
    fidelity = actors.run(measure_published, source, plan, settings.fidelity, manifest, dataset, key)
    return Evaluation(key=wanted.key, content_hash=manifest.content_hash, utility=utility, fidelity=fidelity)


@step
def keep_evaluation_task(build: Build, manifest: Manifest, evaluation: Evaluation, hold: Hold) -> None:
    """Write the evaluation and its page beside the published dataset; then drop what is not needed any more."""
    page = actors.run(render_evaluation, manifest, evaluation)
    with hold.committing():
        _put(build.place, evaluation, page)
        build.place.evaluation.remove()


def _put(place: Workspace, evaluation: Evaluation, page: str) -> None:
    whole = with_line(page).encode()
    told = with_seal(evaluation.model_copy(update={"page": sha256(whole)}))
    put(place, EVALUATION_PAGE, whole)
    put(place, EVALUATION, told.model_dump_json(indent=2).encode() + b"\n")


def _scratch(wanted: Asked, place: Workspace) -> Folder:
    """Return the evaluation's folder, without what another evaluation left there."""
    folder, key = place.evaluation, f"{place.key} {wanted.key}".encode()
    if not folder.is_whole(_KEY) or folder.read_sealed(_KEY) != key:
        folder.remove()
        folder.write_sealed(_KEY, key)
    return folder
