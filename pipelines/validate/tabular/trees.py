"""scikit-learn's boosted trees as plain arrays, so that saved ones are numbers and no pickle. Knows no rows of a table.

The arithmetic of a tree is scikit-learn's own, and so is every last digit of what comes out of it. What is read from a
file is checked first: that arithmetic is compiled, and goes to whatever place of memory a node points at.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FILE = "trees.npz"
_BITS = 8  # words of 32 bits that say of a column's categories which go left, or which are known

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """A fitted HistGradientBoostingClassifier: the trees of all rounds, in each round one a class (one for two).

    `nodes` are those of all trees one after the other, of scikit-learn's own record type; `sizes` says how many each
    has. `splits` holds the categories that go left (shape (splits, 8), as bits), `split_sizes` how many of them are
    each tree's. `start` is where the scores begin, a number for each tree of a round. `categorical` says of each
    column whether it holds categories; `known` are the categories that were seen (shape (columns of them, 8), as bits),
    and `values` what they are, in one ascending row a column, `value_sizes` each.
    """

    nodes: NDArray[np.void]
    sizes: NDArray[np.int64]
    splits: NDArray[np.uint32]
    split_sizes: NDArray[np.int64]
    start: Floats
    categorical: NDArray[np.bool_]
    known: NDArray[np.uint32]
    values: Floats
    value_sizes: NDArray[np.int64]

    @classmethod
    def of(cls, model: Any, columns: int) -> "Trees":
        """Return the trees of a fitted HistGradientBoostingClassifier of so many columns."""
        trees = [tree for together in model._predictors for tree in together]
        categorical = np.zeros(columns, np.bool_) if model.is_categorical_ is None else model.is_categorical_
        encoder = model._preprocessor.named_transformers_["encoder"] if model._preprocessor is not None else None
        values = [found[~np.isnan(found)] for found in encoder.categories_] if encoder is not None else []
        return cls(
            nodes=np.concatenate([tree.nodes for tree in trees]),
            sizes=np.array([len(tree.nodes) for tree in trees], np.int64),
            splits=np.concatenate([tree.raw_left_cat_bitsets for tree in trees]),
            split_sizes=np.array([len(tree.raw_left_cat_bitsets) for tree in trees], np.int64),
            start=np.ravel(model._baseline_prediction).astype(np.float64),
            categorical=np.array(categorical, np.bool_),
            known=model._bin_mapper.make_known_categories_bitsets()[0],
            values=np.concatenate([np.zeros(0), *values]),
            value_sizes=np.array([len(found) for found in values], np.int64),
        )

    @property
    def classes(self) -> int:
        """How many classes they tell apart."""
        return max(2, len(self.start))

    def probabilities(self, matrix: Floats) -> Floats:
        """Return each class's probability; shape (rows, classes), of a matrix of shape (rows, columns)."""
        from scipy.special import expit
        from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
        from sklearn.utils.extmath import softmax

        columns = self._columns(matrix)
        places = np.zeros(len(self.categorical), np.uint32)
        places[: len(self.known)] = np.arange(len(self.known))
        scores = np.zeros((len(matrix), len(self.start)), order="F") + self.start
        nodes, splits = _parts(self.nodes, self.sizes), _parts(self.splits, self.split_sizes)
        for number, (own, left) in enumerate(zip(nodes, splits, strict=True)):
            tree = TreePredictor(own, left, left)
            scores[:, number % len(self.start)] += tree.predict(columns, self.known, places, 1)
        if len(self.start) > 1:
            return softmax(scores)  # type: ignore[no-any-return]
        second = expit(scores[:, 0])
        return np.column_stack([1 - second, second])

    def _columns(self, matrix: Floats) -> Floats:
        """Return the matrix as the trees want it: categories first, by their place among the seen, NaN for others."""
        categories = matrix[:, self.categorical].copy()
        for column, seen in zip(categories.T, _parts(self.values, self.value_sizes), strict=True):
            column[:] = _places(column, seen)
        return np.ascontiguousarray(np.hstack([categories, matrix[:, ~self.categorical]]))

    def save(self, path: Path) -> None:
        """Write trees.npz into the folder."""
        arrays: dict[str, Any] = vars(self)
        np.savez(path / _FILE, **arrays)

    @classmethod
    def saved(cls, path: Path) -> bool:
        """Whether `save` wrote into the folder."""
        return (path / _FILE).exists()

    @classmethod
    def load(cls, path: Path) -> "Trees":
        """Read what `save` wrote; raises ValueError if it is not sound."""
        with np.load(path / _FILE, allow_pickle=False) as kept:
            trees = cls(**{field.name: kept[field.name] for field in fields(cls)})
        if not _sound(trees):
            raise ValueError(f"{_FILE} holds no sound trees")
        return trees


def _parts(array: NDArray[Any], sizes: NDArray[np.int64]) -> list[NDArray[Any]]:
    ends = np.cumsum(sizes)
    return [array[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _places(column: Floats, seen: Floats) -> Floats:
    """Return the place of each value in the ascending `seen`; NaN where it is not there."""
    if not len(seen):
        return np.full(len(column), np.nan)
    places = np.minimum(np.searchsorted(seen, column), len(seen) - 1)
    return np.where(seen[places] == column, places, np.nan)


def _sound(trees: Trees) -> bool:
    """Whether all sizes agree, and every node leads on to a later one of its tree and to bits that are there."""
    return _shaped(trees) and all(
        _leads_on(nodes, len(trees.categorical), len(trees.known), len(splits))
        for nodes, splits in zip(_parts(trees.nodes, trees.sizes), _parts(trees.splits, trees.split_sizes), strict=True)
    )


def _shaped(trees: Trees) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    whole, real, bits = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.uint32)
    kinds = [PREDICTOR_RECORD_DTYPE, whole, bits, whole, real, np.dtype(np.bool_), bits, real, whole]
    arrays: list[NDArray[Any]] = list(vars(trees).values())
    if [array.dtype for array in arrays] != kinds or [array.ndim for array in arrays] != [1, 1, 2, 1, 1, 1, 2, 1, 1]:
        return False
    counted = [(trees.sizes, trees.nodes), (trees.split_sizes, trees.splits), (trees.value_sizes, trees.values)]
    return (
        all((sizes >= 0).all() and sizes.sum() == len(held) for sizes, held in counted)
        and len(trees.sizes) == len(trees.split_sizes)
        and len(trees.start) > 0
        and len(trees.sizes) % len(trees.start) == 0
        and bool((trees.sizes > 0).all())
        and trees.splits.shape[1] == trees.known.shape[1] == _BITS
        and int(trees.categorical.sum()) == len(trees.known) == len(trees.value_sizes)
    )


def _leads_on(nodes: NDArray[np.void], columns: int, categorical: int, splits: int) -> bool:
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    asked = nodes[inner]
    by_category = asked[asked["is_categorical"] != 0]
    return bool(
        (asked["left"] > inner).all()
        and (asked["left"] < len(nodes)).all()
        and (asked["right"] > inner).all()
        and (asked["right"] < len(nodes)).all()
        and (asked["feature_idx"] >= 0).all()
        and (asked["feature_idx"] < columns).all()
        and (by_category["feature_idx"] < categorical).all()
        and (by_category["bitset_idx"] < splits).all()
    )
