"""A fit that was killed goes on from what it kept in the folder of its build, and ends with the same files."""

import numpy as np
import pytest

from pipelines.fit.fitting import RECORD, KeptTraining, fit_generator, model_fingerprint, training_folder
from pipelines.plan.planning import make_plan
from pipelines.source.ingest import ingest, ingested
from pipelines.storage.workspace import make_workspace
from schemas.spec import Spec, parse
from tests.tiny_images import KilledError
from tests.tiny_models import WORDS

SIZES = {"embedding_dim": 8, "compress_dims": [8], "decompress_dims": [8]}
GENERATORS = {
    "causal_lm": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 300, "epochs": 3, "max_tokens": 8},
    "tvae": {"epochs": 3, "batch_size": 40, **SIZES},
}


class Killed(KeptTraining):
    """Dies as soon as it has kept a state."""

    def keep(self, state):
        super().keep(state)
        raise KilledError


class Heard(KeptTraining):
    """Notes the steps that are reported."""

    steps = ()

    def report(self, progress):
        super().report(progress)
        self.steps = (*self.steps, progress.step)


def started(folder, name):
    """Return the plan of a build, its real rows and the folder of its models, before the fit."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(120)]
    rows = "".join(
        f"{text if name == 'causal_lm' else len(text) % 13},{'x' if n % 4 else 'z'}\n" for n, text in enumerate(texts)
    )
    folder.mkdir()
    (folder / "t.csv").write_text("cell,label\n" + rows)
    source = {"path": str(folder / "t.csv"), "label": "label"} | ({"text": "cell"} if name == "causal_lm" else {})
    generator = {"name": name, "params": GENERATORS[name]}
    out = {"path": str(folder / "out")}
    spec = parse(Spec, {"name": "t", "source": source, "generator": generator, "validate": [], "output": out})
    plan = make_plan(spec)
    place = make_workspace(str(folder / "out"), plan)
    place.keep_plan(plan)
    ingest(spec.source, plan, place.real)
    return plan, ingested(place.real), place.models


def fitted(plan, models):
    return models.at(model_fingerprint(plan)).read_sealed(RECORD)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_fit_that_was_killed_goes_on_and_ends_with_the_same_files(name, tmp_path):
    plan, real, models = started(tmp_path / "whole", name)
    whole = Heard(training_folder(plan, models))
    fit_generator(plan, real, models, whole)
    expected = fitted(plan, models)

    plan, real, models = started(tmp_path / "killed", name)
    kept = training_folder(plan, models)
    with pytest.raises(KilledError):
        fit_generator(plan, real, models, Killed(kept))
    assert kept.exists("state.pt")
    again = Heard(kept)
    fit_generator(plan, real, models, again)
    assert fitted(plan, models) == expected
    assert 0 < len(again.steps) < len(whole.steps)
    assert again.steps == whole.steps[-len(again.steps) :]
    assert not kept.exists("state.pt")
