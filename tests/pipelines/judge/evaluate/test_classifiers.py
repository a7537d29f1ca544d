"""The classifiers of an evaluation: they learn what there is, and repeat themselves."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipelines.judge.evaluate.classifiers import Lesson, View, fit
from pipelines.modality import MODALITIES


@pytest.mark.parametrize("name", MODALITIES["tabular"].classifiers)
def test_a_table_classifier_learns_gaps_categories_and_weights(name):
    rng = np.random.default_rng(0)
    target = (rng.random(600) < 0.1).astype(np.int64)
    rows = np.column_stack([rng.normal(target, 1.0), rng.integers(0, 3, 600), np.full(600, np.nan)])
    rows[::7, 0] = np.nan
    lesson = Lesson(View(lambda _: rows, [False, True, False]), rows, target, 3, False, 0)
    with threadpool_limits(1):
        plain, again = (fit(name, MODALITIES["tabular"], lesson)(rows) for _ in range(2))
        weighted = fit(name, MODALITIES["tabular"], replace(lesson, weighted=True))(rows)
    assert plain.shape == (600, 3)
    assert not plain[:, 2].any(), "a class that it never saw"
    assert np.allclose(plain.sum(axis=1), 1)
    assert weighted[:, 1].mean() > 2 * plain[:, 1].mean()
    assert np.array_equal(plain, again), "same seed, same figures"


def test_the_small_resnet_tells_images_apart_and_repeats_itself():
    from generators.image.resnet import fit_resnet

    rng = np.random.default_rng(0)
    target = rng.integers(2, size=120)
    pixels = rng.integers(0, 60, (120, 16, 16, 1))
    pixels[target == 1, 4:8] += 120
    given = pixels.astype(np.uint8), target, 2
    first = fit_resnet(*given, weights=np.ones(2), seed=3, steps=60).probabilities(given[0])
    assert (first.argmax(axis=1) == target).mean() > 0.95
    short = [fit_resnet(*given, weights=np.ones(2), seed=seed, steps=4).probabilities(given[0]) for seed in (3, 3, 4)]
    assert np.array_equal(short[0], short[1])
    assert not np.array_equal(short[0], short[2])
