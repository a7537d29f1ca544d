"""Compares augmented texts with the real ones that they were made from."""

from collections.abc import Sequence

import numpy as np

from pipelines.judge.fidelity.pairs import Pairs
from pipelines.validate.text.words import list_texts, words_of
from schemas.fidelity import Figure, FigureGroup

_MOST_WORDS = 500  # of a text: the time of METEOR and ROUGE grows with their square


class NoSynonyms:
    """Replaces WordNet, which would be a download, with no synonyms: METEOR then matches only words and stems."""

    def synsets(self, _word: str) -> list[object]:
        """Return no meaning."""
        return []


def text_pairs(found: Pairs) -> FigureGroup:
    """Return the mean BLEU, ROUGE and METEOR of the pairs."""
    made, parents, others = (
        [_words(text) for text in list_texts(side)] for side in (found.made, found.parents, found.others)
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
    """Return the mean BLEU (0 to 100), ROUGE and METEOR (0 to 1) of texts against their parents, all as words."""
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
        tokenizer=str.split,  # texts are split into words already
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
