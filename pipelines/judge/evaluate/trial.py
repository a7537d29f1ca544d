"""One trial: trains a classifier on the rows of one remedy, and stores its prediction of the held-out rows.

A trial whose prediction is stored is not run again. Rows are read from the evaluation's own folder.
"""

import io

import numpy as np
from threadpoolctl import threadpool_limits

from pipelines.judge.evaluate.classifiers import DETERMINISTIC
from pipelines.judge.evaluate.remedies import REMEDIES, SEEDLESS, Bench, Prediction, Trial, same_as
from pipelines.judge.evaluate.rows import BUILT, RAW, TEST, BuiltRecord, RealRecord
from pipelines.judge.evaluate.wording import TITLES
from pipelines.modality import load_part, modality_of
from pipelines.plan.seeds import derive_seed
from pipelines.storage.folder import Folder
from schemas.base import Noun
from schemas.errors import Fault, SpecError
from schemas.evaluation import BUILD, MADE_ALONE, Evaluate
from schemas.plan import Plan


class TrialKey(Noun):
    """The identity of a trial: the remedy, the classifier, and the number of the seed."""

    remedy: str
    classifier: str
    number: int

    @property
    def file(self) -> str:
        """The file of its prediction."""
        return f"trials/{self.remedy}-{self.classifier.replace(' ', '-')}-{self.number}.npz"


def chosen_remedies(plan: Plan, settings: Evaluate) -> list[str]:
    """Return the cheaper remedies to compare with; raises SpecError for one that the modality does not have.

    Where the spec names none, a generator that is itself a remedy is not compared with itself.
    """
    known = modality_of(plan).remedies
    if settings.remedies is None:
        return [name for name in known if name != same_as(plan)]
    for name in settings.remedies:
        if name not in known:
            problem = f"{name!r} is no remedy for {plan.modality}; known are {', '.join(known)}"
            raise SpecError(Fault(("evaluate", "remedies"), problem))
    return [name for name in known if name in settings.remedies]


def note_left_out(plan: Plan, settings: Evaluate) -> list[str]:
    """Return a note on the remedy that equals this build's generator, where it is left out."""
    same = same_as(plan)
    if settings.remedies is not None or same is None or same not in modality_of(plan).remedies:
        return []
    note = f"{TITLES[same]} is not among the remedies, since this build is made by it ({plan.generator.name})"
    return [f"{note[0].upper()}{note[1:]}; evaluate.remedies asks for it all the same."]


def all_remedies(plan: Plan, settings: Evaluate, built: BuiltRecord) -> list[str]:
    """Return the cheaper remedies, this build, and its made rows alone where there are any."""
    return [*chosen_remedies(plan, settings), BUILD, *([MADE_ALONE] if any(built.made) else [])]


def trials_of(plan: Plan, settings: Evaluate, remedy: str) -> list[TrialKey]:
    """Return the trials of a remedy: one per classifier and seed, or only one where the seed changes nothing."""
    return [
        TrialKey(remedy=remedy, classifier=classifier, number=number)
        for classifier in modality_of(plan).classifiers
        for number in range(1 if classifier in DETERMINISTIC and remedy in SEEDLESS else settings.seeds)
    ]


def minority_of(real: RealRecord, built: BuiltRecord) -> list[int]:
    """Return the classes with made rows; if that is none or all of them, all classes but the largest."""
    made = [class_number for class_number, rows in enumerate(built.made) if rows]
    if 0 < len(made) < len(real.classes):
        return made
    largest = int(np.argmax(real.raw))
    return [class_number for class_number in range(len(real.classes)) if class_number != largest]


def run_trial(
    plan: Plan, settings: Evaluate, real: RealRecord, built: BuiltRecord, scratch: Folder, trial: TrialKey
) -> bool:
    """Run the trial unless its prediction is stored; return whether a stored one was damaged."""
    if scratch.is_whole(trial.file):
        return False
    remade = scratch.exists(trial.file)
    raw = scratch.read_arrow(RAW)
    bench = Bench(
        plan=plan,
        view=load_part(modality_of(plan).view)(plan, raw),
        raw=raw,
        built=scratch.read_arrow(BUILT),
        test=scratch.read_arrow(TEST),
        classes=len(real.classes),
        minority=minority_of(real, built),
        wanted=_target_rows(real, built),
        measure=settings.measure,
    )
    seed = derive_seed(plan.seed, "evaluate", trial.number)  # the same for all remedies
    with threadpool_limits(1):
        prediction = REMEDIES[trial.remedy](Trial(bench, trial.classifier, seed % 2**32))
    sink = io.BytesIO()
    np.savez(sink, chances=prediction.chances, decisions=prediction.decisions)
    scratch.write_sealed(trial.file, sink.getvalue())
    return remade


def read_prediction(scratch: Folder, trial: TrialKey) -> Prediction:
    """Return the stored prediction of a trial."""
    with np.load(io.BytesIO(scratch.read_sealed(trial.file)), allow_pickle=False) as file:
        return Prediction(file["chances"], file["decisions"])


def _target_rows(real: RealRecord, built: BuiltRecord) -> list[int]:
    """Return the rows that remedies fill each class up to: this build's, or the largest class's if it makes none."""
    if any(more > fewer for more, fewer in zip(built.rows, real.raw, strict=True)):
        return built.rows
    return [max(real.raw)] * len(real.raw)
