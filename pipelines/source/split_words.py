"""Recognizes the words for splits (train, validation, test) in names of folders and files."""

import os
import re
from itertools import product

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_GLUED = ("", "set", "sets", "data", "df", "split", "images", "labels")
"""Endings that may follow a split's short word directly, as in `testdata`."""
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
"""Names of columns that hold a row's split."""
_PLACES = ("dev", "devel", "development")
_DEPLOYED = ("prod", "production", "live", "staging", "stage")
"""Names of places where software runs; beside them, `dev` and `test` are no splits either."""


def kind_of(name: str) -> str | None:
    """Return the split after which a folder or a file is named (train, validation or test), or None."""
    found = parsed(name)
    return found[1] if found else None


def parsed(name: str) -> tuple[tuple[str, ...], str] | None:
    """Return the other words of a name, and the split that one word names; None unless exactly one word does.

    In a folder `key=value`, the value names the split, and the key is another word unless it means split itself.
    """
    key, equals, value = name.partition("=")
    words = words_of(value if equals else name)
    kinds = [WORDS[word] for word in words if word in WORDS]
    others = tuple(word for word in words if word not in WORDS)
    if equals and key.lower() not in _KEYS:
        others = (f"{key}=", *others)
    return (others, kinds[0]) if len(kinds) == 1 else None


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in small letters, without numbers at its end."""
    words = [word.lower() for word in _WORD.findall(_HELD_OUT.sub(lambda found: (found[1] + found[2]).lower(), name))]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return tuple(words)


def exact_kind(name: str) -> str | None:
    """Return the split of a name that has no other words and is not ambiguous (as `dev` is), or None."""
    found = parsed(name)
    return found[1] if found and not found[0] and not {*words_of(name)} & {*_PLACES} else None


def deployed(name: str) -> bool:
    """Whether a name is that of a place where software runs, such as `prod`."""
    return name.lower() in _DEPLOYED


def title(name: str) -> str:
    """Return a file's name without its extensions and without Hugging Face's number of a shard."""
    return _SHARD.sub("", _ENDINGS.sub("", os.path.basename(name)))
