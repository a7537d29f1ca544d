"""Refuses inappropriate texts: no candidate may hold a listed word, or be found inappropriate by a classifier.

The user defines what is inappropriate: by words, by examples that a small classifier learns from, or by a pretrained
classifier. makeweight brings none, since none would suit every language and use.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from generators import base
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.text.classifier import Linear, Terms, fit_linear
from pipelines.validate.text.words import list_texts, normalised
from schemas.access import Touch
from schemas.errors import MakeweightError, nearest
from schemas.plan import Plan

Mask = NDArray[np.bool_]
_WORDS, _CLASSES = "words.json", "classes.json"


class InappropriateParams(base.Params):
    """What is inappropriate: at least one of words, file, examples and model."""

    words: list[str] = Field([], description="Words and phrases, found whole and in any case.")
    file: Annotated[str | None, Touch("read")] = Field(None, description="A text file with one word or phrase a line.")
    disguised: bool = Field(True, description="Find words with digits and signs for letters too (as in sh1t).")
    examples: Annotated[str | None, Touch("read")] = Field(
        None, description="A CSV, TSV or JSON Lines file of texts and labels to learn from."
    )
    text: str = Field("text", description="The column of the examples that holds the text.")
    label: str = Field("label", description="The column of the examples that holds the label.")
    model: Annotated[str | None, Touch("models")] = Field(
        None, description="Folder or hub id of a transformers text classifier."
    )
    bad: list[str] = Field([], description="Labels of the examples or the model that are inappropriate.")
    max_probability: float = Field(0.5, ge=0, le=1, description="Largest probability of the bad labels together.")

    @model_validator(mode="after")
    def _looks_for_something(self) -> "InappropriateParams":
        if not (self.words or self.file or self.examples or self.model):
            raise ValueError("nothing to look for; give words, file, examples or model")
        if (self.examples or self.model) and not self.bad:
            raise ValueError("say in `bad` which labels of the examples or the model are inappropriate")
        return self


class Inappropriate:
    """Refuses inappropriate texts; each counts under the first of words, examples and model that finds it.

    Example:
        validate: [{name: inappropriate, params: {words: [darn], file: words.txt}}]

    """

    name: ClassVar[str] = "inappropriate"
    Params: ClassVar[type[base.Params]] = InappropriateParams

    def __init__(self, params: InappropriateParams, plan: Plan) -> None:
        self._params = params
        self._text = plan.profile.text
        self._words: list[str] = []
        self._list: WordList | None = None
        self._classes: list[str] = []
        self._terms = Terms()
        self._linear: Linear | None = None
        self._encoder: Any = None

    def fit(self, real: Iterable[Batch]) -> None:  # noqa: ARG002 (the protocol's)
        """Read the word list and learn from the examples; raises MakeweightError where they cannot be used."""
        params = self._params
        self._words = params.words + (read_words(params.file) if params.file else [])
        if params.examples:
            texts, labels = read_examples(params.examples, params.text, params.label)
            self._classes = sorted(set(labels))
            _refuse_unknown(params.bad, self._classes, params.examples)
            self._linear = _fit_on_examples(
                self._terms, texts, [self._classes.index(label) for label in labels], params.examples
            )
        if params.model:
            _refuse_unknown(params.bad, self._load_model().labels, params.model)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the inappropriate texts."""
        keep, details = np.ones(batch.table.num_rows, np.bool_), {}
        texts = list_texts(batch.table.column(self._text))
        for detail, found in self._find(texts) if texts else ():
            count = int(np.count_nonzero(keep & found))
            if count:
                details[detail] = count
                keep &= ~found
        return Verdict(keep, details)

    def save(self, path: Path) -> None:
        """Write words.json and, for examples, classes.json and the model's weights and terms; nothing is a pickle."""
        (path / _WORDS).write_text(json.dumps(self._words), encoding="utf-8")
        if self._linear is not None:
            (path / _CLASSES).write_text(json.dumps(self._classes), encoding="utf-8")
            self._linear.save(path)
            self._terms.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; a pretrained model is read from its own path."""
        self._words, self._list = json.loads((path / _WORDS).read_text(encoding="utf-8")), None
        if (path / _CLASSES).exists():
            self._classes = json.loads((path / _CLASSES).read_text(encoding="utf-8"))
            self._linear = Linear.load(path)
            self._terms.load(path)

    def _find(self, texts: list[str]) -> Iterator[tuple[str, Mask]]:
        """Yield the name of each method, and which texts it finds inappropriate."""
        params = self._params
        if self._words:
            self._list = self._list or WordList(self._words, disguised=params.disguised)
            yield "listed word", np.array([self._list.found_in(text) for text in texts], np.bool_)
        if self._linear is not None:
            chances = self._linear.probabilities(self._terms.features(texts))
            yield "like bad examples", _sum_bad(chances, self._classes, params.bad) > params.max_probability
        if params.model:
            chances = self._load_model().scores(texts)
            yield "classifier", _sum_bad(chances, self._load_model().labels, params.bad) > params.max_probability

    def _load_model(self) -> Any:
        if self._encoder is None:
            from generators.text.encoder import Encoder

            self._encoder = Encoder(self._params.model or "", "classify")
        return self._encoder


def _sum_bad(chances: NDArray[np.float64], classes: list[str], bad: list[str]) -> NDArray[np.float64]:
    """Return the sum of the probabilities of the bad classes, for each row."""
    return np.asarray(chances[:, [classes.index(label) for label in bad]].sum(axis=1))


def _fit_on_examples(terms: Terms, texts: list[str], target: list[int], path: str) -> Linear:
    features = terms.fit(texts) if len(set(target)) > 1 else None
    if features is None:
        raise MakeweightError(
            f"inappropriate: {path} holds no two labels of texts with words; give good and bad examples, some of each"
        )
    return fit_linear(features, np.array(target, np.int64))


def _refuse_unknown(bad: list[str], known: list[str], where: str) -> None:
    for label in bad:
        if label not in known:
            raise MakeweightError(f"inappropriate: {where} has no label {label!r}{nearest(label, known)}")


def read_examples(path: str, text: str, label: str) -> tuple[list[str], list[str]]:
    """Return the texts and labels of a CSV, TSV or JSON Lines file; raises MakeweightError if it cannot be read."""
    import pandas as pd

    try:
        if path.endswith((".jsonl", ".ndjson")):
            frame = pd.read_json(path, lines=True, dtype=False)
        else:
            frame = pd.read_csv(path, sep="\t" if path.endswith(".tsv") else ",", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise MakeweightError(
            f"inappropriate: cannot read the examples in {path}: {problem}; give CSV, TSV or JSON Lines in UTF-8"
        ) from error
    for column in (text, label):
        if column not in frame.columns:
            known = nearest(column, map(str, frame.columns))
            raise MakeweightError(f"inappropriate: the examples in {path} have no column {column!r}{known}")
    frame = frame[[text, label]].dropna()
    return frame[text].astype(str).tolist(), frame[label].astype(str).tolist()


_DIGITS = str.maketrans("013457", "oieast")
_SIGNS = str.maketrans("013457@$!|+", "oieastasiit")


def read_words(path: str) -> list[str]:
    """Return the lines of a text file, without blank ones and those that begin with #; raises MakeweightError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MakeweightError(
            f"inappropriate: cannot read the word list {path}: {error}; give a UTF-8 file with a word or phrase a line"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class WordList:
    """Finds listed words whole, in whatever case and form of Unicode, also with digits and signs for letters.

    In scripts without spaces a listed word is found wherever it stands.
    """

    def __init__(self, words: Iterable[str], *, disguised: bool) -> None:
        import regex

        self._disguised = disguised
        listed = {" ".join(_plain(word).split()) for word in words} - {""}
        if disguised:
            listed |= {word.translate(table) for word in listed for table in (_DIGITS, _SIGNS)}
        ordered = sorted(listed, key=lambda word: (-len(word), word))
        self._pattern: Any = None
        if ordered:
            options = "|".join(r"\s+".join(map(regex.escape, word.split())) for word in ordered)
            spaced = r"[\w--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
            self._pattern = regex.compile(rf"(?V1)(?<!{spaced})(?:{options})(?!{spaced})")

    def found_in(self, text: str) -> bool:
        """Return whether a listed word stands in the text."""
        if self._pattern is None:
            return False
        plain = _plain(text)
        # A sign may stand for a letter or for itself, as at the end of a sentence: both are tried.
        forms = (plain, plain.translate(_DIGITS), plain.translate(_SIGNS)) if self._disguised else (plain,)
        return any(self._pattern.search(form) for form in forms)


def _plain(text: str) -> str:
    """Return the text normalised, without the invisible characters that part a word's letters."""
    plain = normalised(text)
    return plain if plain.isascii() else "".join(c for c in plain if unicodedata.category(c) != "Cf")
