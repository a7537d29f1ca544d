"""One contract, held by every generator that is trained here: `generators.base.Trainable` in full.

CTGAN and CopulaGAN learn in ctgan's own loop, dp_autoregressive keeps no state (it would hold the secret noise), and
seq2seq takes its models as they are: these are fitted in one go.
"""

import importlib
import io
import math
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch

from generators import GENERATORS, base
from generators import training as loop
from tests.tiny_images import KilledError, Watched, squares
from tests.tiny_models import WORDS, tiny_causal

TEXTS = {"epochs": 2, "batch_rows": 32, "learning_rate": 0.01, "max_tokens": 8, "balance": 1}
IMAGES = {"steps": 12, "look_every": 4, "batch_rows": 4, "warm_up": 2}
CASES = {
    "autoregressive": {"epochs": 1, "min_steps": 45, "hidden": 8},
    "tvae": {"epochs": 3, "batch_size": 60, "embedding_dim": 8, "compress_dims": [8], "decompress_dims": [8]},
    "diffusion": {**IMAGES, "widths": [8], "sample_steps": 2, "dropout": 0.2},
    "gan": {**IMAGES, "width": 8, "critic_steps": 2},
    "vae": {**IMAGES, "width": 8},
    "causal_lm": {**TEXTS, "width": 16, "layers": 1, "heads": 2, "vocabulary": 300},
    "causal_lm full": TEXTS,
    "causal_lm lora": {**TEXTS, "tune": "lora", "lora_rank": 2},
}
STEPS = {"autoregressive": 45, "tvae": 15, **dict.fromkeys(("diffusion", "gan", "vae"), 12)}
LM_STEPS = 2 * math.ceil((250 - 22) / 32)  # two epochs over what is not held out of 220 rows and of 30


@pytest.fixture(autouse=True)
def _kept_within_epochs(monkeypatch):
    """Let small sources be learnt as large ones are: the state is kept between two looks, too."""
    monkeypatch.setattr(loop, "KEEP_EVERY", 3)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def class_of(name):
    module, _, cls = GENERATORS[name].partition(":")
    return getattr(importlib.import_module(module), cls)


def make(case):
    name, _, tune = case.partition(" ")
    cls = class_of(name)
    return cls(cls.Params(**CASES[case] | ({"model": tiny_causal()} if tune else {})))


@cache
def table(case):
    rng = np.random.default_rng(3)
    kinds = np.repeat(["often", "rare"], [220, 30])
    if case.startswith("causal_lm"):
        texts = [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in kinds]
        return pa.table({"text": texts, "kind": kinds})
    if case in ("autoregressive", "tvae"):
        return pa.table({"kind": kinds, "n": rng.normal(size=250), "colour": rng.choice(["red", "blue"], 250)})
    return squares(200, (4, 4, 1))


class Recorded(Watched):
    """Remembers every state that was kept."""

    def __init__(self, kept=None):
        super().__init__(kept)
        self.states = []

    def keep(self, state):
        super().keep(state)
        self.states.append(state)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the trainings that nothing disturbed, each with the files of its model."""

    @cache
    def train(case):
        generator, training = make(case), Recorded()
        generator.train(table(case), "kind", 2**63 + 5, training)
        return training, files(generator, tmp_path_factory.mktemp("whole"))

    return train


def files(generator, folder):
    """Return all that the generator saves, byte by byte."""
    generator.save(folder)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_these_are_trained_and_no_others():
    trained = {name for name in GENERATORS if issubclass(class_of(name), base.Trainable)}
    assert trained == {case.partition(" ")[0] for case in CASES}


def test_fit_is_train_unwatched(case, whole, tmp_path):
    generator = make(case)
    generator.fit(table(case), "kind", 2**63 + 5)
    assert files(generator, tmp_path) == whole(case)[1]


def test_every_kept_state_leads_to_the_same_bytes(case, whole, tmp_path):
    training, expected = whole(case)
    assert len(training.states) >= 3
    for number, state in enumerate(training.states):
        generator, again = make(case), Watched(state)
        torch.manual_seed(number)  # of another process
        np.random.seed(number)
        generator.train(table(case), "kind", 2**63 + 5, again)
        folder = tmp_path / str(number)
        folder.mkdir()
        assert files(generator, folder) == expected, f"from state {number}"
        rest = [progress for progress in training.heard if progress.step > position(state)["step"]]
        assert again.heard == rest


def position(state):
    """Return where a training is, read as what runs no code."""
    return torch.load(io.BytesIO(state), weights_only=True)["position"]


def test_killed_between_two_kept_states_it_goes_on_from_the_first(case, whole, tmp_path):
    training, expected = whole(case)
    kept = [position(state)["step"] for state in training.states]
    killed = Watched(until=kept[1])
    with pytest.raises(KilledError):
        make(case).train(table(case), "kind", 2**63 + 5, killed)
    assert position(killed.kept)["step"] == kept[0]
    generator, again = make(case), Watched(killed.kept)
    generator.train(table(case), "kind", 2**63 + 5, again)
    assert again.heard[-1].step == training.heard[-1].step
    assert files(generator, tmp_path) == expected


def test_progress_is_told_to_the_end(case, whole):
    training, _ = whole(case)
    steps = [progress.step for progress in training.heard]
    assert steps == sorted(set(steps))
    total = STEPS.get(case, LM_STEPS)
    assert steps[-1] == total
    assert {progress.steps for progress in training.heard} == {total}
    assert all(math.isfinite(progress.loss) for progress in training.heard)
    judged = [progress.step for progress in training.heard if progress.held_out is not None]
    assert bool(judged) == (case not in ("tvae", "gan"))
    assert len(steps) > len(judged) or case == "autoregressive"


def test_a_state_of_another_network_is_refused(whole):
    from schemas.errors import GeneratorError

    state = whole("causal_lm")[0].states[0]
    for other in ("causal_lm full", "vae"):
        with pytest.raises(GeneratorError, match="the state that the training was to go on from cannot be read"):
            make(other).train(table(other), "kind", 2**63 + 5, Watched(state))


def test_what_a_given_model_brings_is_not_in_the_kept_state_of_lora(whole):
    content = torch.load(io.BytesIO(whole("causal_lm lora")[0].states[0]), weights_only=True)
    names = content["parts"]["network"]
    assert names
    assert all("lora_" in name or "trainable_tokens" in name for name in names)
    assert content["position"]["best_weights"] is None or content["position"]["best_weights"].keys() == names.keys()
