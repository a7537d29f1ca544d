"""A class-conditional diffusion model, trained from scratch on the source. Knows no solver and no loop."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from generators.base import Training
from generators.image.trained import Trained, TrainedParams

if TYPE_CHECKING:
    from torch import Tensor

    from generators.image.training import Source


@dataclass(frozen=True)
class _Preset:
    """A size of the U-Net, with the training that suits it."""

    widths: tuple[int, ...]
    layers: int
    attention: bool
    dropout: float
    steps: int
    learning_rate: float
    sample_steps: int


_PRESETS = {
    "tiny": _Preset((32, 64), 1, False, 0.0, 1500, 2e-3, 6),
    "small": _Preset((128, 256, 256), 2, True, 0.1, 50_000, 3e-4, 12),
    "base": _Preset((128, 256, 384, 512), 2, True, 0.1, 80_000, 2e-4, 16),
}


class DiffusionParams(TrainedParams):
    """Parameters of the U-Net, its training and its sampling."""

    widths: tuple[Annotated[int, Field(ge=8, multiple_of=8)], ...] | None = Field(
        None, min_length=1, description="Channels at each size, the largest first; multiples of 32 are the fastest."
    )
    layers: int | None = Field(None, ge=1, description="Blocks at each size.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of values left out in training.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    no_class: float = Field(0.1, ge=0, lt=1, description="Share of images that are learnt without their class.")
    guidance: float = Field(1.5, ge=1, le=20, description="Above 1, images are more typical of their class.")
    sample_steps: int | None = Field(
        None, ge=1, description="Steps from noise to an image, each of two looks; the preset's if left out."
    )
    compile: bool = Field(True, description="On a GPU, compile the network where that works.")


class Diffusion(Trained):
    """A U-Net that learns the way from noise to an image of a class (flow matching; see `generators.image.flow`).

    Example:
        generator:
          name: diffusion
          params: {preset: small, steps: 20000}

    """

    Params = DiffusionParams
    name: ClassVar[str] = "diffusion"

    def _network(self) -> Any:
        from generators.image.networks import Velocity

        params, preset = self.params, _PRESETS[self._preset]
        widths, layers = params.widths or preset.widths, params.layers or preset.layers
        dropout = preset.dropout if params.dropout is None else params.dropout
        return Velocity(self._shape, widths, layers, preset.attention, dropout)

    def _learn(self, source: "Source", training: Training) -> Any:
        from generators.image.flow import FlowTask, compile_network
        from generators.image.training import train

        params, preset = self.params, _PRESETS[self._preset]
        network = self._network().to(source.device)
        if source.device == "cuda" and params.compile:
            compile_network(network, self._batch_rows)
        task = FlowTask(
            network,
            rate=params.learning_rate or preset.learning_rate,
            decay=params.weight_decay,
            clip=params.clip,
            no_class=params.no_class,
        )
        return train(task, source, self._settings(preset.steps), training)

    def _draw(self, number: int, rows: int) -> "Tensor":
        import torch

        from generators.image.flow import draw

        params, shape = self.params, self._shape
        batch = params.sample_rows if self._device == "cuda" else rows  # one size: compiled code depends on it
        noise = torch.randn(batch, shape.channels, shape.height, shape.width).to(self._device)
        steps = params.sample_steps or _PRESETS[self._preset].sample_steps
        return draw(self._model, noise, number, steps, params.guidance)[:rows]

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `cpu` or `cuda`."""
        super().load(path, device)
        if device == "cuda" and self.params.compile:
            from generators.image.flow import compile_network

            compile_network(self._model, self.params.sample_rows * (1 if self.params.guidance == 1 else 2))
