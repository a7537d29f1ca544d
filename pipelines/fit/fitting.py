"""Fits the generator and the validators on the real rows, and loads them again. Knows no Ray; it runs in a task.

A fitted object has a folder with the file `fitted.json`, which is written last and holds the hash of each other file: a
file that does not agree with it is not loaded.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.base import Generator, Trainable, Training, TrainingProgress
from pipelines.fit.even_sample import draw_evenly
from pipelines.fit.held_out import learnt
from pipelines.plan.dependencies import refuse_other_code
from pipelines.plan.machine import refuse_other_machine
from pipelines.plan.model_view import to_model
from pipelines.plan.privacy import is_private
from pipelines.plan.registry import make_generator, make_validators
from pipelines.plan.seeds import derive_seed
from pipelines.source.ingest import FINGERPRINT, RealRows
from pipelines.storage.arrays import read_array
from pipelines.storage.folder import Folder
from pipelines.storage.libraries import library_versions
from pipelines.storage.workspace import Workspace
from pipelines.validate.base import Batch, Learning, Validator, explain_validator_errors
from schemas.arrow import ROW, STRATUM
from schemas.errors import DamageError, MakeweightError
from schemas.hashing import json_hash
from schemas.plan import Plan
from schemas.privacy import BUDGET, PrivacyBudget

_TOLD: dict[str, Any] = {
    **dict.fromkeys(("path", "files", "merged", "content", "lost"), True),
    "columns": {"__all__": {"changed", "form", "grid"}},
    "images": {"wide", "unclear"},
}
"""What a profile tells people, where its files are, and what its fingerprint says too."""
RECORD, PARENTS, STATE = "fitted.json", "parents.npy", "state.pt"
_HASH = re.compile("[0-9a-f]{64}")
_SAID = 200  # letters of what a library says of a file


def model_fingerprint(plan: Plan) -> str:
    """Return the SHA-256 of all that decides the fitted model: rows, columns, classes, parameters, seed, libraries."""
    if plan.model:
        if not _HASH.fullmatch(plan.model):  # it names a folder, which is filled and removed, and was read from a file
            raise MakeweightError(
                f"{plan.model!r} is no model's hash: what the version before kept of it was changed; remove .makeweight"
                " of this output, and all is made anew"
            )
        return plan.model
    profile = plan.profile.model_dump(mode="json", exclude=_TOLD)
    parts = [profile, plan.generator.model_dump(mode="json"), plan.fit_rows, plan.seed, library_versions()]
    if plan.machine:
        parts.append({"machine": plan.machine.model_dump(mode="json")})
    if plan.outside:
        parts.append({"outside": plan.outside})
    if plan.privacy:
        parts.append({"held_out": plan.privacy.held_out})
    if plan.continues:
        parts.append({"continues": plan.continues.content_hash})  # its real rows have other numbers
    return json_hash(parts)


class KeptTraining:
    """A training whose state is kept in a folder of the build, and whose progress can be read."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.progress: TrainingProgress | None = None

    def report(self, progress: TrainingProgress) -> None:
        """Remember the progress."""
        self.progress = progress

    def restore(self) -> bytes | None:
        """Return the state that was kept last."""
        return self._folder.read_sealed(STATE) if self._folder.exists(STATE) else None

    def keep(self, state: bytes) -> None:
        """Replace the kept state."""
        self._folder.write_sealed(STATE, state)


def training_folder(plan: Plan, models: Folder) -> Folder:
    """Return the folder of the training's state, which is kept until the model is fitted."""
    return models.at(f"{model_fingerprint(plan)}.training")


def fit_generator(plan: Plan, real: RealRows, models: Folder, training: Training) -> None:
    """Fit the plan's generator, unless a model of the same fingerprint exists."""
    folder = models.at(model_fingerprint(plan))
    if _is_fitted(folder, needed=plan.model is not None):
        return
    generator = make_generator(plan.generator)
    refuse_other_code(plan)
    refuse_other_machine(plan)
    rows = draw_evenly(learnt(real.tables(), plan), plan.fit_rows, derive_seed(plan.seed, "draw"))
    rows = _large_enough(rows, plan, generator.capabilities.min_class_rows)
    seed = derive_seed(plan.seed, "fit", plan.generator.name)
    if isinstance(generator, Trainable):
        generator.train(to_model(rows, plan), STRATUM, seed, training)
    else:
        generator.fit(to_model(rows, plan), STRATUM, seed)
    with _record_saved(folder) as path:
        generator.save(path)
        np.save(path / PARENTS, np.asarray(rows[ROW]))
    training_folder(plan, models).remove()


def _large_enough(rows: pa.Table, plan: Plan, least: int) -> pa.Table:
    """Leave out the classes that are too small for the generator: the plan makes no rows of them."""
    small = [stratum.name for stratum in plan.strata if stratum.real < least]
    if not small:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows[STRATUM].cast(pa.string()), pa.array(small, pa.string()))))


def load_generator(plan: Plan, models: Folder, device: str) -> tuple[Generator, NDArray[np.int64]]:
    """Return the fitted generator on `device`, and the source row of each row that it was fitted on.

    Raises DamageError if its files are not the saved ones.
    """
    generator = make_generator(plan.generator)
    refuse_other_code(plan)
    of_ours = ":" not in plan.generator.name  # what another's code raises is told as its mistake, not as the files'
    with _check_saved(models.at(model_fingerprint(plan)), of_ours) as path:
        generator.load(path, device)
        return generator, read_array(path / PARENTS)


def fitted_rows(plan: Plan, models: Folder) -> NDArray[np.int64]:
    """Return the source rows that the plan's generator was fitted on, by their positions."""
    folder = models.at(model_fingerprint(plan))
    file = read_fitted(folder, PARENTS)
    with readable(folder):
        rows: NDArray[np.int64] = read_array(io.BytesIO(file))
    return rows


def privacy_spent(plan: Plan, models: Folder) -> PrivacyBudget | None:
    """Return the budget that training the plan's generator spent; None without a promise or without made rows."""
    if not is_private(plan) or not plan.makes_rows:
        return None
    folder = models.at(model_fingerprint(plan))
    kept = read_fitted(folder, BUDGET)
    with readable(folder):
        return PrivacyBudget.model_validate_json(kept)


def batches(plan: Plan, real: RealRows) -> Iterator[Batch]:
    """Yield the real rows as batches for fitting validators."""
    columns = [column.name for column in plan.profile.columns]
    for table in real.tables():
        yield Batch(table.select(columns), np.asarray(table[FINGERPRINT]), "", np.asarray(table[ROW]))


def fit_validator(plan: Plan, number: int, real: RealRows, workspace: Workspace) -> None:
    """Fit the plan's validator of that number, unless it is fitted already."""
    validator = make_validators(plan)[number]
    refuse_other_code(plan)
    refuse_other_machine(plan)
    folder = _validator_folder(plan, number, validator, workspace)
    if _is_fitted(folder, needed=plan.model is not None and _is_kept(plan, validator)):
        return
    with explain_validator_errors(plan.validators[number].name, "fit"):
        validator.fit(batches(plan, real))
    with _record_saved(folder) as path:
        validator.save(path)


def load_validators(plan: Plan, workspace: Workspace) -> list[Validator]:
    """Return the fitted validators in the plan's order."""
    validators = make_validators(plan)
    for number, validator in enumerate(validators):
        with _check_saved(_validator_folder(plan, number, validator, workspace)) as path:
            validator.load(path)
    return validators


def _validator_folder(plan: Plan, number: int, validator: Validator, workspace: Workspace) -> Folder:
    """Return the folder of a fitted validator; one that learns is kept, in versions, as long as the model is."""
    if not _is_kept(plan, validator):
        return workspace.validators.at(str(number))
    step = hashlib.sha256(plan.validators[number].model_dump_json().encode()).hexdigest()[:16]
    return workspace.models.at(f"{model_fingerprint(plan)}.{validator.name}-{step}")


def _is_kept(plan: Plan, validator: Validator) -> bool:
    return plan.version is not None and isinstance(validator, Learning) and validator.learns


def can_go_on(plan: Plan, workspace: Workspace) -> bool:
    """Whether the plan's model exists, with the validators that learnt from the same rows."""
    kept = [(n, one) for n, one in enumerate(make_validators(plan)) if _is_kept(plan, one)]
    folders = [
        workspace.models.at(model_fingerprint(plan)),
        *(_validator_folder(plan, n, one, workspace) for n, one in kept),
    ]
    return all(folder.exists(RECORD) for folder in folders)


def _is_fitted(folder: Folder, needed: bool) -> bool:
    """Whether the folder holds a fitted object; raises DamageError if it is missing and cannot be fitted again.

    The rows that a model of an earlier version learnt from are no longer the present ones.
    """
    exists = folder.exists(RECORD)
    if needed and not exists:
        raise DamageError(folder.inner(RECORD), f"{folder.shown}/{RECORD}", gone=True)
    return exists


def _hash_files(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != RECORD)
    return {str(file.relative_to(path)): _sha256(file) for file in files}


def read_fitted(folder: Folder, name: str) -> bytes:
    """Return one file of a fitted object; raises DamageError if it is not the saved one."""
    recorded = json.loads(folder.read_sealed(RECORD)).get(name)
    try:
        data = folder.read(name)
    except FileNotFoundError:
        raise DamageError(folder.inner(name), f"{folder.shown}/{name}", gone=True) from None
    if recorded != hashlib.sha256(data).hexdigest():
        raise DamageError(folder.inner(name), f"{folder.shown}/{name}")
    return data


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _record_saved(folder: Folder) -> Iterator[Path]:
    """Yield an empty local folder to save into; its files are then kept and recorded with their hashes."""
    with folder.filling() as path:
        yield path
        record = _hash_files(path)
    folder.write_sealed(RECORD, json.dumps(record).encode())


@contextmanager
def _check_saved(folder: Folder, of_ours: bool = True) -> Iterator[Path]:
    """Yield the folder to load from; raises DamageError if its files are not the recorded ones."""
    recorded = json.loads(folder.read_sealed(RECORD))
    with folder.local_copy() as path, readable(folder) if of_ours else nullcontext():
        found = _hash_files(path)
        for name in sorted(recorded.keys() | found.keys()):
            if recorded.get(name) != found.get(name):
                raise DamageError(folder.inner(name), f"{folder.shown}/{name}", gone=name not in found)
        yield path


@contextmanager
def readable(folder: Folder) -> Iterator[None]:
    """Turn any error of a library on foreign or damaged files into one plain message; no file is a pickle."""
    try:
        yield
    except (MakeweightError, MemoryError):
        raise
    except Exception as error:  # each library raises others
        if type(error).__name__ == "OutOfMemoryError":  # torch's: the files are not to blame
            raise
        said = " ".join(str(error).split())[:_SAID]
        raise MakeweightError(
            f"{folder.shown}: cannot be read ({type(error).__name__}: {said}); remove the folder, and it is fitted anew"
        ) from error
