"""What is particular to `diffusion`."""

import pytest
import torch

from generators.image import flow
from generators.image.diffusion import Diffusion
from generators.image.networks import Shape, Velocity
from schemas.errors import SpecError
from schemas.spec import parse
from tests.tiny_images import pixels, request, squares, weights

TINY = {"widths": [8, 16], "batch_rows": 16, "steps": 60, "warm_up": 5, "ema": 0.9, "learning_rate": 5e-3}


def make(**params):
    return Diffusion(Diffusion.Params(**{**TINY, "sample_steps": 4, **params}))


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_images_are_of_the_class_that_was_asked_for(guidance):
    generator = make(guidance=guidance)
    generator.fit(squares(12), "kind", 1)
    dark, light = (pixels(generator.sample(request(stratum))).mean() for stratum in ("dark", "light"))
    assert dark < 80 < 180 < light


def test_size_of_the_network_follows_the_images():
    sizes = {}
    for side in (8, 16, 17, 32, 33):
        generator = make()
        generator._size = [side, 8, 1]
        sizes[side] = generator._preset
    assert sizes == {8: "tiny", 16: "tiny", 17: "small", 32: "small", 33: "base"}


def test_preset_may_be_named():
    generator = Diffusion(Diffusion.Params(preset="small", widths=[8], layers=1))
    generator._size, generator._classes = [8, 8, 1], ["a"]
    attention = [name for name, _ in generator._network().named_modules() if name.endswith("attentions.0")]
    assert attention


@pytest.mark.parametrize("size", [(8, 8), (30, 32), (5, 40), (2, 2)])
def test_velocity_is_of_the_images_shape(size):
    network = Velocity(Shape(*size, 3, 2), [8, 16, 16], 1, True, 0.0)
    images = torch.zeros(2, 3, *size)
    assert network(images, torch.rand(2), torch.tensor([0, 2])).shape == images.shape


def test_widths_that_cannot_be_are_refused():
    with pytest.raises(SpecError, match="multiple of 8"):
        parse(Diffusion.Params, {"widths": [8, 12]})


class Straight(torch.nn.Module):
    """Knows the way: all images of the class end as `end`, at any guidance."""

    def __init__(self, end):
        super().__init__()
        self.end, self.shape = torch.nn.Parameter(end), Shape(2, 2, 1, 3)
        self.calls = []

    def forward(self, images, times, classes):
        self.calls.append((len(images), sorted(set(classes.tolist()))))
        return (images - self.end) / times[:, None, None, None].clamp(min=1e-3)


def test_solver_follows_the_velocity_to_the_image():
    model = Straight(torch.rand(1, 2, 2))
    made = flow.draw(model, torch.randn(5, 1, 2, 2), 1, 6, 1.0)
    assert torch.allclose(made, model.end.expand(5, -1, -1, -1), atol=1e-5)
    assert model.calls == [(5, [1])] * 11


def test_guidance_looks_at_each_image_twice():
    model = Straight(torch.rand(1, 2, 2))
    flow.draw(model, torch.randn(5, 1, 2, 2), 1, 2, 1.5)
    assert model.calls == [(10, [1, 3])] * 3


def test_network_that_cannot_be_compiled_stays_as_it_is(monkeypatch, caplog):
    network = Velocity(Shape(8, 8, 1, 2), [8], 1, False, 0.0)

    def compiles(**options):
        network._compiled_call_impl = fails

    def fails(*arguments):
        raise RuntimeError("no compiler\nis here")

    monkeypatch.setattr(network, "compile", compiles)
    flow.compile_network(network, 4)
    assert "the network is not compiled, which is slower: no compiler" in caplog.text
    assert network(torch.zeros(1, 1, 8, 8), torch.zeros(1), torch.tensor([0])).shape == (1, 1, 8, 8)


def test_saved_model_is_safetensors_and_json(tmp_path):
    generator = make(steps=1)
    generator.fit(squares(2), "kind", 1)
    assert set(weights(generator, tmp_path / "model")) == {"model.safetensors", "model.json"}
