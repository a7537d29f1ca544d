"""Parameters of the tabular models, checked before anything is fitted. Knows no library."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from generators import base

Distribution = Literal["norm", "beta", "truncnorm", "gamma", "uniform", "gaussian_kde"]
Layers = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
_CATEGORIES = "A text column keeps so many of its most frequent values; the rest are drawn as they occur in the class."


class CopulaParams(base.Params):
    """Parameters of `gaussian_copula`."""

    default_distribution: Distribution = Field("truncnorm", description="The distribution of each column of numbers.")
    max_categories: int = Field(100, ge=2, description=_CATEGORIES)


class NetworkParams(base.Params):
    """Parameters that all neural models have."""

    epochs: Annotated[int, base.Lasting()] = Field(30, ge=1, description="Passes over the real rows.")
    batch_size: int = Field(500, ge=2, description="Rows in one training step.")
    embedding_dim: int = Field(128, ge=1, description="Width of the random vector that a row is made from.")
    max_categories: int = Field(100, ge=2, description=_CATEGORIES)
    gpu: bool = Field(
        False, description="Train on a GPU: faster for wide layers, but the model differs from one trained on the CPU."
    )


class CTGANParams(NetworkParams):
    """Parameters of `ctgan`."""

    generator_dim: Layers = Field((256, 256), description="Widths of the generator's layers.")
    discriminator_dim: Layers = Field((256, 256), description="Widths of the discriminator's layers.")
    generator_lr: float = Field(2e-4, gt=0, description="Learning rate of the generator.")
    generator_decay: float = Field(1e-6, ge=0, description="Weight decay of the generator.")
    discriminator_lr: float = Field(2e-4, gt=0, description="Learning rate of the discriminator.")
    discriminator_decay: float = Field(1e-6, ge=0, description="Weight decay of the discriminator.")
    discriminator_steps: int = Field(1, ge=1, description="Discriminator steps to one generator step.")
    log_frequency: bool = Field(True, description="Draw classes by the logarithm of their frequency in training.")
    pac: int = Field(10, ge=1, description="Rows that the discriminator judges together; divides batch_size.")

    @model_validator(mode="after")
    def _batch_divides(self) -> "CTGANParams":
        if self.batch_size % self.pac or self.batch_size % 2:
            raise ValueError(
                f"batch_size must be an even multiple of pac, got batch_size {self.batch_size} and pac {self.pac};"
                f" take for example batch_size {2 * self.pac * max(1, round(self.batch_size / (2 * self.pac)))}"
            )
        return self


class CopulaGANParams(CTGANParams):
    """Parameters of `copulagan`."""

    default_distribution: Distribution = Field("truncnorm", description="The distribution of each column of numbers.")


class TVAEParams(NetworkParams):
    """Parameters of `tvae`."""

    compress_dims: Layers = Field((128, 128), description="Widths of the encoder's layers.")
    decompress_dims: Layers = Field((128, 128), description="Widths of the decoder's layers.")
    learning_rate: float = Field(1e-3, gt=0, description="Learning rate.")
    weight_decay: float = Field(1e-5, ge=0, description="Weight decay of both networks (SDV: l2scale).")
    reconstruction_weight: float = Field(2, gt=0, description="Weight of the rebuilding error (SDV: loss_factor).")


class SMOTEParams(base.Params):
    """Parameters of `smote`."""

    k_neighbors: int = Field(5, ge=1, description="Nearest neighbours a row is mixed with; fewer in smaller classes.")
    max_class_rows: int = Field(
        20_000, ge=2, description="Real rows kept of each class, drawn at random: time grows with their square."
    )
    max_categories: int = Field(100, ge=2, description=_CATEGORIES)


class AutoregressiveParams(base.Params):
    """Parameters of `autoregressive`."""

    epochs: Annotated[int, base.Lasting()] = Field(15, ge=1, description="Passes over the real rows.")
    min_steps: int = Field(400, ge=1, description="Training steps at least, for small tables.")
    max_steps: int = Field(20_000, ge=1, description="Training steps at most, for large ones.")
    batch_rows: int = Field(512, ge=1, description="Rows in one step; fewer of a small table.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of the hidden units left out in training.")
    hidden: int = Field(128, ge=1, description="Hidden units of each column's network.")
    embedding: int = Field(16, ge=1, description="Width of a column's embedding, at most.")
    tail_weight: float = Field(
        0.3, ge=0, le=1, description="How much oftener rare classes are learnt from: 0 as they are, 1 all alike."
    )
    max_bins: int = Field(128, ge=2, description="Quantile bins of a column of numbers, at most.")
    max_categories: int = Field(254, ge=2, description=_CATEGORIES)
    given: dict[str, bool | int | float | str] = Field(
        {}, description="Values that every made row has, by column; the others are drawn to go with them."
    )
    gpu: bool = Field(False, description="Train on a GPU; the model differs from one trained on the CPU.")
