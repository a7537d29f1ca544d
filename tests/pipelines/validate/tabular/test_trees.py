"""Boosted trees as arrays: scikit-learn's own probabilities, and nothing unsound is handed to compiled code."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pipelines.validate.tabular.trees import Trees

CATEGORICAL = [True, False, True, False]


def data(classes, categorical, rows=600):
    rng = np.random.default_rng(classes)
    matrix = rng.normal(size=(rows, 4))
    for column, is_category in enumerate(categorical):
        if is_category:
            matrix[:, column] = rng.integers(0, 40, rows) * 2 + 3
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    scores = np.nan_to_num(matrix[:, 0]) + rng.normal(size=rows)
    return matrix, scores.argsort().argsort() * classes // rows


def fitted(classes, categorical=CATEGORICAL):
    matrix, target = data(classes, categorical)
    model = HistGradientBoostingClassifier(
        max_iter=12, categorical_features=categorical, early_stopping=False, random_state=0
    )
    return model.fit(matrix[:300], target[:300])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("categorical", [CATEGORICAL, [False] * 4, [True] * 4, [False, False, True, False]])
def test_probabilities_are_scikit_learn_s_own_to_the_last_bit(classes, categorical, tmp_path):
    model = fitted(classes, categorical)
    matrix = data(classes, categorical)[0]
    asked = np.vstack([matrix, np.full((3, 4), 999.0), np.full((3, 4), -7.0), np.full((2, 4), np.nan)])
    trees = Trees.of(model, 4)
    trees.save(tmp_path)
    for one in (trees, Trees.load(tmp_path)):
        np.testing.assert_array_equal(one.probabilities(asked), model.predict_proba(asked))
        assert one.probabilities(asked[:0]).shape == (0, classes)
        assert one.classes == classes


def changed(array, place, value):
    copy = array.copy()
    copy[place] = value
    return copy


def with_node(trees, field, value, leaf=False):
    """Return the trees with a field of the first inner node, or of one that asks for a category, changed."""
    wanted = (trees.nodes["is_leaf"] == 0) & (trees.nodes["is_categorical"] != 0 if leaf else True)
    nodes = trees.nodes.copy()
    nodes[field][np.flatnonzero(wanted)[0]] = value
    return replace(trees, nodes=nodes)


UNSOUND = {
    "a loop": lambda t: with_node(t, "left", 0),
    "a node that is not there": lambda t: with_node(t, "right", 2**31),
    "a column that is not there": lambda t: with_node(t, "feature_idx", 4),
    "a column before the first": lambda t: with_node(t, "feature_idx", -1),
    "bits that are not there": lambda t: with_node(t, "bitset_idx", 10**6, leaf=True),
    "a number as a category": lambda t: with_node(t, "feature_idx", 3, leaf=True),
    "a tree too few": lambda t: replace(t, sizes=t.sizes[:-1]),
    "an empty tree": lambda t: replace(t, sizes=changed(changed(t.sizes, 0, 0), 1, t.sizes[:2].sum())),
    "a negative size": lambda t: replace(t, sizes=changed(changed(t.sizes, 0, -1), 1, t.sizes[:2].sum() + 1)),
    "other nodes": lambda t: replace(t, nodes=t.nodes["value"]),
    "narrow bits": lambda t: replace(t, known=t.known[:, :4]),
    "fewer known": lambda t: replace(t, known=t.known[:1]),
    "no start": lambda t: replace(t, start=t.start[:0]),
    "another type": lambda t: replace(t, values=t.values.astype(np.float32)),
}


@pytest.mark.parametrize("how", UNSOUND)
def test_what_is_unsound_is_refused_before_compiled_code_sees_it(how, tmp_path):
    UNSOUND[how](Trees.of(fitted(2), 4)).save(tmp_path)
    with pytest.raises(ValueError, match=r"trees\.npz holds no sound trees"):
        Trees.load(tmp_path)
