"""Fits the generator and the validators on the real rows, and finds them again. Knows no Ray; it runs in a task.

A fitted thing lies in a folder together with `fitted.json`, written last, which holds the hash of each file: what does
not agree with it is not loaded.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.base import Generator, Trainable, Training, TrainingProgress
from pipelines.draw import draw_evenly
from pipelines.features import to_model
from pipelines.ingest import RealRows
from pipelines.privacy.held_out import learnt
from pipelines.registry import make_generator, make_validators
from pipelines.seeds import derive_seed
from pipelines.storage import Folder
from pipelines.validate.base import Validator
from pipelines.workspace import Workspace, library_versions
from schemas.arrow import ROW, STRATUM
from schemas.errors import MakeweightError
from schemas.plan import Plan

RECORD, PARENTS, STATE = "fitted.json", "parents.npy", "state.pt"


def model_fingerprint(plan: Plan) -> str:
    """Return the SHA-256 of all that decides the fitted model: rows, columns, classes, parameters, seed, versions."""
    if plan.model:
        return plan.model
    told = {"columns": {"__all__": {"changed"}}}
    profile = plan.profile.model_dump(mode="json", exclude={"path": True, "files": True, **told})
    parts = [profile, plan.generator.model_dump(mode="json"), plan.fit_rows, plan.seed, library_versions()]
    if plan.privacy:
        parts.append({"held_out": plan.privacy.held_out})
    if plan.continues:
        parts.append({"continues": plan.continues.content_hash})  # its real rows have other numbers
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class KeptTraining:
    """A training whose state is kept in a folder of the build, and whose progress can be asked for."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.progress: TrainingProgress | None = None

    def report(self, progress: TrainingProgress) -> None:
        """Remember how far it is."""
        self.progress = progress

    def restore(self) -> bytes | None:
        """Return the state that was kept last."""
        return self._folder.read(STATE) if self._folder.exists(STATE) else None

    def keep(self, state: bytes) -> None:
        """Put the state in the place of the one before."""
        self._folder.write(STATE, state)


def training_folder(plan: Plan, models: Folder) -> Folder:
    """Return where the state of a training is kept until the model is fitted."""
    return models.at(f"{model_fingerprint(plan)}.training")


def fit_generator(plan: Plan, real: RealRows, models: Folder, training: Training) -> None:
    """Fit the plan's generator, unless a model of the same fingerprint is there."""
    folder = models.at(model_fingerprint(plan))
    if folder.exists(RECORD):
        return
    generator = make_generator(plan.generator)
    rows = draw_evenly(learnt(real.tables(), plan), plan.fit_rows, derive_seed(plan.seed, "draw"))
    rows = _large_enough(rows, plan, generator.min_class_rows)
    seed = derive_seed(plan.seed, "fit", plan.generator.name)
    if isinstance(generator, Trainable):
        generator.train(to_model(rows, plan), STRATUM, seed, training)
    else:
        generator.fit(to_model(rows, plan), STRATUM, seed)
    with _recorded(folder) as path:
        generator.save(path)
        np.save(path / PARENTS, np.asarray(rows[ROW]))
    training_folder(plan, models).remove()


def _large_enough(rows: pa.Table, plan: Plan, least: int) -> pa.Table:
    """Leave out the classes that the generator cannot learn: the plan asks for no rows of them."""
    small = [stratum.name for stratum in plan.strata if stratum.real < least]
    if not small:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows[STRATUM].cast(pa.string()), pa.array(small, pa.string()))))


def load_generator(plan: Plan, models: Folder, device: str) -> tuple[Generator, NDArray[np.int64]]:
    """Return the fitted generator on `device`, and the source row of each row that it was fitted on.

    Raises MakeweightError if its files are not what was saved.
    """
    generator = make_generator(plan.generator)
    with _checked(models.at(model_fingerprint(plan))) as path:
        generator.load(path, device)
        return generator, np.load(path / PARENTS)


def fitted_rows(plan: Plan, models: Folder) -> NDArray[np.int64]:
    """Return the source rows that the plan's generator was fitted on, by their positions."""
    rows: NDArray[np.int64] = np.load(io.BytesIO(models.at(model_fingerprint(plan)).read(PARENTS)))
    return rows


def fit_validator(plan: Plan, number: int, real: RealRows, place: Workspace) -> None:
    """Fit the plan's validator of that number, unless it was fitted before."""
    validator = make_validators(plan)[number]
    folder = _validator_folder(plan, number, validator, place)
    if folder.exists(RECORD):
        return
    validator.fit(real.batches(plan))
    with _recorded(folder) as path:
        validator.save(path)


def load_validators(plan: Plan, place: Workspace) -> list[Validator]:
    """Return the fitted validators in the plan's order."""
    made = make_validators(plan)
    for number, validator in enumerate(made):
        with _checked(_validator_folder(plan, number, validator, place)) as path:
            validator.load(path)
    return made


def _validator_folder(plan: Plan, number: int, validator: Validator, place: Workspace) -> Folder:
    """Return where a fitted validator is kept: one that learns stays, in versions, for as long as the model does."""
    if plan.version is None or not getattr(validator, "learns", False):
        return place.validators.at(str(number))
    step = hashlib.sha256(plan.validators[number].model_dump_json().encode()).hexdigest()[:16]
    return place.models.at(f"{model_fingerprint(plan)}.{validator.name}-{step}")


def _hashes(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != RECORD)
    return {str(file.relative_to(path)): _sha256(file) for file in files}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _recorded(folder: Folder) -> Iterator[Path]:
    """Give an empty local folder to save into; what is saved is kept, and then recorded as whole."""
    with folder.filling() as path:
        yield path
        record = _hashes(path)
    folder.write(RECORD, json.dumps(record).encode())


@contextmanager
def _checked(folder: Folder) -> Iterator[Path]:
    """Give the files to load from; raises MakeweightError if they are not those that were recorded."""
    with folder.local_copy() as path:
        if json.loads(folder.read(RECORD)) != _hashes(path):
            raise MakeweightError(
                f"{folder.shown}: the files are not those that were saved there; "
                "remove the folder, and it is fitted anew"
            )
        yield path
