"""The models of SDV 2, fitted so that rows of a requested class are made directly and none is thrown away.

`frame` settles types, nulls, rounding and bounds, so SDV gets plain numbers and categories with explicit sdtypes. SDV's
public sampling is not used: it rejects rows and repeats one fixed seed. Of a fitted synthesizer only what drawing needs
is kept, as weights and plain values: SDV itself saves pickles, which can run code.
"""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from generators.base import Capabilities, Training, Unwatched
from generators.classes import check_class_known, check_class_sizes, split_classes
from generators.random import seeded
from generators.tabular.copula import Copula, Normalised, load_marginals
from generators.tabular.frame import LABEL, Codec, decode, encode
from generators.tabular.frame_file import load_codec, save_codec
from generators.tabular.params import CopulaGANParams, CopulaParams, CTGANParams, NetworkParams, TVAEParams
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@dataclass
class _Model:
    """A codec, the model fitted on its frame, and the minimum and range of each number that was scaled to 0 to 1.

    `fitted` is None where every column but the label is constant.
    """

    codec: Codec
    fitted: Any
    ranges: dict[str, tuple[float, float]]


_Fit = Callable[[pa.Table, str, np.random.Generator], dict[str, _Model]]


class _SDVGenerator:
    """Base class: saving, loading and sampling. `_models` holds a model per class, one object where all share it."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        modalities=("tabular",),
        max_chunk_rows=10_000,
        uses_gpu=False,  # a sample's time is spent in turning numbers into values, on the CPU
        licence="BUSL-1.1 (sdv, ctgan, copulas, rdt)",
    )
    _name: ClassVar[str]

    def __init__(self, params: Any) -> None:
        self.params = params
        self._models: dict[str, _Model] = {}

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Learn from `table`; raises GeneratorError with the class named where a class is too small."""
        self._learn_seeded(table, label, seed, self._fit)

    def _learn_seeded(self, table: pa.Table, label: str, seed: int, fit: _Fit) -> None:
        import sdv.single_table  # noqa: F401 - it imports torch, and `seeded` must find that

        check_class_sizes(table, label, self.capabilities.min_class_rows, self._name)
        with seeded(seed) as rng, _without_warnings():
            self._models = fit(table, label, rng)

    def _fit(self, table: pa.Table, label: str, rng: np.random.Generator) -> dict[str, _Model]:
        raise NotImplementedError

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows of the class; raises GeneratorError if the class was not in the table."""
        import pandas as pd
        import torch  # noqa: F401 - `seeded` must find it

        check_class_known(request.stratum, self._models)
        model = self._models[request.stratum]
        with seeded(request.seed) as rng, _without_warnings():
            empty = model.fitted is None
            frame = pd.DataFrame(index=range(request.rows)) if empty else self._draw(model.fitted, request)
            for name, (low, span) in model.ranges.items():
                frame[name] = low + span * frame[name].to_numpy()
            return decode(model.codec, frame, request.stratum, rng)

    def _draw(self, fitted: Any, request: SampleRequest) -> "pd.DataFrame":
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write `model.json`, and for each model a folder with its codec and weights; nothing is a pickle."""
        models = {id(model): model for model in self._models.values()}
        for number, model in enumerate(models.values()):
            folder = path / str(number)
            folder.mkdir()
            save_codec(model.codec, folder)
            if model.fitted is not None:
                model.fitted.save(folder)
        description = {
            "classes": {name: list(models).index(id(model)) for name, model in self._models.items()},
            "models": [{"empty": model.fitted is None, "ranges": model.ranges} for model in models.values()],
        }
        (path / "model.json").write_text(json.dumps(description))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `device`."""
        import torch  # noqa: F401 - `seeded` must find it

        description = json.loads((path / "model.json").read_text())
        models = []
        with seeded(0):  # a network is filled with random weights before the file's are read
            for number, entry in enumerate(description["models"]):
                codec = load_codec(path / str(number))
                fitted = None if entry["empty"] else self._load_fitted(path / str(number), device)
                ranges = {name: (low, span) for name, (low, span) in entry["ranges"].items()}
                models.append(_Model(codec, fitted, ranges))
        self._models = {name: models[number] for name, number in description["classes"].items()}

    def _load_fitted(self, path: Path, device: str) -> Any:
        """Return the fitted model, on `device`, from what its `save` wrote into the folder."""
        raise NotImplementedError


class GaussianCopula(_SDVGenerator):
    """Gaussian copula (Patki et al. 2016, "The Synthetic Data Vault"; SDV's GaussianCopulaSynthesizer), one per class.

    One joint copula conditioned on the label was tried and is worse: it represents a class by one number alone, the
    label's normal score, which shifts all columns along one line. On Adult with `>50K` cut to 250 rows it gave these a
    mean age of 37 (real 44, per class 44) and a total variation of marital status of 0.44 (per class 0.03), and a
    classifier trained with its rows had an AUC of 0.79 (per class 0.88 to 0.89, without any synthetic rows 0.89).
    Correlations of small classes are shrunk towards independence, by n / (n + columns).

    Example:
        generator:
          name: gaussian_copula
          params: {default_distribution: gaussian_kde}

    """

    Params = CopulaParams
    capabilities: ClassVar[Capabilities] = replace(_SDVGenerator.capabilities, min_class_rows=2)
    _name = "gaussian_copula"

    def _fit(self, table: pa.Table, label: str, rng: np.random.Generator) -> dict[str, _Model]:
        models = {}
        for name, rows in split_classes(table, label).items():
            codec, frame = encode(rows, label, rng, max_categories=self.params.max_categories)
            ranges = _to_unit_range(frame, codec)
            fitted = self._fit_class(frame.drop(columns=LABEL), codec) if frame.shape[1] > 1 else None
            models[name] = _Model(codec, fitted, ranges)
            log.info("gaussian_copula: class %r fitted on %d rows", name, rows.num_rows)
        return models

    def _fit_class(self, frame: "pd.DataFrame", codec: Codec) -> Copula:
        from sdv.single_table import GaussianCopulaSynthesizer

        synthesizer = GaussianCopulaSynthesizer(
            _metadata(frame, codec),
            enforce_min_max_values=False,
            enforce_rounding=False,
            # SDV spreads a category evenly over its share of 0 to 1, so this is the distribution, and no guess.
            numerical_distributions={name: "uniform" for name in frame if name in codec.texts},
            default_distribution=self.params.default_distribution,
        )
        synthesizer.fit({"t": frame})
        model = synthesizer._model
        columns = len(model.columns)
        model.correlation *= len(frame) / (len(frame) + columns)
        np.fill_diagonal(model.correlation.to_numpy(copy=False), 1.0)
        return Copula.of(synthesizer)

    def _draw(self, fitted: Copula, request: SampleRequest) -> "pd.DataFrame":
        return fitted.sample(request.rows)

    def _load_fitted(self, path: Path, device: str) -> Copula:  # noqa: ARG002 - nothing runs on a device
        return Copula.load(path)


class CTGAN(_SDVGenerator):
    """CTGAN (Xu et al. 2019, arXiv:1907.00503; SDV's CTGANSynthesizer): one joint GAN, conditioned on the class.

    The class is the condition of every row, in training and in sampling (see `conditional_gan`).

    Example:
        generator:
          name: ctgan
          params: {epochs: 100, gpu: true}

    """

    Params: ClassVar[type[CTGANParams]] = CTGANParams
    _name: ClassVar[str] = "ctgan"

    def _fit(self, table: pa.Table, label: str, rng: np.random.Generator) -> dict[str, _Model]:
        from generators.tabular.conditional_gan import class_conditions

        _check_gpu(self.params)
        codec, frame = encode(table, label, rng, max_categories=self.params.max_categories)
        fitted = None
        if frame.shape[1] > 1:
            synthesizer = self._new_synthesizer(_metadata(frame, codec))
            with class_conditions():
                synthesizer.fit({"t": frame})
            synthesizer._model.set_device("cpu")
            fitted = self._extract_model(synthesizer)
        return dict.fromkeys(sorted(set(frame[LABEL])), _Model(codec, fitted, {}))

    def _extract_model(self, synthesizer: Any) -> Any:
        from generators.tabular.conditional_gan import ConditionalGAN

        return ConditionalGAN.of(synthesizer._model, LABEL, self.params)

    def _new_synthesizer(self, metadata: Any) -> Any:
        from sdv.single_table import CTGANSynthesizer

        return CTGANSynthesizer(metadata, **self._synthesizer_settings())

    def _synthesizer_settings(self) -> dict[str, Any]:
        own = self.params.model_dump(exclude={"gpu", "max_categories"})
        return {**own, "enable_gpu": self.params.gpu, "enforce_min_max_values": False, "enforce_rounding": False}

    def _draw(self, fitted: Any, request: SampleRequest) -> "pd.DataFrame":
        frame: pd.DataFrame = fitted.sample(request.rows, request.stratum)
        return frame

    def _load_fitted(self, path: Path, device: str) -> Any:
        from generators.tabular.conditional_gan import ConditionalGAN

        fitted = ConditionalGAN.load(path, LABEL, self.params)
        fitted.set_device(device)
        return fitted


class CopulaGAN(CTGAN):
    """CopulaGAN (SDV's CopulaGANSynthesizer): CTGAN on numbers that their fitted distribution made normal first.

    Example:
        generator:
          name: copulagan
          params: {epochs: 100, default_distribution: gamma}

    """

    Params = CopulaGANParams
    _name = "copulagan"

    def _new_synthesizer(self, metadata: Any) -> Any:
        from sdv.single_table import CopulaGANSynthesizer

        return CopulaGANSynthesizer(metadata, **self._synthesizer_settings())

    def _extract_model(self, synthesizer: Any) -> Normalised:
        transformers = synthesizer._gaussian_normalizer_hyper_transformer.field_transformers
        marginals = {
            name: transformer._univariate for name, transformer in transformers.items() if transformer is not None
        }
        return Normalised(super()._extract_model(synthesizer), marginals)

    def _load_fitted(self, path: Path, device: str) -> Normalised:
        return Normalised(super()._load_fitted(path, device), load_marginals(path))


class TVAE(_SDVGenerator):
    """TVAE (Xu et al. 2019, arXiv:1907.00503; parts of SDV's TVAESynthesizer): one joint VAE, conditioned on the class.

    TVAE itself knows no condition: making a rare class means to draw and throw away, and one TVAE per class learns
    nothing from the other rows, which is little where a class is rare. So the class is an input of encoder and decoder
    beside the row (see `conditional_vae`): one joint model, exact classes, no row thrown away.

    Example:
        generator:
          name: tvae
          params: {epochs: 100}

    """

    Params = TVAEParams
    _name = "tvae"

    def train(self, table: pa.Table, label: str, seed: int, training: Training) -> None:
        """Do what `fit` does; a training that was killed and goes on ends with the same model."""
        self._learn_seeded(table, label, seed, partial(self._fit, training=training))

    def _fit(
        self, table: pa.Table, label: str, rng: np.random.Generator, training: Training | None = None
    ) -> dict[str, _Model]:
        _check_gpu(self.params)
        codec, frame = encode(table, label, rng, max_categories=self.params.max_categories)
        features = frame.drop(columns=LABEL)
        fitted = None
        if features.shape[1]:
            fitted = self._new_model()
            texts = [name for name in features if name in codec.texts]
            classes = frame[LABEL].to_numpy()
            device = "cuda" if self.params.gpu else "cpu"
            fitted.fit(features, texts, classes, self.params, device, training or Unwatched())
        return dict.fromkeys(sorted(set(frame[LABEL])), _Model(codec, fitted, {}))

    def _draw(self, fitted: Any, request: SampleRequest) -> "pd.DataFrame":
        frame: pd.DataFrame = fitted.sample(request.rows, request.stratum)
        return frame

    def _new_model(self) -> Any:
        from generators.tabular.conditional_vae import ConditionalTVAE

        params = self.params
        return ConditionalTVAE(
            embedding_dim=params.embedding_dim, encoder_dim=params.compress_dims, decoder_dim=params.decompress_dims
        )

    def _load_fitted(self, path: Path, device: str) -> Any:
        fitted = self._new_model()
        fitted.load(path)
        fitted.set_device(device)
        return fitted


def _metadata(frame: "pd.DataFrame", codec: Codec) -> Any:
    """Return SDV's metadata with the sdtype of every column, so that none is taken for a name, an id or a key."""
    from sdv.metadata import Metadata

    sdtypes = {name: "categorical" if name in codec.texts else "numerical" for name in frame}
    columns = {name: {"sdtype": sdtype} for name, sdtype in sdtypes.items()}
    return Metadata.load_from_dict({"tables": {"t": {"columns": columns}}})


def _to_unit_range(frame: "pd.DataFrame", codec: Codec) -> dict[str, tuple[float, float]]:
    """Scale the frame's numbers to 0 to 1, in place; return the minimum and the range of each.

    The searches for a distribution's parameters have absolute tolerances: for values around 0.005 they end at once.
    (CopulaGAN was tried with it, too, and followed the class less well.)
    """
    ranges = {}
    for name in frame:
        if name not in codec.texts:
            low, span = float(frame[name].min()), float(np.ptp(frame[name].to_numpy()))
            frame[name] = (frame[name] - low) / span
            ranges[str(name)] = (low, span)
    return ranges


def _check_gpu(params: NetworkParams) -> None:
    import torch

    if params.gpu and not torch.cuda.is_available():
        raise GeneratorError("gpu: true asks to train on a GPU, and torch finds none here; set gpu: false")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence scipy's warnings while it searches a distribution's parameters; SDV falls back where it finds none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"scipy\.")
        yield
