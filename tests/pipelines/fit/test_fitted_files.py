"""What lies in a build's own folder may be written by others: it is checked, and read in formats that run no code."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from generators import checkpoint
from generators.base import TrainingProgress
from pipelines.dataset.top_up import carry_over
from pipelines.fit.fitting import (
    PARENTS,
    RECORD,
    STATE,
    KeptTraining,
    _hash_files,
    batches,
    fit_generator,
    fit_validator,
    fitted_rows,
    load_generator,
    load_validators,
    model_fingerprint,
)
from pipelines.plan.planning import make_plan
from pipelines.source.ingest import ingest, ingested
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import make_workspace, plan_hash
from schemas.errors import DamageError, MakeweightError
from schemas.plan import Plan
from schemas.spec import Spec, parse
from tests.traps import TRAPS, as_numpy_zip

EVIL = """
from pathlib import Path
Path({mark!r}).touch()
"""


@dataclass
class Built:
    """A build up to its fitted validators."""

    plan: Plan
    place: object
    real: object

    def rewrite_hashes(self, folder):
        """Do what an attacker does who has changed a file of the folder."""
        Folder(str(folder)).write_sealed(RECORD, json.dumps(_hash_files(folder)).encode())


@pytest.fixture
def built(tmp_path):
    rng = np.random.default_rng(0)
    rows = "".join(f"{rng.integers(0, 9)},{'abc'[n % 3]},{'x' if n % 5 else 'z'}\n" for n in range(200))
    (tmp_path / "t.csv").write_text("number,letter,label\n" + rows)
    spec = parse(
        Spec,
        {
            "name": "t",
            "source": {"path": str(tmp_path / "t.csv"), "label": "label"},
            "generator": {"name": "resample"},
            "validate": ["label_agreement"],
            "output": {"path": str(tmp_path / "out")},
        },
    )
    plan = make_plan(spec)
    place = make_workspace(str(tmp_path / "out"), plan)
    place.keep_plan(plan)
    ingest(spec.source, plan, place.real)
    real = ingested(place.real)
    fit_validator(plan, 0, real, place)
    fit_generator(plan, real, place.models, KeptTraining(place.models.at("t.training")))
    return Built(plan, place, real)


@pytest.mark.parametrize("trap", [*TRAPS, "numpy zip"])
def test_a_validator_that_another_wrote_runs_no_code_with_its_hashes_made_right(built, tmp_path, trap):
    """Seen: such a file in the place of label_agreement's model, and its hash, ran code in the next build."""
    mark = tmp_path / "sprung"
    folder = tmp_path / "out/.makeweight" / built.place.work.path.rsplit("/", 1)[1] / "validators/0"
    [trees] = [file for file in folder.iterdir() if file.name.startswith("trees")]
    names = ["nodes", "sizes", "splits", "split_sizes", "start", "categorical", "known", "values", "value_sizes"]
    trees.write_bytes(as_numpy_zip(mark, names) if trap == "numpy zip" else TRAPS[trap](mark))
    built.rewrite_hashes(folder)
    with pytest.raises(MakeweightError, match=r"validators/0: cannot be read .*; remove the folder, and it is fitted"):
        load_validators(built.plan, built.place)
    assert not mark.exists()


def test_a_validator_s_folder_of_an_earlier_version_is_named(built, tmp_path):
    folder = tmp_path / "out/.makeweight" / built.place.work.path.rsplit("/", 1)[1] / "validators/0"
    for file in folder.iterdir():
        file.unlink()
    (folder / "model.joblib").write_bytes(TRAPS["pickle"](tmp_path / "sprung"))
    built.rewrite_hashes(folder)
    with pytest.raises(MakeweightError, match=r"cannot be read \(FileNotFoundError: .*; remove the folder"):
        load_validators(built.plan, built.place)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_record_is_named(built, data):
    built.place.validators.at("0").write(RECORD, data)
    with pytest.raises(DamageError, match=r"validators/0/fitted\.json is damaged"):
        load_validators(built.plan, built.place)


@pytest.mark.parametrize("trap", TRAPS)
def test_the_list_of_fitted_rows_runs_no_code(built, tmp_path, trap):
    mark = tmp_path / "sprung"
    folder = built.place.models.at(model_fingerprint(built.plan))
    folder.write(PARENTS, TRAPS[trap](mark))
    with pytest.raises(DamageError, match=r"parents\.npy is damaged"):
        fitted_rows(built.plan, built.place.models)
    built.rewrite_hashes(tmp_path / "out/.makeweight/models" / model_fingerprint(built.plan))
    with pytest.raises(MakeweightError, match="cannot be read"):
        fitted_rows(built.plan, built.place.models)
    with pytest.raises(MakeweightError, match="cannot be read"):
        load_generator(built.plan, built.place.models, "cpu")
    assert not mark.exists()


def test_what_is_no_fault_of_the_files_is_not_blamed_on_them(built, monkeypatch):
    def full(self, path, device):
        raise MemoryError

    monkeypatch.setattr("generators.resample.Resample.load", full)
    with pytest.raises(MemoryError):
        load_generator(built.plan, built.place.models, "cpu")


class Kept:
    """A training that goes on from a state."""

    def __init__(self, state):
        self.state = state

    def report(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def restore(self):
        """Return the state."""
        return self.state

    def keep(self, state):
        """Keep it."""
        self.state = state


@pytest.mark.parametrize("trap", [*TRAPS, "nothing", "half", "another's"])
def test_a_training_s_state_runs_no_code_and_is_named(tmp_path, trap):
    from torch import nn

    mark, kept = tmp_path / "sprung", checkpoint.pack(checkpoint.Position(), {"model": nn.Linear(2, 2)})
    others = checkpoint.pack(checkpoint.Position(), {"model": nn.Linear(3, 3)})
    state = {"nothing": b"", "half": kept[: len(kept) // 2], "another's": others}.get(trap)
    state = TRAPS[trap](mark) if state is None else state
    with pytest.raises(MakeweightError, match=r"the state .* cannot be read .*remove the folder .* begins anew"):
        checkpoint.restore(state, {"model": nn.Linear(2, 2)})
    assert not mark.exists()


def test_the_state_of_a_training_comes_from_its_folder(tmp_path):
    folder = Folder(str(tmp_path))
    state = TRAPS["torch"](tmp_path / "sprung")
    folder.write_sealed(STATE, state)
    assert KeptTraining(folder).restore() == state
    assert not (tmp_path / "sprung").exists()


def test_a_plan_that_another_wrote_imports_nothing(built, tmp_path, monkeypatch):
    """A plan may name any module and class: whoever loads what it names is told by the driver which plan it is."""
    mark = tmp_path / "sprung"
    (tmp_path / "evil.py").write_text(EVIL.format(mark=str(mark)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    evil = built.plan.generator.model_copy(update={"name": "evil:Class"})
    built.place.keep_plan(built.plan.model_copy(update={"generator": evil}))
    with pytest.raises(
        MakeweightError, match=r"plan\.json is not the plan that this build wrote down; .* run the same"
    ):
        built.place.plan(plan_hash(built.plan))
    from pipelines.engine.actors import FittingActor
    from pipelines.engine.pool import GeneratorActor
    from schemas.plan import SampleRequest

    with pytest.raises(MakeweightError, match="is not the plan"):
        FittingActor(built.place, plan_hash(built.plan)).fit()
    with pytest.raises(MakeweightError, match="is not the plan"):
        GeneratorActor(built.place, plan_hash(built.plan), "cpu").make(
            SampleRequest(stratum="x", chunk=0, rows=1, seed=0)
        )
    assert not mark.exists()


def test_what_a_version_kept_of_its_plan_names_no_module(built, tmp_path):
    evil = built.plan.generator.model_copy(update={"name": "evil:Class"})
    kept = built.plan.model_copy(update={"generator": evil, "validators": [evil], "model": "0" * 64})
    decided = json.dumps([list(built.real.files), kept.model_dump_json()])
    built.place.work.write_sealed("carried.json", decided.encode())
    plan = carry_over(built.plan, built.place, built.real, None)
    assert (plan.generator, plan.validators) == (built.plan.generator, built.plan.validators)
    assert plan.model == "0" * 64
    assert built.place.plan(plan_hash(plan)) == plan


def test_a_model_s_name_leads_into_no_other_folder(built):
    with pytest.raises(MakeweightError, match=r"'\.\./\.\./home' is no model's hash: .* remove \.makeweight"):
        model_fingerprint(built.plan.model_copy(update={"model": "../../home"}))


def test_sound_files_are_read(built):
    [validator] = load_validators(built.plan, built.place)
    assert validator.check(next(iter(batches(built.plan, built.real)))).keep.any()
    _, parents = load_generator(built.plan, built.place.models, "cpu")
    assert isinstance(parents, np.ndarray)
    assert built.place.plan(plan_hash(built.plan)) == built.plan
    assert pa.types.is_integer(pa.array(fitted_rows(built.plan, built.place.models)).type)
