"""Augmented rows beside the real rows that they were made from: how near they stayed.

Near is not good in itself: a copy adds nothing, and what is far from its parent may be no more of its class. The same
figures are therefore told of another real row of the class in the made row's place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.classes import members_of
from generators.image.codec import Pixels
from pipelines.judge.fidelity.sides import ID, PARENT, Drawn
from pipelines.validate.image.pixels import sound_pixels
from pipelines.validate.text.words import as_texts, words_of
from schemas.arrow import STRATUM
from schemas.fidelity import Figure, FigureGroup

MOST_PAIRS = 500
_MOST_WORDS = 500  # of a text: METEOR's and ROUGE's work grows with their square


@dataclass(frozen=True)
class Pairs:
    """Three columns, line by line: made rows, their parents, and other real rows of the parent's class."""

    made: pa.ChunkedArray
    parents: pa.ChunkedArray
    others: pa.ChunkedArray


def pairs(drawn: Drawn, column: str, seed: int) -> Pairs | None:
    """Return at most 500 made rows with parents of their own class; nothing where there are none."""
    rng = np.random.default_rng(seed)
    place = np.asarray(pc.index_in(drawn.made[PARENT], drawn.parents[ID].combine_chunks()).fill_null(-1))
    made = rng.permutation(np.flatnonzero(place >= 0))[:MOST_PAIRS]
    members = members_of(drawn.parents[STRATUM])
    strata = drawn.parents[STRATUM].take(pa.array(place[made])).to_pylist()
    found = [
        (child, place[child], _other(members[name], int(place[child]), rng))
        for child, name in zip(made, strata, strict=True)
        if len(members[name]) > 1
    ]
    if not found:
        return None
    lines = np.array(found, np.int64).T
    tables = (drawn.made, drawn.parents, drawn.parents)
    return Pairs(*(table[column].take(pa.array(line)) for table, line in zip(tables, lines, strict=True)))


def _other(members: NDArray[np.int64], one: int, rng: np.random.Generator) -> int:
    """Return any of the members but `one`."""
    drawn = int(members[rng.integers(len(members) - 1)])
    return int(members[-1]) if drawn == one else drawn


def image_pairs(found: Pairs) -> FigureGroup | None:
    """Return mean SSIM and PSNR of the pairs whose images have one size; nothing where none has.

    Images that are the same have no PSNR: they are counted instead.
    """
    made = _similar(found.made, found.parents)
    if not len(made):
        return None
    other = _similar(found.others, found.parents)
    names = ("SSIM", "PSNR (dB)", "Same pixels")
    figures = [
        Figure(name=name, made=_mean(made[:, place]), real=_mean(other[:, place]), better="real")
        for place, name in enumerate(names)
    ]
    basis = (
        "Each augmented image against the real one that it was made from (where both have one size), and against"
        " another real one of the class. SSIM is 1 for the same image."
    )
    return FigureGroup(kind="pairs", rows=len(made), basis=basis, figures=figures)


def _similar(one: pa.ChunkedArray, other: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return SSIM, PSNR (NaN for the same images) and whether they are the same, for each pair of one size."""
    from generators.image.figures import SMALLEST, psnr, ssim, steady

    with steady():
        rows = [
            (ssim(a, b), np.nan if (a == b).all() else psnr(a, b), float((a == b).all()))
            for a, b in _decoded(one, other)
            if a.shape == b.shape and min(a.shape[:2]) >= SMALLEST
        ]
    return np.array(rows, np.float64).reshape(-1, 3)


def _decoded(one: pa.ChunkedArray, other: pa.ChunkedArray) -> Iterator[tuple[Pixels, Pixels]]:
    for place in range(len(one)):
        yield sound_pixels(one.slice(place, 1))[0], sound_pixels(other.slice(place, 1))[0]


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


class NoSynonyms:
    """Stands in for WordNet, which is a download: it knows no word, so that METEOR matches words and stems alone."""

    def synsets(self, _word: str) -> list[object]:
        """Return no meaning."""
        return []


def text_pairs(found: Pairs) -> FigureGroup:
    """Return mean BLEU, ROUGE and METEOR of the pairs, each text as words."""
    made, parents, others = (
        [_words(text) for text in as_texts(side)] for side in (found.made, found.parents, found.others)
    )
    one, other = likeness(made, parents), likeness(others, parents)
    figures = [Figure(name=name, made=one[name], real=other[name], better="real") for name in one]
    basis = (
        "Each augmented text against the real one that it was made from, and another real one of the class against"
        " that. BLEU by sacreBLEU (0 to 100), ROUGE (F1) by torchmetrics, METEOR by NLTK: words and stems, no synonyms."
    )
    return FigureGroup(kind="pairs", rows=len(made), basis=basis, figures=figures)


def _words(text: str) -> list[str]:
    return words_of(text)[:_MOST_WORDS]


def likeness(texts: Sequence[list[str]], parents: Sequence[list[str]]) -> dict[str, float]:
    """Return the mean figures of texts against their parents, both as words (BLEU 0 to 100, the others 0 to 1)."""
    from nltk.stem.porter import PorterStemmer
    from nltk.translate.meteor_score import single_meteor_score
    from sacrebleu.metrics.bleu import BLEU
    from torchmetrics.functional.text import rouge_score

    bleu = BLEU(tokenize="none", effective_order=True)
    both = list(zip(texts, parents, strict=True))
    joined = [" ".join(words) for words in texts], [" ".join(words) for words in parents]
    rouge = rouge_score(
        *joined,
        rouge_keys=("rouge1", "rouge2", "rougeL"),
        normalizer=str,
        tokenizer=str.split,  # the words are cut already
    )
    stemmer, none = PorterStemmer(), NoSynonyms()
    meteor = [single_meteor_score(old, new, stemmer=stemmer, wordnet=none) for new, old in both]
    return {
        "BLEU": float(np.mean([bleu.sentence_score(a, [b]).score for a, b in zip(*joined, strict=True)])),
        "ROUGE-1": float(rouge["rouge1_fmeasure"]),
        "ROUGE-2": float(rouge["rouge2_fmeasure"]),
        "ROUGE-L": float(rouge["rougeL_fmeasure"]),
        "METEOR": float(np.mean(meteor)),
    }
