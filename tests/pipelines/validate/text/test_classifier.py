"""The classifier of texts: rare classes weigh as much as others, and what is saved says the same."""

import numpy as np

from pipelines.validate.text.classifier import Linear, Terms, fit_linear

TEXTS = ["win a free prize now", "free cash prize", "win cash now", *["see you at home", "dinner at home tonight"] * 6]
TARGET = np.array([1, 1, 1, *[0] * 12])


def test_a_rare_class_is_told_and_chances_sum_to_1():
    terms = Terms()
    model = fit_linear(terms.fit(TEXTS), TARGET)
    chances = model.probabilities(terms.features(["a free prize", "home for dinner"]))
    assert chances.sum(axis=1).round(9).tolist() == [1, 1]
    assert chances.argmax(axis=1).tolist() == [1, 0]
    even = model.probabilities(terms.features(["nothing known here"]))
    assert abs(even[0, 0] - 0.5) < 0.2, "what has no known word is of no class, however rare the other one"


def test_what_is_saved_says_the_same(tmp_path):
    terms = Terms()
    model = fit_linear(terms.fit(TEXTS), TARGET)
    model.save(tmp_path)
    terms.save(tmp_path)
    loaded = Terms()
    loaded.load(tmp_path)
    again = Linear.load(tmp_path).probabilities(loaded.features(TEXTS))
    assert again.tolist() == model.probabilities(terms.features(TEXTS)).tolist()


def test_texts_without_words_teach_nothing():
    assert Terms().fit(["", "..."]) is None
