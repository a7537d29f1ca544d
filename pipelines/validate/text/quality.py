"""Checks whether a text could be in the source: its length, script, repetition and language, and prompt leftovers.

The limits are learnt from the real texts: a candidate may be as long as they are, use their scripts, and repeat itself
as much as all but one in a thousand of them do. A kind of leftover that real texts have, too, is none.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from generators import base
from pipelines.validate.base import Batch, Verdict, first_faults
from pipelines.validate.text.measures import Scripts
from pipelines.validate.text.typical import Learner, Usual, measure
from pipelines.validate.text.words import list_texts
from schemas.plan import Plan

_SELF = r"an? (?:ai|artificial intelligence|(?:large )?language model)\b"
_VERBS = "assist|help|comply|fulfill?|provide|generate|create|write|produce"
_PRODUCTS = "text|version|message|example|paraphrase|translation|summary"

LEFTOVERS: dict[str, str] = {
    "about itself": rf"\bas {_SELF}|\bi(?:['\u2019]m| am) {_SELF}",
    "refusal": r"\bi(?:['\u2019]m| am) sorry,? but (?:i|as)\b"
    rf"|\bi (?:cannot|can['\u2019]t|am unable to) (?:{_VERBS})\b",
    "announcement": r"\A\W*(?:sure|certainly|of course|absolutely)[!,.:]|\A\W*here(?:['\u2019]s| is| are)\b[^\n]{0,80}:"
    rf"|\A\W*(?:the )?(?:rewritten|paraphrased|generated|translated) (?:{_PRODUCTS})s?\b",
    "closing": r"\bi hope this helps\b|\blet me know if you(?:['\u2019]d like| would like| need| want)\b",
    "chat token": r"<\|[a-z_0-9]+\|>|\[/?inst\]|<</?sys>>|</?s>|<(?:start|end)_of_turn>"
    r"|[<\[](?:unk|pad|mask|cls|sep)[\]>]",
    "role": r"(?:\A|\n)\W*(?:user|assistant|system|human|response|output|input|instructions?):",
    "placeholder": r"\{\{?\s*\w+\s*\}?\}|[<\[](?:your|insert|name of|company name)\b[^>\]\n]{0,40}[>\]]",
    "markup": r"```|(?:\A|\n)#{1,6} \S|\*\*[^*\n]{1,80}\*\*",
    "structured": rf"\A\s*[{{\[]\s*\"[\s\S]*[}}\]]\s*\Z|\A\s*\"?(?:label|{_PRODUCTS})\"?\s*:",
    "list item": r"\A\s*(?:\d{1,2}[.)]|[-*•])\s+\S",
}
"""Kinds of leftovers, each as a regular expression to be looked for without regard to case."""


Mask = NDArray[np.bool_]

_FILE = "usual.json"


class TextParams(base.Params):
    """The rules for a text; limits that are left out are learnt from the real texts."""

    min_chars: int | None = Field(None, ge=0, description="Fewest characters; left out: as the shortest real text.")
    max_chars: int | None = Field(None, ge=1, description="Most characters; left out: as the longest real text.")
    min_words: int | None = Field(None, ge=0, description="Fewest words, likewise.")
    max_words: int | None = Field(None, ge=1, description="Most words, likewise.")
    slack: float = Field(0.1, ge=0, description="Share by which learnt lengths and repetition may be exceeded.")
    max_foreign: float = Field(0.1, ge=0, le=1, description="Share of letters of scripts that no real text has.")
    language: list[str] = Field([], description="ISO 639-1 codes of the languages that the texts are in; none: any.")
    certainty: float = Field(0.95, gt=0.5, le=1, description="How sure another language must be to be refused.")
    repetition: bool = Field(True, description="Refuse texts that repeat themselves more than real ones do.")
    leftovers: bool = Field(True, description="Refuse texts that still show the prompt.")
    also_leftovers: list[str] = Field([], description="Phrases that are leftovers besides those known.")

    @field_validator("language", mode="before")
    @classmethod
    def _to_list(cls, codes: Any) -> Any:
        return [codes] if isinstance(codes, str) else codes

    @field_validator("language")
    @classmethod
    def _are_languages(cls, codes: list[str]) -> list[str]:
        from pipelines.validate.text.quality import unknown_codes

        wrong = unknown_codes(codes)
        if wrong:
            problem = f"{', '.join(map(repr, wrong))}: not among the languages that can be told"
            raise ValueError(f"{problem}; give ISO 639-1 codes, as in [en, zh]")
        return [code.lower() for code in codes]


class TextQuality:
    """Refuses texts that could not be in the source; each counts under the first rule that it breaks.

    Example:
        validate: [{name: text, params: {language: [en], max_words: 60}}]

    """

    name: ClassVar[str] = "text"
    Params: ClassVar[type[base.Params]] = TextParams

    def __init__(self, params: TextParams, plan: Plan) -> None:
        self._params = params
        self._text = plan.profile.text
        self._patterns = _patterns(params)
        self._scripts = Scripts()
        self._usual: Usual | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Learn what is usual, in constant memory."""
        learner = Learner(self._patterns)
        for batch in real:
            if batch.table.num_rows:
                learner.add(list_texts(batch.table.column(self._text)))
        self._usual = learner.usual(self._params.slack)

    def check(self, batch: Batch) -> Verdict:
        """Refuse texts that are unlike real ones; the first rule that a text breaks is the detail."""
        texts = list_texts(batch.table.column(self._text))
        return first_faults(len(texts), self._rules(texts) if texts else ())

    def save(self, path: Path) -> None:
        """Write usual.json."""
        (path / _FILE).write_text(json.dumps(asdict(self._limits), ensure_ascii=False), encoding="utf-8")

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        self._usual = Usual(**json.loads((path / _FILE).read_text(encoding="utf-8")))

    @property
    def _limits(self) -> Usual:
        if self._usual is None:
            raise RuntimeError("text: fit or load comes first")
        return self._usual

    def _rules(self, texts: list[str]) -> Iterator[tuple[str, Mask]]:
        """Yield each rule's name and which texts break it."""
        usual, params = self._limits, self._params
        measured = measure(texts, self._scripts, usual.scripts)
        yield "empty", np.fromiter((not text.strip() for text in texts), np.bool_, len(texts))
        yield from _length_rules("characters", measured.chars, (params.min_chars, params.max_chars), usual.chars)
        yield from _length_rules("words", measured.words, (params.min_words, params.max_words), usual.words)
        yield "control characters", measured.odd > usual.odd
        yield "script of no real text", measured.foreign > params.max_foreign
        if params.repetition:
            yield (
                "repetition",
                (measured.run > usual.run) | (measured.repeat > usual.repeat) | (measured.echo > usual.echo),
            )
        for kind, pattern in self._patterns.items():
            if kind not in usual.natural:
                yield f"prompt leftover ({kind})", np.array([bool(pattern.search(text)) for text in texts], np.bool_)
        if params.language:
            from pipelines.validate.text.quality import is_other

            yield "other language", is_other(texts, params.language, params.certainty)


def _patterns(params: TextParams) -> dict[str, re.Pattern[str]]:
    known = LEFTOVERS if params.leftovers else {}
    phrases = {phrase: re.escape(phrase) for phrase in params.also_leftovers}
    return {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in (known | phrases).items()}


def _length_rules(
    unit: str, values: NDArray[np.int64], declared: tuple[int | None, int | None], learnt: list[int]
) -> Iterator[tuple[str, Mask]]:
    """Yield which values are too few and too many; declared limits come before learnt ones."""
    least, most = (
        declared_limit if declared_limit is not None else learnt_limit
        for declared_limit, learnt_limit in zip(declared, learnt, strict=True)
    )
    yield f"too few {unit}", values < least
    yield f"too many {unit}", values > most


def unknown_codes(codes: Sequence[str]) -> list[str]:
    """Return those that are no ISO 639-1 codes of languages that can be told."""
    return [code for code in codes if code.lower() not in _languages()] if codes else []


def is_other(texts: Sequence[str], codes: Sequence[str], certainty: float) -> NDArray[np.bool_]:
    """Return which texts are, to that certainty, in a language that is none of `codes`."""
    declared = {_languages()[code] for code in codes}
    detector = _detector()
    other = np.zeros(len(texts), np.bool_)
    for place, text in enumerate(texts):
        best = detector.compute_language_confidence_values(text)[0]
        other[place] = best.value >= certainty and best.language not in declared
    return other


@cache
def _languages() -> dict[str, Any]:
    from lingua import Language

    return {language.iso_code_639_1.name.lower(): language for language in Language.all()}


@cache
def _detector() -> Any:
    """Return the detector in its small form: 70 MB instead of 900, eight times as fast, a little less sure."""
    from lingua import LanguageDetectorBuilder

    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
