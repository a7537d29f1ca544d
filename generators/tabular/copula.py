"""Copulas and distributions of SDV as plain values. Knows no class and no table.

What the library can name by a string of the file (`from_dict` imports whatever module it says) is chosen here among a
few that are written down.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_FILE, _MARGINALS = "copula.json", "marginals.json"


@dataclass
class Copula:
    """A fitted GaussianMultivariate, and for each category's column its values with the upper ends of their shares."""

    model: Any
    categories: dict[str, tuple[list[str], list[float]]]

    @classmethod
    def of(cls, synthesizer: Any) -> "Copula":
        """Return what a fitted GaussianCopulaSynthesizer learned."""
        categories = {}
        for name, transformer in synthesizer._data_processor._hyper_transformer.field_transformers.items():
            intervals = getattr(transformer, "intervals", None)
            if intervals is not None:
                ends = [float(end) for _, end in intervals.values()]
                categories[str(name)] = [str(value) for value in intervals], ends
        return cls(synthesizer._model, categories)

    def sample(self, rows: int) -> "pd.DataFrame":
        """Return a frame of so many rows, drawn from numpy's global state."""
        frame: pd.DataFrame = self.model.sample(rows)
        for name, (values, ends) in self.categories.items():
            places = np.searchsorted(ends, frame[name].to_numpy().clip(0, 1))
            frame[name] = np.array(values, dtype=object)[places]
        return frame

    def save(self, path: Path) -> None:
        """Write copula.json into the folder."""
        kept = {
            "columns": [str(name) for name in self.model.columns],
            "distributions": [told(univariate) for univariate in self.model.univariates],
            "correlation": self.model.correlation.to_numpy().tolist(),
            "categories": self.categories,
        }
        (path / _FILE).write_text(json.dumps(kept))

    @classmethod
    def load(cls, path: Path) -> "Copula":
        """Read what `save` wrote."""
        import pandas as pd
        from copulas.multivariate import GaussianMultivariate  # type: ignore[import-untyped]

        kept = json.loads((path / _FILE).read_text())
        names = kept["columns"]
        model = GaussianMultivariate()
        model.columns, model.univariates = names, [heard(one) for one in kept["distributions"]]
        model.correlation = pd.DataFrame(np.array(kept["correlation"]), index=names, columns=names)
        model.fitted = True
        return cls(model, {name: (values, ends) for name, (values, ends) in kept["categories"].items()})


@dataclass
class Normalised:
    """A model of numbers that were made normal by their own distributions first; `marginals` are those by column."""

    model: Any
    marginals: dict[str, Any]

    def sample(self, rows: int, stratum: str) -> "pd.DataFrame":
        """Return a frame of so many rows of the class, its numbers as they were before."""
        from scipy.stats import norm

        frame: pd.DataFrame = self.model.sample(rows, stratum)
        for name, marginal in self.marginals.items():
            frame[name] = marginal.ppf(norm.cdf(frame[name].to_numpy()))
        return frame

    def save(self, path: Path) -> None:
        """Write the model and marginals.json into the folder."""
        self.model.save(path)
        kept = {name: told(marginal) for name, marginal in self.marginals.items()}
        (path / _MARGINALS).write_text(json.dumps(kept))


def load_marginals(path: Path) -> dict[str, Any]:
    """Read the marginals of `Normalised`."""
    return {name: heard(one) for name, one in json.loads((path / _MARGINALS).read_text()).items()}


def told(univariate: Any) -> dict[str, Any]:
    """Return a fitted distribution as JSON holds it: its name, and its parameters."""
    names = {kind: name for name, kind in _distributions().items()}
    parameters = {name: np.asarray(value).tolist() for name, value in univariate._get_params().items()}
    return {"name": names[type(univariate)], "parameters": parameters}


def heard(kept: dict[str, Any]) -> Any:
    """Return the distribution that `told` wrote down."""
    univariate = _distributions()[kept["name"]]()
    univariate._set_params(kept["parameters"])
    univariate.fitted = True
    return univariate


def _distributions() -> dict[str, Any]:
    from copulas import univariate  # type: ignore[import-untyped]

    return {
        "norm": univariate.GaussianUnivariate,
        "beta": univariate.BetaUnivariate,
        "truncnorm": univariate.TruncatedGaussian,
        "gamma": univariate.GammaUnivariate,
        "uniform": univariate.UniformUnivariate,
        "gaussian_kde": univariate.GaussianKDE,
    }
