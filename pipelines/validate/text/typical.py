"""Learns the usual length, scripts and repetition of real texts in constant memory. Knows no candidates."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.histogram import Histogram
from pipelines.validate.text.measures import Scripts, character_repetition, letters_of, longest_runs, word_repetition

Pattern = re.Pattern[str]

_USUAL = 0.999  # the share of real texts that are below the limits
_SHARES = {"odd": (1.0, 0.0), "run": (4096.0, 4.0), "repeat": (1.0, 0.2), "echo": (1.0, 0.2)}
"""Measures with an upper limit: the greatest value that is counted, and a value that is never too much."""


@dataclass(frozen=True)
class Usual:
    """Lengths as [least, most], upper limits of the measures; `natural` are kinds of leftovers that real texts have."""

    chars: list[int]
    words: list[int]
    odd: float
    run: float
    repeat: float
    echo: float
    scripts: list[str]
    natural: list[str]


@dataclass(frozen=True)
class Measured:
    """Measures of some texts, one value a text.

    `odd` is the share of odd characters, `foreign` that of letters in unknown scripts, `run` the length of the longest
    run of one character, `repeat` and `echo` the shares of repeated words and characters.
    """

    chars: NDArray[np.int64]
    words: NDArray[np.int64]
    odd: NDArray[np.float64]
    foreign: NDArray[np.float64]
    run: NDArray[np.int64]
    repeat: NDArray[np.float64]
    echo: NDArray[np.float64]


def measure(texts: Sequence[str], scripts: Scripts, known: Collection[str]) -> Measured:
    """Return the measures of texts; `known` are the scripts that are not foreign."""
    letters = letters_of(texts)
    script_numbers, odd = scripts.of(letters)
    is_foreign = np.array([*(name not in known for name in scripts.names), False])  # the last: letters of no script
    words, repeat = word_repetition(texts)
    return Measured(
        chars=np.bincount(letters.texts, minlength=len(texts)),
        words=words,
        odd=letters.share(odd),
        foreign=letters.share(is_foreign[script_numbers], script_numbers >= 0),
        run=longest_runs(letters),
        repeat=repeat,
        echo=character_repetition(letters),
    )


class Learner:
    """Collects what is usual among real texts."""

    def __init__(self, patterns: dict[str, Pattern]) -> None:
        self._patterns = patterns
        self._scripts = Scripts()
        self._lengths: dict[str, tuple[int, int]] = {}
        self._shares = {name: Histogram(top) for name, (top, _) in _SHARES.items()}
        self._natural = dict.fromkeys(patterns, 0)
        self._rows = 0

    def add(self, texts: Sequence[str]) -> None:
        """Add the measures of some texts, at least one."""
        measured = measure(texts, self._scripts, ())
        for name in ("chars", "words"):
            values = getattr(measured, name)
            least, most = self._lengths.get(name, (values[0], values[0]))
            self._lengths[name] = (min(int(least), int(values.min())), max(int(most), int(values.max())))
        for name, histogram in self._shares.items():
            histogram.add(getattr(measured, name).astype(np.float64))
        for kind, pattern in self._patterns.items():
            self._natural[kind] += sum(bool(pattern.search(text)) for text in texts)
        self._rows += len(texts)

    def usual(self, slack: float) -> Usual:
        """Return the limits learnt; lengths and measures may exceed them by the share `slack`."""
        lengths = {
            name: [floor(low * (1 - slack)), ceil(high * (1 + slack))] for name, (low, high) in self._lengths.items()
        }
        most = {
            name: max(_SHARES[name][1], histogram.quantile(_USUAL) * (1 + slack))
            for name, histogram in self._shares.items()
        }
        return Usual(
            chars=lengths.get("chars", [0, 0]),
            words=lengths.get("words", [0, 0]),
            odd=most["odd"],
            run=most["run"],
            repeat=most["repeat"],
            echo=most["echo"],
            scripts=sorted(self._scripts.names),
            natural=sorted(kind for kind, rows in self._natural.items() if rows > (1 - _USUAL) * self._rows),
        )
