"""Diversity and perplexity of texts, and texts beside their parents."""

import math

import numpy as np
import pyarrow as pa
import pytest

from generators.text.perplexity import LanguageModel
from pipelines.judge.fidelity.measure import measure_fidelity
from schemas.errors import GeneratorError
from schemas.fidelity import FidelityChoice
from tests.pipelines.judge.fidelity.rows import manifest_of, shards, source
from tests.tiny_models import WORDS, tiny_causal


def texts(rows, seed=0, words=WORDS, label="spam"):
    rng = np.random.default_rng(seed)
    return pa.table({"text": [" ".join(rng.choice(words, 8)) for _ in range(rows)], "label": [label] * rows})


REAL = texts(120)


def measured(made, parents=None, origin="synthetic", real=REAL, **choice):
    manifest = manifest_of(real, "label", "text", {"text": "text"}, origin)
    return measure_fidelity(manifest, source(real), shards(real, made, parents), FidelityChoice(**choice))


def figure(found, kind, name):
    return next(one for one in found.group(kind).overall() if one.name == name)


def test_repeated_texts_are_found_to_be_alike_and_real_ones_are_beside_them():
    found = measured(pa.table({"text": ["free cash prize now call me ok"] * 60, "label": ["spam"] * 60}))
    bleu, distinct = figure(found, "texts", "Self-BLEU"), figure(found, "texts", "Distinct-3")
    assert bleu.made == pytest.approx(100)
    assert bleu.real < 40
    assert distinct.made < 0.02 < 0.8 < distinct.real
    assert found.group("texts").rows == 60
    assert found.group("pairs") is None


def test_figures_are_told_by_class_and_as_their_mean():
    real = pa.concat_tables([REAL, texts(100, seed=4, label="ham", words=WORDS[:6])])
    made = pa.concat_tables([texts(50, seed=2), texts(50, seed=3, words=WORDS[:6], label="ham")])
    group = measured(made, real=real).group("texts")
    by_class = {one.stratum: one.made for one in group.figures if one.name == "Distinct-1"}
    assert by_class["ham"] < by_class["spam"]
    assert by_class[None] == pytest.approx((by_class["ham"] + by_class["spam"]) / 2)


def test_a_word_that_gives_made_texts_away_is_named():
    strange = [f"{text} zebra" for text in texts(100, seed=2)["text"].to_pylist()]
    [detector] = measured(pa.table({"text": strange, "label": ["spam"] * 100})).detectors
    assert detector.auc > 0.95
    assert "zebra" in next(iter(detector.tells))
    [detector] = measured(texts(120, seed=2)).detectors
    assert detector.auc == pytest.approx(0.5, abs=0.12)


def test_texts_without_words_do_no_harm():
    empty = pa.table({"text": ["!?"] * 60, "label": ["spam"] * 60})
    found = measured(empty, real=pa.concat_tables([empty, empty]))
    assert figure(found, "texts", "Self-BLEU").made is None
    assert found.detectors[0].note == "nothing differs from row to row"


def test_perplexity_is_by_the_given_model():
    made = texts(60, seed=2, words=["xylophone", "quartz"])
    found = measured(made, language_model=tiny_causal())
    one = figure(found, "texts", "Perplexity")
    assert one.made > 0
    assert one.made != one.real
    assert tiny_causal() in found.group("texts").basis


def test_perplexity_is_what_the_model_says_of_each_token():
    import torch

    model = LanguageModel(tiny_causal())
    both = ["free cash prize", "call now"]
    surprises = []
    for text in both:
        tokens = torch.tensor([[model._start, *model._tokenizer(text)["input_ids"]]])
        with torch.inference_mode():
            chances = model._model(tokens).logits.log_softmax(-1)[0, :-1]
        surprises += (-chances[torch.arange(tokens.shape[1] - 1), tokens[0, 1:]]).tolist()
    assert model.perplexity([*both, ""]) == pytest.approx(math.exp(np.mean(surprises)), rel=1e-4)
    assert model.perplexity([""]) is None
    assert model.perplexity(["free " * 500]) > 0  # longer than the context


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(GeneratorError, match="'/no/such/model': not there"):
        measured(texts(60, seed=2), language_model="/no/such/model")
