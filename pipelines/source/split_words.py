"""Tells what the name of a folder or a file says of splits (train, validation, test). Knows words alone."""

import os
import re
from itertools import product

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_GLUED = ("", "set", "sets", "data", "df", "split", "images", "labels")
"""What is written behind a short word without anything between, as in `testdata`."""
_KINDS = {
    TRAIN: (("train", "trn"), ("training", "trainval")),
    VALIDATION: (("val", "valid", "dev", "eval"), ("validation", "devel", "development", "evaluation")),
    TEST: (("test", "tst"), ("testing", "holdout", "heldout")),
}
WORDS = {
    word: kind
    for kind, (short, long) in _KINDS.items()
    for word in (*map("".join, product(short, _GLUED)), *long)
}  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_HELD_OUT = re.compile(r"(?i)(h[oe]ld)[\s_-]?(out)")
_ENDINGS = re.compile(r"(?i)(?:\.[a-z]+\d?)?(?:\.(?:gz|bz2|xz|zst|zip))?$")
_SHARD = re.compile(r"-\d{5}-of-\d{5}.*$")
_KEYS = ("split", "subset", "partition", "fold", "set")
"""Names of columns that say of a row which split it is in."""
_PLACES = ("dev", "devel", "development")
_DEPLOYED = ("prod", "production", "live", "staging", "stage")
"""Beside these, `dev` and `test` are where software runs."""


def kind_of(name: str) -> str | None:
    """Return which split a folder or a file is named after: train, validation or test."""
    found = parsed(name)
    return found[1] if found else None


def parsed(name: str) -> tuple[tuple[str, ...], str] | None:
    """Return the other words of a name, and the split that the one word names; None if none does, or several.

    Of a folder `key=value` the value tells, and the key is another word, unless it is one that says so.
    """
    key, equals, value = name.partition("=")
    words = words_of(value if equals else name)
    kinds = [WORDS[word] for word in words if word in WORDS]
    others = tuple(word for word in words if word not in WORDS)
    if equals and key.lower() not in _KEYS:
        others = (f"{key}=", *others)
    return (others, kinds[0]) if len(kinds) == 1 else None


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in small letters, without the number at its end."""
    words = [word.lower() for word in _WORD.findall(_HELD_OUT.sub(lambda found: (found[1] + found[2]).lower(), name))]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return tuple(words)


def exact_kind(name: str) -> str | None:
    """Return the split of a name that says nothing else, and seldom means anything else."""
    found = parsed(name)
    return found[1] if found and not found[0] and not {*words_of(name)} & {*_PLACES} else None


def deployed(name: str) -> bool:
    """Whether a name is that of a place where software runs."""
    return name.lower() in _DEPLOYED


def title(name: str) -> str:
    """Return a file's name without its endings, and without the number that Hugging Face gives a shard."""
    return _SHARD.sub("", _ENDINGS.sub("", os.path.basename(name)))
