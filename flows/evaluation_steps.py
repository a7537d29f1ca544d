"""The steps of an evaluation as Prefect tasks: gather rows, run the trials, judge, write the result.

`flows.build` runs them between writing a dataset and publishing it, or on a complete dataset. Rows and predictions are
kept in a hidden folder of the output until the end, so that a killed evaluation goes on where it was.
"""

from contextlib import suppress
from dataclasses import dataclass

from flows.progress import Build
from flows.task import step
from pipelines.dataset.companions import find_foreign_companions, find_missing_companions
from pipelines.dataset.publish import write_visible
from pipelines.dataset.seal import add_seal, seal_page, sha256
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
from pipelines.judge.fidelity.measure import measure_published
from pipelines.modality import modality_of
from pipelines.report.page import render_evaluation
from pipelines.source.files import fingerprint
from pipelines.source.hashed_reading import hashed
from pipelines.storage.encryption import read_key
from pipelines.storage.folder import Folder
from pipelines.storage.lock import Hold
from pipelines.storage.workspace import Workspace
from schemas.evaluation import EVALUATION, EVALUATION_PAGE, Evaluate, Evaluation
from schemas.hashing import json_hash
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Spec

_KEY = "key"
EVALUATIONS = (EVALUATION, EVALUATION_PAGE)


@dataclass(frozen=True)
class EvaluationRequest:
    """An evaluation that a spec asks for.

    `key` is a hash of all that decides its figures, except the dataset. `held_out` is the fingerprint of the held-out
    rows.
    """

    settings: Evaluate
    key: str
    held_out: str


def requested_evaluation(spec: Spec, plan: Plan) -> EvaluationRequest | None:
    """Return the evaluation that the spec asks for, or None; raises SourceError if there are no held-out rows."""
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
    key = json_hash(parts)
    return EvaluationRequest(spec.evaluate, key, mark)


def is_evaluated(wanted: EvaluationRequest | None, workspace: Workspace, manifest: Manifest) -> bool:
    """Whether the requested evaluation is there already, or none is requested."""
    return wanted is None or find_evaluation(workspace.output, wanted, manifest) is not None


def load_evaluation(folder: Folder) -> Evaluation:
    """Return the evaluation beside a dataset; raises ValueError for one of another version of makeweight."""
    return Evaluation.model_validate_json(folder.read(EVALUATION))


def find_evaluation(folder: Folder, wanted: EvaluationRequest, manifest: Manifest) -> Evaluation | None:
    """Return the evaluation beside a dataset if it is the wanted one of this dataset, else None."""
    if not folder.exists(EVALUATION):
        return None
    try:
        found = load_evaluation(folder)
    except ValueError:  # of another version; it is made anew
        return None
    return found if (found.key, found.content_hash) == (wanted.key, manifest.content_hash) else None


def remove_stale_evaluation(workspace: Workspace, manifest: Manifest, wanted: EvaluationRequest | None) -> None:
    """Remove the evaluation of a dataset that was replaced; also its rows, if no evaluation is wanted."""
    if wanted is None:
        workspace.evaluation.remove()
    strange = find_foreign_companions(workspace, manifest, EVALUATIONS)
    if EVALUATION not in strange and workspace.output.exists(EVALUATION):
        with suppress(ValueError):
            if load_evaluation(workspace.output).content_hash == manifest.content_hash:
                return
    for name in reversed(EVALUATIONS):  # the page first: an older one is known by the evaluation beside it
        if name not in strange:
            workspace.output.remove(name)


def rewrite_evaluation_page(workspace: Workspace, manifest: Manifest) -> None:
    """Write the page of an evaluation again if it is missing."""
    if EVALUATION_PAGE not in find_missing_companions(workspace, manifest):
        return
    with suppress(ValueError):
        found = load_evaluation(workspace.output)
        if found.content_hash == manifest.content_hash and not find_foreign_companions(
            workspace, manifest, [EVALUATION]
        ):
            _write_evaluation(workspace, found, render_evaluation(manifest, found))


@step
def gather_held_out_task(build: Build, wanted: EvaluationRequest) -> RealRecord:
    """Gather raw and held-out rows before the build, so that faults of the held-out rows are raised first."""
    chosen_remedies(build.plan, wanted.settings)
    scratch = _scratch_folder(wanted, build.workspace)
    return actors.run(gather_real, build.spec.source, build.plan, wanted.settings, scratch, wanted.held_out)


@step
def measure_task(build: Build, wanted: EvaluationRequest, manifest: Manifest, dataset: Folder) -> Evaluation:
    """Train every classifier with every remedy, judge, and measure fidelity. `dataset` is the folder of the shards."""
    plan, source = build.plan, build.spec.source
    settings, scratch = wanted.settings, _scratch_folder(wanted, build.workspace)
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
    """Write the evaluation and its page beside the published dataset, and remove the scratch folder."""
    page = actors.run(render_evaluation, manifest, evaluation)
    with hold.committing():
        _write_evaluation(build.workspace, evaluation, page)
        build.workspace.evaluation.remove()


def _write_evaluation(workspace: Workspace, evaluation: Evaluation, page: str) -> None:
    whole = seal_page(page).encode()
    sealed = add_seal(evaluation.model_copy(update={"page": sha256(whole)}))
    write_visible(workspace, EVALUATION_PAGE, whole)
    write_visible(workspace, EVALUATION, sealed.model_dump_json(indent=2).encode() + b"\n")


def _scratch_folder(wanted: EvaluationRequest, workspace: Workspace) -> Folder:
    """Return the evaluation's scratch folder, emptied if another evaluation used it."""
    folder, key = workspace.evaluation, f"{workspace.key} {wanted.key}".encode()
    if not folder.is_whole(_KEY) or folder.read_sealed(_KEY) != key:
        folder.remove()
        folder.write_sealed(_KEY, key)
    return folder
