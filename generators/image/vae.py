"""A class-conditional variational autoencoder, trained from scratch on the source. Knows no loss."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from generators.base import Training
from generators.image.trained import LatentPreset, Trained, TrainedParams

if TYPE_CHECKING:
    from torch import Tensor

    from generators.image.training import Source


_PRESETS = {
    "tiny": LatentPreset(32, 2, 4000),
    "small": LatentPreset(64, 3, 30_000),
    "base": LatentPreset(64, 5, 60_000),
}


class VAEParams(TrainedParams):
    """Parameters of the encoder, the decoder and their training."""

    learning_rate: float = Field(2e-3, gt=0, description="Of Adam.")
    latent: int = Field(16, ge=1, description="Numbers that say an image.")
    width: int | None = Field(None, ge=8, multiple_of=8, description="Channels where images are largest.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    beta: float = Field(
        1.0, ge=0, description="Weight of the numbers' closeness to the normal distribution that is drawn from."
    )


class VAE(Trained):
    """An encoder of images to a few numbers, and a decoder that makes images of a class from random ones.

    The random numbers come from the prior: the variation that is learnt from the large classes is so used for the small
    ones, too (see `generators.image.variational`).

    Example:
        generator:
          name: vae
          params: {latent: 32, steps: 10000}

    """

    Params = VAEParams
    name: ClassVar[str] = "vae"

    def _network(self) -> Any:
        from generators.image.variational import Variational

        preset = _PRESETS[self._preset]
        return Variational(self._shape, self.params.latent, self.params.width or preset.width, preset.levels)

    def _learn(self, source: "Source", training: Training) -> Any:
        from generators.image.training import train
        from generators.image.variational import VariationalTask

        params, preset = self.params, _PRESETS[self._preset]
        task = VariationalTask(
            self._network().to(source.device),
            latent=params.latent,
            rate=params.learning_rate,
            beta=params.beta,
            decay=params.weight_decay,
            clip=params.clip,
        )
        return train(task, source, self._settings(preset.steps), training)

    def _draw(self, number: int, rows: int) -> "Tensor":
        return self._decode_noise(self._model.decoder, self.params.latent, number, rows)
