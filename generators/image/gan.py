"""A class-conditional generative adversarial network, trained from scratch on the source. Knows no loss."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from generators.base import Training
from generators.image.trained import LatentPreset, Trained, TrainedParams

if TYPE_CHECKING:
    from torch import Tensor

    from generators.image.training import Source


_PRESETS = {
    "tiny": LatentPreset(32, 2, 2500),
    "small": LatentPreset(96, 3, 60_000),
    "base": LatentPreset(96, 5, 100_000),
}


class GANParams(TrainedParams):
    """Parameters of the generator, the critic and their training."""

    learning_rate: float = Field(1e-3, gt=0, description="Of Adam, for the generator and the critic.")
    clip: float = Field(0.0, ge=0, description="Longest gradient; 0: of any length.")
    latent: int = Field(16, ge=1, description="Random numbers that an image is made from.")
    width: int | None = Field(None, ge=8, multiple_of=8, description="Channels where images are largest.")
    loss: Literal["hinge", "wgan_gp", "lsgan"] = Field("hinge", description="How the critic learns.")
    critic_steps: int = Field(1, ge=1, description="Steps of the critic for each one of the generator.")
    reconstruction: float = Field(
        1.0, ge=0, description="Weight of drawing real images again from what an encoder says of them; 0: not at all."
    )
    augment: float = Field(
        0.5, ge=0, le=2, description="How much all images that the critic sees are changed; 1 as in DiffAugment."
    )


class GAN(Trained):
    """A generator that learns from a critic what images of each class look like (see `generators.image.adversarial`).

    No measure on held-out images says when it is at its best, so it trains for all its steps.

    Example:
        generator:
          name: gan
          params: {loss: wgan_gp, critic_steps: 5}

    """

    Params = GANParams
    name: ClassVar[str] = "gan"

    def _network(self) -> Any:
        from generators.image.networks import Decoder

        preset = _PRESETS[self._preset]
        return Decoder(self._shape, self.params.latent, self.params.width or preset.width, preset.levels)

    def _learn(self, source: "Source", training: Training) -> Any:
        from generators.image.adversarial import AdversarialTask, Contest
        from generators.image.networks import Critic, Encoder
        from generators.image.training import train

        params, preset, device = self.params, _PRESETS[self._preset], source.device
        spectral = params.loss != "wgan_gp"  # which bounds the critic by its penalty
        critic = Critic(self._shape, params.width or preset.width, preset.levels, spectral=spectral)
        encoder = Encoder(self._shape, params.latent, params.width or preset.width, preset.levels)
        contest = Contest(
            latent=params.latent,
            loss=params.loss,
            rate=params.learning_rate,
            critic_steps=params.critic_steps,
            strength=params.augment,
            reconstruction=params.reconstruction,
            clip=params.clip,
        )
        task = AdversarialTask(self._network().to(device), critic.to(device), encoder.to(device), contest)
        return train(task, source, self._settings(preset.steps), training)

    def _draw(self, number: int, rows: int) -> "Tensor":
        return self._decode_noise(self._model, self.params.latent, number, rows)
