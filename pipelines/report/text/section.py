"""Sections for datasets of texts: lengths, words, diversity, and texts side by side."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipelines.judge.text.language import MOST_CHARACTERS, Bag, bags, distinct_n, log_odds, self_bleu
from pipelines.modality import content_column
from pipelines.report.compare import Floats, Mix, halves, mix, strata_of
from pipelines.report.data import ReportData, Section, draw_rows
from pipelines.report.number_per_row import Measure, compare_numbers
from pipelines.report.plots import bars_plot
from pipelines.report.samples import LONG_TEXT
from pipelines.report.wording import Cell, cell
from pipelines.validate.text.words import words_of

SHOWN_CLASSES, SHOWN_TEXTS, TELLING_WORDS, FREQUENT_WORDS = 6, 5, 10, 8
DISTINCT_TEXTS, BLEU_TEXTS = 300, 40
Strata = tuple[NDArray[Any], NDArray[Any]]
_TELLING = 1.96  # standard deviations from which a word is called telling


@dataclass(frozen=True)
class Telling:
    """The distinctive words of one class, each with its score, the most distinctive first.

    `real` and `synthetic` distinguish the class's rows from real rows of other classes. Real rows of the class have
    more of the `missing` words than synthetic ones, and less of the `excess` words.
    """

    name: str
    real: list[tuple[Cell, float, bool]]
    synthetic: list[tuple[Cell, float, bool]]
    missing: list[tuple[Cell, float, bool]]
    excess: list[tuple[Cell, float, bool]]


@dataclass(frozen=True)
class Diversity:
    """The diversity of one class, as (real, synthetic), from the same number of texts on both sides."""

    name: str
    texts: int
    distinct: list[tuple[float | None, float | None]]
    bleu_texts: int
    bleu: tuple[float | None, float | None]


@dataclass(frozen=True)
class Texts:
    """The view of the section; `strata` are the compared classes."""

    strata: list[str]
    real_rows: int
    synthetic_rows: int
    measures: list[Measure]
    unseen: float
    telling: list[Telling]
    diversity: list[Diversity]
    left_out: int


def text_section(data: ReportData) -> Section | None:
    """Return how the texts of real and synthetic rows compare; None for other datasets or without synthetic rows."""
    name = content_column(data.manifest.columns)
    if name is None or not data.synthetic.num_rows:
        return None
    weights = mix(data)
    sides = [table.column(name).to_pylist() for table in (data.real, data.synthetic)]
    words, (real, synthetic) = bags(sides)
    shown = _largest_classes(data, weights)
    strata = strata_of(data.real), strata_of(data.synthetic)
    view = Texts(
        strata=weights.strata,
        real_rows=int((weights.real > 0).sum()),
        synthetic_rows=int((weights.synthetic > 0).sum()),
        measures=_compare_measures(sides, real, synthetic, words, weights) if weights.strata else [],
        unseen=_unseen_share(real, synthetic, weights, len(words)),
        telling=[_distinctive_words(one, strata, real, synthetic, words) for one in shown],
        diversity=[_compare_diversity(one, strata, sides) for one in shown],
        left_out=len(weights.strata) - len(shown),
    )
    return Section("texts", "Texts, real against synthetic", "report_text.html", view)


def _largest_classes(data: ReportData, weights: Mix) -> list[str]:
    """Return the classes with the most synthetic rows."""
    counts = data.manifest.counts
    return sorted(weights.strata, key=lambda name: (-counts[name].synthetic, name))[:SHOWN_CLASSES]


def _compare_measures(
    sides: list[list[str | None]], real: Bag, synthetic: Bag, words: list[str], weights: Mix
) -> list[Measure]:
    lengths = [np.array([len(text or "") for text in side], np.float64) for side in sides]
    both = weights.real, weights.synthetic
    return [
        compare_numbers("Length in characters", (lengths[0], lengths[1]), both),
        compare_numbers("Length in words", (real.lengths, synthetic.lengths), both),
        _compare_frequencies(real, synthetic, words, weights),
    ]


def _compare_frequencies(real: Bag, synthetic: Bag, words: list[str], weights: Mix) -> Measure:
    """Return the most frequent words, and the total variation distance of all words' shares."""
    size = len(words)
    a, b = real.shares(weights.real, size), synthetic.shares(weights.synthetic, size)
    left, right = (real.shares(half, size) for half in halves(weights.real))
    order = np.argsort(-(a + b), kind="stable")[:FREQUENT_WORDS]
    names = [words[index] for index in order]
    plot = bars_plot(names, a[order], b[order], "words") if names else Markup("")
    return Measure(
        name="Most frequent words",
        plot=plot,
        distance=_share_distance(a, b),
        chance=_share_distance(left, right),
        typical=(f"{np.count_nonzero(a):,} different", f"{np.count_nonzero(b):,} different"),
        remark="share of all words",
    )


def _share_distance(a: Floats, b: Floats) -> float | None:
    """Return half the summed difference of two lists of shares; None where a side has no word."""
    return float(np.abs(a - b).sum() / 2) if a.any() and b.any() else None


def _unseen_share(real: Bag, synthetic: Bag, weights: Mix, size: int) -> float:
    """Return the share of the synthetic texts' words that occur in no real text of the report, of any class."""
    known = np.bincount(real.ids, minlength=size) > 0
    return float(synthetic.shares(weights.synthetic, size)[~known].sum())


def _distinctive_words(name: str, strata: Strata, real: Bag, synthetic: Bag, words: list[str]) -> Telling:
    size = len(words)
    here, made = (real.counts(strata[0] == name, size), synthetic.counts(strata[1] == name, size))
    others = real.counts(strata[0] != name, size)
    background = here + made + others
    among_real = log_odds(here, others, background) if others.any() else np.zeros(size)
    among_made = log_odds(made, others, background) if others.any() else np.zeros(size)
    tops = [set(_highest(scores)) for scores in (among_real, among_made)]
    apart = log_odds(here, made, background)
    return Telling(
        name=name,
        real=_scored_words(words, among_real, tops[1]),
        synthetic=_scored_words(words, among_made, tops[0]),
        missing=_scored_words(words, apart, set()),
        excess=_scored_words(words, -apart, set()),
    )


def _highest(scores: Floats) -> list[int]:
    order = np.argsort(-scores, kind="stable")[:TELLING_WORDS]
    return [int(index) for index in order if scores[index] >= _TELLING]


def _scored_words(words: list[str], scores: Floats, also: set[int]) -> list[tuple[Cell, float, bool]]:
    """Return the words of the highest scores, each with its score and whether it is in `also`."""
    return [(cell(words[index], 24), float(scores[index]), index in also) for index in _highest(scores)]


def _compare_diversity(name: str, strata: Strata, sides: list[list[str | None]]) -> Diversity:
    rows = [np.flatnonzero(side == name) for side in strata]
    count = min(DISTINCT_TEXTS, *map(len, rows))
    few = min(BLEU_TEXTS, count)
    chosen = [
        [words_of((side[row] or "")[:MOST_CHARACTERS]) for row in draw_rows(where, count)]
        for side, where in zip(sides, rows, strict=True)
    ]
    distinct = [(distinct_n(chosen[0], n), distinct_n(chosen[1], n)) for n in (1, 2, 3)]
    return Diversity(name, count, distinct, few, (self_bleu(chosen[0][:few]), self_bleu(chosen[1][:few])))


@dataclass(frozen=True)
class TextSample:
    """Texts of one class; `whole` of a cell is the text that was shortened."""

    name: str
    pairs: list[tuple[Cell | None, ...]]


@dataclass(frozen=True)
class TextSamples:
    """Texts of the classes with the most synthetic rows; `left_out` classes are not shown."""

    classes: list[TextSample]
    left_out: int


def text_sample_section(data: ReportData) -> Section | None:
    """Return a few texts of each class, real beside synthetic, the same each time; None for other datasets."""
    name = content_column(data.manifest.columns)
    if name is None or not data.synthetic.num_rows:
        return None
    counts = data.manifest.counts
    strata = strata_of(data.real), strata_of(data.synthetic)
    names = sorted(set(strata[1]) & set(counts), key=lambda one: (-counts[one].synthetic, one))
    sides = [table.column(name) for table in (data.real, data.synthetic)]
    classes = []
    for one in names[:SHOWN_CLASSES]:
        drawn = [draw_rows(np.flatnonzero(side == one), SHOWN_TEXTS) for side in strata]
        cells = [[cell(side[int(k)].as_py(), LONG_TEXT) for k in at] for side, at in zip(sides, drawn, strict=True)]
        classes.append(TextSample(one, list(zip_longest(*cells))))
    view = TextSamples(classes, len(names) - len(classes))
    return Section("samples", "Texts side by side", "report_text_samples.html", view)
