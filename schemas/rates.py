"""How fast builds were here, and how long another one is likely to take."""

from pydantic import Field

from schemas.base import Noun

RATES_FORMAT = 1


class Rates(Noun):
    """What one finished build took; times are in seconds, `at` in seconds since 1970.

    `params` is a hash of the generator's parameters. `width` is that of a row: columns that are modelled, of texts
    bytes, of images pixels. `device` is `cpu` or the GPU's kind, of which each of the `actors` took `gpus`. `fit_rows`
    were learnt from, nothing if no model was fitted. The actors were `warm` once the `first` candidates were there, of
    all `candidates`; `kept` is the share of each class's that were kept.
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
    """What one class is likely to take: candidates, seconds, and money where a GPU's price is known."""

    candidates: int
    seconds: float
    cost: float | None = None


class Estimate(Noun):
    """How long a build is likely to take, by step and by class, from `builds` of the same generator.

    `least` and `most` are the least and the most seconds that one of these builds alone would let expect.
    The seconds of `strata` are those of the step `fill`, but for its beginning. `same_params` and `same_size` say
    whether those builds had this one's parameters, and rows within four times as many or few; `fitted` whether the
    model is there already. `cost` is that of `gpu_hours` at the given price.
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
