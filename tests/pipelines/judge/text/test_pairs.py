"""Texts beside their parents."""

import pyarrow as pa
import pytest

from pipelines.judge.text.pairs import likeness
from tests.pipelines.judge.text.test_figures import REAL, figure, measured


def test_made_texts_are_compared_with_their_own_parents():
    parents = [n % 40 for n in range(80)]
    same = measured(REAL.take(pa.array(parents)), parents, "augmented")
    for name, most in (("BLEU", 100), ("ROUGE-1", 1), ("ROUGE-2", 1), ("ROUGE-L", 1)):
        assert figure(same, "pairs", name).made == pytest.approx(most)
        assert figure(same, "pairs", name).real < most / 2
    assert same.group("pairs").rows == 80
    turned = [" ".join(reversed(text.split())) for text in REAL["text"].take(pa.array(parents)).to_pylist()]
    backwards = measured(pa.table({"text": turned, "label": ["spam"] * 80}), parents, "augmented")
    assert figure(backwards, "pairs", "ROUGE-1").made == pytest.approx(1)
    assert figure(backwards, "pairs", "ROUGE-2").made < 0.3


def test_meteor_matches_stems_and_knows_no_synonyms():
    parent = ["the", "dogs", "are", "running", "home"]
    assert likeness([["the", "dog", "are", "run", "home"]], [parent])["METEOR"] > 0.95
    assert likeness([["the", "hound", "are", "jogging", "home"]], [parent])["METEOR"] < 0.65
