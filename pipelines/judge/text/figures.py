"""Measures the diversity of texts within each class, and their perplexity by a language model."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipelines.judge.fidelity.sides import Sides, by_class
from pipelines.judge.text.language import MOST_CHARACTERS, distinct_n, self_bleu
from pipelines.validate.text.words import list_texts, words_of
from schemas.fidelity import Better, Figure, FigureGroup

MOST_CLASSES = 20
BLEU_TEXTS, DISTINCT_TEXTS, JUDGED_TEXTS = 60, 1_000, 400
"""The most texts on each side: for BLEU and distinct-n of each class, and for perplexity of all."""
_BETTER: dict[str, Better] = {"Self-BLEU": "real", "Distinct-1": "real", "Distinct-2": "real", "Distinct-3": "real"}


def text_figures(sides: Sides, column: str, language_model: str | None) -> FigureGroup:
    """Return self-BLEU and distinct-n of each class and their means, and perplexity where there is a model.

    Both depend on the number of texts, which is the same on both sides; the largest 20 classes are measured.
    """
    real, made = by_class(sides.real), by_class(sides.made)
    shown = sorted(made, key=lambda name: (-made[name].num_rows, name))[:MOST_CLASSES]
    by_name = {name: _diversity_figures(name, real[name][column], made[name][column]) for name in shown}
    figures = (
        [_mean_figure([figures[number] for figures in by_name.values()]) for number in range(len(_BETTER))]
        if shown
        else []
    )
    basis = (
        f"Self-BLEU (0 to 100) of {BLEU_TEXTS} texts a class at most, distinct-n of {DISTINCT_TEXTS:,}; means over"
        f" {len(shown)} class{'es' * (len(shown) != 1)}."
    )
    if language_model and shown:
        figures.append(_perplexity_figure(sides, column, language_model))
        basis += f" Perplexity by {language_model}, of {min(JUDGED_TEXTS, sides.rows):,} texts."
    figures += [figure for figures in by_name.values() for figure in figures]
    return FigureGroup(kind="texts", rows=sides.rows, basis=basis, figures=figures)


def _diversity_figures(name: str, real: pa.ChunkedArray, made: pa.ChunkedArray) -> list[Figure]:
    sides = [_measure_texts(list_texts(side)) for side in (made, real)]
    return [
        Figure(name=key, made=sides[0][key], real=sides[1][key], better=better, stratum=name)
        for key, better in _BETTER.items()
    ]


def _measure_texts(texts: Sequence[str]) -> dict[str, float | None]:
    words = [words_of(text[:MOST_CHARACTERS]) for text in texts[:DISTINCT_TEXTS]]
    distinct = {f"Distinct-{n}": distinct_n(words, n) for n in (1, 2, 3)}
    return {"Self-BLEU": self_bleu(words[:BLEU_TEXTS]), **distinct}


def _mean_figure(figures: list[Figure]) -> Figure:
    """Return the mean over the classes in which both sides have the figure."""
    both = [(one.made, one.real) for one in figures if one.made is not None and one.real is not None]
    made, real = (float(value) for value in np.mean(both, axis=0)) if both else (None, None)
    return Figure(name=figures[0].name, made=made, real=real, better=figures[0].better)


def _perplexity_figure(sides: Sides, column: str, model_name: str) -> Figure:
    from generators.text.perplexity import LanguageModel

    model = LanguageModel(model_name)
    rng = np.random.default_rng(0)
    chosen = pa.array(rng.permutation(sides.rows)[:JUDGED_TEXTS])
    made, real = (model.perplexity(list_texts(side[column].take(chosen))) for side in (sides.made, sides.real))
    return Figure(name="Perplexity", made=made, real=real, better="real")
