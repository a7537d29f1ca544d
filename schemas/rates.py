"""How fast builds were on this machine, and how long another build is likely to take."""

from pydantic import Field

from schemas.base import Noun

RATES_FORMAT = 1


class Rates(Noun):
    """The times of one finished build in seconds; `at` is in seconds since 1970.

    `params` is a hash of the generator's parameters. `width` is the width of a row: modelled columns of a table, bytes
    of a text, pixels of an image. `device` is `cpu` or the GPU's kind; each of the `actors` took `gpus` of it. The
    model learnt from `fit_rows` rows (None if none was fitted). The `first` of all `candidates` were there after `warm`
    seconds; `kept` is the share of each class's candidates that were kept.
    """

    format: int = RATES_FORMAT
    at: float
    name: str
    generator: str
    params: str
    modality: str
    width: int = Field(ge=1)
    device: str
    gpus: float
    actors: int = Field(ge=1)
    source_bytes: int
    rows: int
    fit_rows: int | None
    warm: float
    first: int
    candidates: int
    kept: dict[str, float]
    steps: dict[str, float]


class StratumEstimate(Noun):
    """What one class is likely to need: candidates, seconds, and money if a GPU's price is known."""

    candidates: int
    seconds: float
    cost: float | None = None


class Estimate(Noun):
    """How long a build is likely to take, by step and by class, from `builds` of the same generator.

    `least` and `most` are the shortest and the longest estimate, in seconds, from any of these builds alone. The
    seconds of `strata` are those of the step `fill` without its start. `same_params` and `same_size` say whether the
    builds had the same parameters, and any had between a quarter and four times the rows; `fitted` whether the model
    exists already. `cost` is the cost of `gpu_hours` at the given price.
    """

    seconds: float
    least: float
    most: float
    steps: dict[str, float]
    strata: dict[str, StratumEstimate]
    builds: int
    device: str
    actors: int
    same_params: bool
    same_size: bool
    fitted: bool
    gpu_hours: float
    cost: float | None = None
