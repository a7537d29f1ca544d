"""One trial: trains a classifier on what one remedy makes of the raw rows, and keeps what it says of the held-out rows.

A trial that is there already is not run again. Rows are read from the evaluation's own folder; nothing is returned.
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


class TrialPlace(Noun):
    """Which trial: the remedy, the classifier, and the number of the seed."""

    remedy: str
    classifier: str
    number: int

    @property
    def file(self) -> str:
        """Where its prediction is kept."""
        return f"trials/{self.remedy}-{self.classifier.replace(' ', '-')}-{self.number}.npz"


def chosen_remedies(plan: Plan, settings: Evaluate) -> list[str]:
    """Return the cheaper remedies that the build is compared with; raises SpecError for one that cannot be had.

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


def left_out(plan: Plan, settings: Evaluate) -> list[str]:
    """Return a note on the remedy that this build is itself, where it is not compared with that."""
    same = same_as(plan)
    if settings.remedies is not None or same is None or same not in modality_of(plan).remedies:
        return []
    told = f"{TITLES[same]} is not among the remedies, since this build is made by it ({plan.generator.name})"
    return [f"{told[0].upper()}{told[1:]}; evaluate.remedies asks for it all the same."]


def all_remedies(plan: Plan, settings: Evaluate, built: BuiltRecord) -> list[str]:
    """Return the cheaper remedies, this build, and its made rows alone where there are any."""
    return [*chosen_remedies(plan, settings), BUILD, *([MADE_ALONE] if any(built.made) else [])]


def trials_of(plan: Plan, settings: Evaluate, remedy: str) -> list[TrialPlace]:
    """Return the trials of a remedy: one a classifier and seed, but only one where the seed changes nothing."""
    return [
        TrialPlace(remedy=remedy, classifier=classifier, number=number)
        for classifier in modality_of(plan).classifiers
        for number in range(1 if classifier in DETERMINISTIC and remedy in SEEDLESS else settings.seeds)
    ]


def minority_of(real: RealRecord, built: BuiltRecord) -> list[int]:
    """Return the classes that the build made rows for; all but the largest where that is none or all of them."""
    made = [place for place, rows in enumerate(built.made) if rows]
    if 0 < len(made) < len(real.classes):
        return made
    largest = int(np.argmax(real.raw))
    return [place for place in range(len(real.classes)) if place != largest]


def run_trial(
    plan: Plan, settings: Evaluate, real: RealRecord, built: BuiltRecord, scratch: Folder, place: TrialPlace
) -> bool:
    """Run the trial, unless its prediction is there; return whether one was there, but damaged."""
    if scratch.is_whole(place.file):
        return False
    remade = scratch.exists(place.file)
    raw = scratch.read_arrow(RAW)
    bench = Bench(
        plan=plan,
        view=load_part(modality_of(plan).view)(plan, raw),
        raw=raw,
        built=scratch.read_arrow(BUILT),
        test=scratch.read_arrow(TEST),
        classes=len(real.classes),
        minority=minority_of(real, built),
        wanted=_wanted(real, built),
        measure=settings.measure,
    )
    seed = derive_seed(plan.seed, "evaluate", place.number)  # the same for all remedies
    with threadpool_limits(1):
        prediction = REMEDIES[place.remedy](Trial(bench, place.classifier, seed % 2**32))
    sink = io.BytesIO()
    np.savez(sink, chances=prediction.chances, decisions=prediction.decisions)
    scratch.write_sealed(place.file, sink.getvalue())
    return remade


def read_prediction(scratch: Folder, place: TrialPlace) -> Prediction:
    """Return what a trial kept."""
    with np.load(io.BytesIO(scratch.read_sealed(place.file)), allow_pickle=False) as kept:
        return Prediction(kept["chances"], kept["decisions"])


def _wanted(real: RealRecord, built: BuiltRecord) -> list[int]:
    """Return the rows that remedies fill each class up to: this build's, or the largest class's if it makes none."""
    if any(more > fewer for more, fewer in zip(built.rows, real.raw, strict=True)):
        return built.rows
    return [max(real.raw)] * len(real.raw)
