"""What the trained generators of images share: state that outlives a kill, the early stop, and what is refused."""

import io
import math

import numpy as np
import pytest
import torch
from torch import nn

from generators.image import training as loop
from generators.image.augmentation import Jitter, augment, jitter
from generators.image.codec import Encoding
from generators.image.diffusion import Diffusion
from generators.image.gan import GAN
from generators.image.trained import _rows
from generators.image.training import Rows, Settings
from generators.image.vae import VAE
from schemas.errors import GeneratorError
from tests.tiny_images import KilledError, Watched, pixels, request, squares, table_of, weights

TINY = {"steps": 12, "look_every": 4, "batch_rows": 4, "warm_up": 2}
MAKERS = {
    "diffusion": lambda **params: Diffusion(Diffusion.Params(**{**TINY, "widths": [8], "sample_steps": 2, **params})),
    "gan": lambda **params: GAN(GAN.Params(**{**TINY, "width": 8, **params})),
    "vae": lambda **params: VAE(VAE.Params(**{**TINY, "width": 8, **params})),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.mark.parametrize("killed_at", [3, 7])
def test_killed_and_resumed_ends_with_the_same_bytes(make, killed_at, tmp_path):
    table = squares(200, (4, 4, 1))
    whole, killed, resumed = make(), make(), make()
    whole.train(table, "kind", 5, Watched())
    first = Watched(until=killed_at)
    with pytest.raises(KilledError):
        killed.train(table, "kind", 5, first)
    second = Watched(first.kept)
    resumed.train(table, "kind", 5, second)
    assert second.heard[0].step == 4 * ((killed_at - 1) // 4) + 1
    assert weights(resumed, tmp_path / "b") == weights(whole, tmp_path / "a")
    assert resumed.sample(request()).equals(whole.sample(request()))


def test_kept_state_is_read_without_pickles(make):
    watched = Watched()
    make().train(squares(4), "kind", 5, watched)
    assert torch.load(io.BytesIO(watched.kept), weights_only=True)["position"]["step"] == 12


def test_state_kept_after_the_last_step_needs_no_more_training(make, tmp_path):
    first, second = Watched(), Watched()
    done, again = make(), make()
    done.train(squares(4), "kind", 5, first)
    second.kept = first.kept
    again.train(squares(4), "kind", 5, second)
    assert not second.heard
    assert weights(again, tmp_path / "b") == weights(done, tmp_path / "a")


def test_fit_is_train_unwatched(make, tmp_path):
    fitted, trained = make(), make()
    fitted.fit(squares(4), "kind", 5)
    trained.train(squares(4), "kind", 5, Watched())
    assert weights(fitted, tmp_path / "b") == weights(trained, tmp_path / "a")


def test_progress_is_reported(make):
    watched = Watched()
    make(look_every=6).train(squares(4), "kind", 5, watched)
    assert [progress.step for progress in watched.heard] == list(range(1, 13))
    assert {progress.steps for progress in watched.heard} == {12}
    assert all(math.isfinite(progress.loss) for progress in watched.heard)


def test_held_out_loss_is_of_large_classes_alone():
    for rows, some in ((199, False), (200, True)):
        watched = Watched()
        MAKERS["vae"]().train(squares(rows), "kind", 5, watched)
        assert [progress.step for progress in watched.heard if progress.held_out is not None] == [4, 8, 12] * some


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 13, 3), (5, 11, 1), (3, 2, 3), (17, 18, 1)])
def test_any_size_and_mode(make, shape):
    generator = make(steps=2)
    generator.fit(squares(2, shape), "kind", 1)
    assert pixels(generator.sample(request(rows=3))).shape == (3, *shape)


def test_encoding_survives_saving(make, tmp_path):
    encoding = Encoding("webp", 77)
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), np.uint8)
    fitted, loaded = make(steps=1), make(steps=1)
    fitted.fit(table_of(images, "aabbcc", encoding), "kind", 1)
    weights(fitted, tmp_path / "model")
    loaded.load(tmp_path / "model", "cpu")
    made = loaded.sample(request("b", 2))
    assert Encoding.of(made.schema.field("picture").metadata) == encoding
    assert all(cell["bytes"][8:12] == b"WEBP" for cell in made["picture"].to_pylist())


def test_images_of_two_sizes_are_refused(make):
    images = [np.zeros((8, 8, 1), np.uint8), np.zeros((9, 8, 1), np.uint8)]
    with pytest.raises(GeneratorError, match=r"got 8x8x1, 8x9x1; set source\.images\.size and source\.images\.mode"):
        make().fit(table_of(images, "ab"), "kind", 1)


def test_other_columns_are_refused(make):
    table = squares(2).append_column("objects", [["x"] * 4])
    with pytest.raises(GeneratorError, match="cannot fill objects; leave the column out, or use"):
        make().fit(table, "kind", 1)


def test_a_request_is_made_in_batches(make, monkeypatch):
    generator = make(sample_rows=5)
    generator.fit(squares(2), "kind", 1)
    sizes, draw = [], generator._draw
    monkeypatch.setattr(generator, "_draw", lambda number, rows: sizes.append(rows) or draw(number, rows))
    assert generator.sample(request(rows=12)).num_rows == 12
    assert sizes == [5, 5, 2]


def test_too_little_memory_says_what_to_lower(make, monkeypatch):
    def fail(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of 1 GiB")

    generator = make()
    generator.fit(squares(2), "kind", 1)
    monkeypatch.setattr(generator, "_draw", fail)
    with pytest.raises(GeneratorError, match=r"sampling ran out of memory \(CUDA out of memory\); lower sample_rows"):
        generator.sample(request())
    monkeypatch.setattr(loop, "_draw", fail)
    with pytest.raises(GeneratorError, match=r"training ran out of memory \(CUDA out of memory\); lower batch_rows"):
        generator.fit(squares(2), "kind", 1)


class Falling:
    """A task whose held-out loss falls until step `turn` of the network's one weight, then rises."""

    def __init__(self, turn):
        self.network = self.result = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimizers = [loop.adam(self.network.parameters(), 1.0, (0.9, 0.99))]
        self.turn = turn

    def learn(self, draw):
        with torch.no_grad():
            self.network.weight += 1
        return torch.tensor(0.0)

    def judge(self, model, held):
        return (model.weight - self.turn).abs().sum()


def settings(**changes):
    usual = {"steps": 100, "batch_rows": 2, "warm_up": 0, "schedule": "constant", "ema": 0.0, "look_every": 2}
    return Settings(**{**usual, "patience": 3, "jitter": Jitter(), **changes})


def rows(count):
    return Rows(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count) % 2, torch.ones(count))


def test_training_ends_early_with_the_best_weights():
    watched = Watched()
    model = loop.train(Falling(10), rows(4), rows(4), settings(), "cpu", watched)
    assert watched.heard[-1].step == 16
    assert model.weight.item() == 10


def test_without_held_out_rows_the_last_weights_are_kept():
    watched = Watched()
    model = loop.train(Falling(10), rows(4), rows(0), settings(), "cpu", watched)
    assert (watched.heard[-1].step, model.weight.item()) == (100, 100)


def test_running_mean_lags_behind_the_weights():
    model = loop.train(Falling(0), rows(4), rows(0), settings(ema=0.9), "cpu", Watched())
    assert model.weight.item() == pytest.approx(91, abs=0.5)  # 0.9 / (1 - 0.9) steps behind


@pytest.mark.parametrize(("schedule", "shares"), [("constant", [0.5, 1, 1, 1]), ("cosine", [0.5, 1, 1, 0.5])])
def test_learning_rate_rises_then_stays_or_falls(schedule, shares):
    found = [loop._share_of_rate(step, settings(steps=6, warm_up=2, schedule=schedule)) for step in (0, 1, 2, 4)]
    assert found == pytest.approx(shares)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (1.0, 0.5)])
def test_classes_are_drawn_as_evenly_as_asked(balance, share):
    images = torch.zeros(20, 4, 4, 1, dtype=torch.uint8).numpy()
    weight = _rows(images, np.array([0] * 18 + [1] * 2), balance).weights
    assert (weight[18:].sum() / weight.sum()).item() == pytest.approx(share)


def test_jitter_without_moves_changes_nothing_and_flip_mirrors():
    images = torch.rand(64, 1, 6, 9)
    assert jitter(images, Jitter()) is images
    moved = jitter(images, Jitter(flip=True))
    mirrored = [torch.allclose(new, old.flip(2), atol=1e-5) for new, old in zip(moved, images, strict=True)]
    same = [torch.allclose(new, old, atol=1e-5) for new, old in zip(moved, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 54


def test_jitter_keeps_size_and_range():
    images = torch.rand(32, 3, 5, 9) * 2 - 1
    moved = jitter(images, Jitter(30, 0.2, 0.3))
    assert moved.shape == images.shape
    assert moved.abs().max() <= 1
    assert not torch.equal(moved, images)


def test_augment_lets_gradients_through():
    images = torch.zeros(8, 3, 8, 8, requires_grad=True)
    augment(images, 1.0).sum().backward()
    assert images.grad.abs().sum() > 0
    assert augment(images, 0.0) is images
