"""What the trained generators of images share: what is held out, what is drawn, and what is refused."""

import numpy as np
import pytest
import torch

from generators.image.augmentation import Jitter, augment, jitter
from generators.image.codec import Encoding
from generators.image.diffusion import Diffusion
from generators.image.gan import GAN
from generators.image.trained import _make_rows
from generators.image.training import Source
from generators.image.vae import VAE
from schemas.errors import GeneratorError
from tests.tiny_images import Watched, pixels, request, squares, table_of, weights

TINY = {"steps": 12, "look_every": 4, "batch_rows": 4, "warm_up": 2}
MAKERS = {
    "diffusion": lambda **params: Diffusion(Diffusion.Params(**{**TINY, "widths": [8], "sample_steps": 2, **params})),
    "gan": lambda **params: GAN(GAN.Params(**{**TINY, "width": 8, **params})),
    "vae": lambda **params: VAE(VAE.Params(**{**TINY, "width": 8, **params})),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


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
    monkeypatch.setattr(Source, "draw", fail)
    with pytest.raises(GeneratorError, match=r"training ran out of memory \(CUDA out of memory\); lower batch_rows"):
        generator.fit(squares(2), "kind", 1)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (1.0, 0.5)])
def test_classes_are_drawn_as_evenly_as_asked(balance, share):
    images = torch.zeros(20, 4, 4, 1, dtype=torch.uint8).numpy()
    weight = _make_rows(images, np.array([0] * 18 + [1] * 2), balance).weights
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
