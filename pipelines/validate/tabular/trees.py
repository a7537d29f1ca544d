"""scikit-learn's boosted trees as plain arrays, so that saved trees are numbers and no pickle. Knows no table.

The arithmetic of a tree is scikit-learn's own, to the last digit of the result. Arrays that are read from a file are
checked first: the arithmetic is compiled, and reads whatever memory a node points at.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FILE = "trees.npz"
_BITS = 8  # words of 32 bits: which of a column's categories go left, or which are known

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """A fitted HistGradientBoostingClassifier: the trees of all rounds, in each round one per class.

    For two classes there is one tree a round. `nodes` are those of all trees one after the other, of scikit-learn's own
    record type; `sizes` is the number of each tree's nodes. `splits` holds the categories that go left (shape (splits,
    8), as bits), `split_sizes` the number of each tree's splits. `start` holds the scores before the first tree, one
    for each tree of a round. `categorical` says which columns hold categories. `known` are the categories that were
    seen (shape (columns of categories, 8), as bits), and `values` what they are, in one ascending row a column, of
    `value_sizes` each.
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
        """Return the trees of a fitted HistGradientBoostingClassifier on `columns` columns."""
        trees = [tree for trees_of_round in model._predictors for tree in trees_of_round]
        categorical = np.zeros(columns, np.bool_) if model.is_categorical_ is None else model.is_categorical_
        encoder = model._preprocessor.named_transformers_["encoder"] if model._preprocessor is not None else None
        values = (
            [categories[~np.isnan(categories)] for categories in encoder.categories_] if encoder is not None else []
        )
        return cls(
            nodes=np.concatenate([tree.nodes for tree in trees]),
            sizes=np.array([len(tree.nodes) for tree in trees], np.int64),
            splits=np.concatenate([tree.raw_left_cat_bitsets for tree in trees]),
            split_sizes=np.array([len(tree.raw_left_cat_bitsets) for tree in trees], np.int64),
            start=np.ravel(model._baseline_prediction).astype(np.float64),
            categorical=np.array(categorical, np.bool_),
            known=model._bin_mapper.make_known_categories_bitsets()[0],
            values=np.concatenate([np.zeros(0), *values]),
            value_sizes=np.array([len(categories) for categories in values], np.int64),
        )

    @property
    def classes(self) -> int:
        """The number of classes."""
        return max(2, len(self.start))

    def probabilities(self, matrix: Floats) -> Floats:
        """Return each class's probability, shape (rows, classes), for a matrix of shape (rows, columns)."""
        from scipy.special import expit
        from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
        from sklearn.utils.extmath import softmax

        columns = self._order_columns(matrix)
        indices = np.zeros(len(self.categorical), np.uint32)
        indices[: len(self.known)] = np.arange(len(self.known))
        scores = np.zeros((len(matrix), len(self.start)), order="F") + self.start
        nodes, splits = _split(self.nodes, self.sizes), _split(self.splits, self.split_sizes)
        for number, (own, left) in enumerate(zip(nodes, splits, strict=True)):
            tree = TreePredictor(own, left, left)
            scores[:, number % len(self.start)] += tree.predict(columns, self.known, indices, 1)
        if len(self.start) > 1:
            return softmax(scores)  # type: ignore[no-any-return]
        second = expit(scores[:, 0])
        return np.column_stack([1 - second, second])

    def _order_columns(self, matrix: Floats) -> Floats:
        """Return the matrix as the trees read it: categories first, as indices of the known ones, NaN for others."""
        categories = matrix[:, self.categorical].copy()
        for column, seen in zip(categories.T, _split(self.values, self.value_sizes), strict=True):
            column[:] = _find_indices(column, seen)
        return np.ascontiguousarray(np.hstack([categories, matrix[:, ~self.categorical]]))

    def save(self, path: Path) -> None:
        """Write trees.npz into the folder."""
        arrays: dict[str, Any] = vars(self)
        np.savez(path / _FILE, **arrays)

    @classmethod
    def saved(cls, path: Path) -> bool:
        """Whether `save` wrote trees into the folder."""
        return (path / _FILE).exists()

    @classmethod
    def load(cls, path: Path) -> "Trees":
        """Read what `save` wrote; raises ValueError if the arrays do not fit together."""
        with np.load(path / _FILE, allow_pickle=False) as file:
            trees = cls(**{field.name: file[field.name] for field in fields(cls)})
        if not _is_sound(trees):
            raise ValueError(f"{_FILE} holds no sound trees")
        return trees


def _split(array: NDArray[Any], sizes: NDArray[np.int64]) -> list[NDArray[Any]]:
    ends = np.cumsum(sizes)
    return [array[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _find_indices(column: Floats, seen: Floats) -> Floats:
    """Return the index of each value in the ascending `seen`; NaN where it is not there."""
    if not len(seen):
        return np.full(len(column), np.nan)
    indices = np.minimum(np.searchsorted(seen, column), len(seen) - 1)
    return np.where(seen[indices] == column, indices, np.nan)


def _is_sound(trees: Trees) -> bool:
    """Whether all sizes agree, and every node leads to a later one of its tree and to existing bits."""
    return _has_right_shapes(trees) and all(
        _leads_forward(nodes, len(trees.categorical), len(trees.known), len(splits))
        for nodes, splits in zip(_split(trees.nodes, trees.sizes), _split(trees.splits, trees.split_sizes), strict=True)
    )


def _has_right_shapes(trees: Trees) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    whole, real, bits = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.uint32)
    kinds = [PREDICTOR_RECORD_DTYPE, whole, bits, whole, real, np.dtype(np.bool_), bits, real, whole]
    arrays: list[NDArray[Any]] = list(vars(trees).values())
    if [array.dtype for array in arrays] != kinds or [array.ndim for array in arrays] != [1, 1, 2, 1, 1, 1, 2, 1, 1]:
        return False
    pairs = [(trees.sizes, trees.nodes), (trees.split_sizes, trees.splits), (trees.value_sizes, trees.values)]
    return (
        all((sizes >= 0).all() and sizes.sum() == len(array) for sizes, array in pairs)
        and len(trees.sizes) == len(trees.split_sizes)
        and len(trees.start) > 0
        and len(trees.sizes) % len(trees.start) == 0
        and bool((trees.sizes > 0).all())
        and trees.splits.shape[1] == trees.known.shape[1] == _BITS
        and int(trees.categorical.sum()) == len(trees.known) == len(trees.value_sizes)
    )


def _leads_forward(nodes: NDArray[np.void], columns: int, categorical: int, splits: int) -> bool:
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    tests = nodes[inner]
    by_category = tests[tests["is_categorical"] != 0]
    return bool(
        (tests["left"] > inner).all()
        and (tests["left"] < len(nodes)).all()
        and (tests["right"] > inner).all()
        and (tests["right"] < len(nodes)).all()
        and (tests["feature_idx"] >= 0).all()
        and (tests["feature_idx"] < columns).all()
        and (by_category["feature_idx"] < categorical).all()
        and (by_category["bitset_idx"] < splits).all()
    )
