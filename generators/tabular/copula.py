"""Copulas and distributions of SDV as plain values. Knows no class and no table.

SDV's `from_dict` imports whatever module the file names. Here the file only chooses among a few distributions.
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
    """A fitted GaussianMultivariate, and the values of each column of categories with the ends of their shares."""

    model: Any
    categories: dict[str, tuple[list[str], list[float]]]

    @classmethod
    def of(cls, synthesizer: Any) -> "Copula":
        """Return the copula of a fitted GaussianCopulaSynthesizer."""
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
            indices = np.searchsorted(ends, frame[name].to_numpy().clip(0, 1))
            frame[name] = np.array(values, dtype=object)[indices]
        return frame

    def save(self, path: Path) -> None:
        """Write copula.json into the folder."""
        description = {
            "columns": [str(name) for name in self.model.columns],
            "distributions": [distribution_to_json(univariate) for univariate in self.model.univariates],
            "correlation": self.model.correlation.to_numpy().tolist(),
            "categories": self.categories,
        }
        (path / _FILE).write_text(json.dumps(description))

    @classmethod
    def load(cls, path: Path) -> "Copula":
        """Read what `save` wrote."""
        import pandas as pd
        from copulas.multivariate import GaussianMultivariate  # type: ignore[import-untyped]

        description = json.loads((path / _FILE).read_text())
        names = description["columns"]
        model = GaussianMultivariate()
        model.columns, model.univariates = names, [distribution_from_json(one) for one in description["distributions"]]
        model.correlation = pd.DataFrame(np.array(description["correlation"]), index=names, columns=names)
        model.fitted = True
        return cls(model, {name: (values, ends) for name, (values, ends) in description["categories"].items()})


@dataclass
class Normalised:
    """A model of numbers that were first made normal by their own distributions; `marginals` holds these by column."""

    model: Any
    marginals: dict[str, Any]

    def sample(self, rows: int, stratum: str) -> "pd.DataFrame":
        """Return a frame of so many rows of the class, with the numbers transformed back."""
        from scipy.stats import norm

        frame: pd.DataFrame = self.model.sample(rows, stratum)
        for name, marginal in self.marginals.items():
            frame[name] = marginal.ppf(norm.cdf(frame[name].to_numpy()))
        return frame

    def save(self, path: Path) -> None:
        """Write the model and marginals.json into the folder."""
        self.model.save(path)
        descriptions = {name: distribution_to_json(marginal) for name, marginal in self.marginals.items()}
        (path / _MARGINALS).write_text(json.dumps(descriptions))


def load_marginals(path: Path) -> dict[str, Any]:
    """Read the marginals that `Normalised.save` wrote."""
    return {name: distribution_from_json(one) for name, one in json.loads((path / _MARGINALS).read_text()).items()}


def distribution_to_json(univariate: Any) -> dict[str, Any]:
    """Return a fitted distribution as plain values for JSON: its name and its parameters."""
    names = {kind: name for name, kind in _distributions().items()}
    parameters = {name: np.asarray(value).tolist() for name, value in univariate._get_params().items()}
    return {"name": names[type(univariate)], "parameters": parameters}


def distribution_from_json(description: dict[str, Any]) -> Any:
    """Return the distribution that `distribution_to_json` wrote."""
    univariate = _distributions()[description["name"]]()
    univariate._set_params(description["parameters"])
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
