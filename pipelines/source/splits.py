"""Finds the splits (train, validation, test) that a source's folders and files are named after. Knows names alone.

Whoever cut a dataset into splits wants to keep them apart: one is chosen, or all are, in so many words.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.errors import Advice, Fault, SpecError, nearest

Told = Callable[[str], bool]
ALL = "all"
TRAIN = "train"
_KINDS = {
    TRAIN: ("train", "training", "trainset", "trn", "trainval"),
    "validation": (
        *("val", "valid", "validation", "dev", "devel", "development", "eval", "evaluation"),
        *("valset", "devset", "validset", "evalset"),
    ),
    "test": ("test", "testing", "testset", "tst", "holdout", "heldout"),
}
WORDS = {word: kind for kind, words in _KINDS.items() for word in words}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_HELD_OUT = re.compile(r"(?i)(h[oe]ld)[\s_-]?(out)")
_ENDINGS = re.compile(r"(?i)(?:\.[a-z]+\d?)?(?:\.(?:gz|bz2|xz|zst|zip))?$")
_SHARD = re.compile(r"-\d{5}-of-\d{5}.*$")


@dataclass(frozen=True)
class Splits:
    """The split of each file that is in one, as it is written; `depth` is that of the folders which are named so.

    A depth of None says that the files themselves are.
    """

    of: Mapping[str, str]
    depth: int | None

    @property
    def files(self) -> dict[str, int]:
        """How many files each split has, by its name."""
        return dict(sorted(Counter(self.of.values()).items()))


class SeveralSplitsError(SpecError):
    """The source has splits, and the spec does not say which one is meant."""

    def __init__(self, place: str, splits: Splits, others: int) -> None:
        self.splits, self.others = splits, others
        found = ", ".join(f"{name} ({files:,} files)" for name, files in splits.files.items())
        beside = f" and {others:,} files in none of them" if others else ""
        trained = [name for name in splits.files if kind_of(name) == TRAIN]
        example = Advice(("source", "split"), (trained or list(splits.files))[0])
        problem = (
            f"{place} has the splits {found}{beside}: say which one to build from, as in {example}, or split:"
            " all for one dataset of all files; what is held out goes to evaluate.test"
        )
        advice = example if len(trained) == 1 else None
        super().__init__(Fault(example.path, problem, "several-splits", advice))


def kind_of(name: str) -> str | None:
    """Return which split a folder or a file is named after: train, validation or test."""
    parsed = _parsed(name)
    return parsed[1] if parsed else None


def _parsed(name: str) -> tuple[tuple[str, ...], str] | None:
    """Return the other words of a name, and the split that the one word names; None if none does, or several."""
    words = [word.lower() for word in _WORD.findall(_HELD_OUT.sub(lambda found: (found[1] + found[2]).lower(), name))]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    kinds = [WORDS[word] for word in words if word in WORDS]
    return (tuple(word for word in words if word not in WORDS), kinds[0]) if len(kinds) == 1 else None


def find_splits(names: Sequence[str], titled: Told) -> Splits | None:
    """Return the splits that the uppermost folders named so make, or else the files for which `titled` holds.

    They are splits if two kinds of them have names that are alike but for the split, as `seg_train` and `seg_test` do:
    a class may be called `test` too, or `bullet_train`. Of folders it is enough that all are named so, in whatever
    words, or that one is and all hold folders of the same names; of one kind alone it needs a folder that holds all.
    Files are no classes, so that two kinds among their names are enough.
    """
    folders = [name.split("/")[:-1] for name in names]
    for depth in range(max(map(len, folders), default=0)):
        at = {name: parts[depth] for name, parts in zip(names, folders, strict=True) if len(parts) > depth}
        siblings = set(at.values())
        whole = len(at) == len(names)
        if whole and (_one_kind(siblings) or _all_named(siblings) or _same_within(folders, depth)):
            known = siblings
        else:
            known = _splits_among(siblings)
        if known:
            return Splits({name: part for name, part in at.items() if part in known}, depth)
    kinds = {name: kind_of(_title(name)) for name in names if titled(name)}
    found = {name: kind for name, kind in kinds.items() if kind}
    return Splits(found, None) if len(set(found.values())) > 1 else None


def _title(name: str) -> str:
    """Return a file's name without its endings, and without the number that Hugging Face gives a shard."""
    return _SHARD.sub("", _ENDINGS.sub("", os.path.basename(name)))


def _splits_among(names: Iterable[str]) -> set[str]:
    """Return the names that are alike but for the split, where there are splits of two kinds or more."""
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        if parsed := _parsed(name):
            alike[parsed[0]][name] = parsed[1]
    return {name for some in alike.values() if len(set(some.values())) > 1 for name in some}


def _all_named(names: set[str]) -> bool:
    """Whether each name has a split's word, and there are two kinds of them."""
    kinds = {kind_of(name) for name in names}
    return None not in kinds and len(kinds) > 1


def _same_within(folders: Sequence[Sequence[str]], depth: int) -> bool:
    """Whether one folder at a depth is named after a split, and all hold folders of the same names, as of classes."""
    within: dict[str, set[str]] = defaultdict(set)
    for parts in folders:
        within[parts[depth]].add(parts[depth + 1] if len(parts) > depth + 1 else "")
    same = next(iter(within.values()))
    named = any(kind_of(name) and not _parsed(name)[0] for name in within)  # type: ignore[index]
    return named and len(within) > 1 and len(same) > 1 and all(one == same for one in within.values())


def _one_kind(names: set[str]) -> bool:
    """Whether all names are a split's and nothing else, and of one kind."""
    parsed = [_parsed(name) for name in names]
    return len({one[1] for one in parsed if one and not one[0]}) == 1 and all(one and not one[0] for one in parsed)


def choose(
    names: list[str],
    asked: str | None,
    place: str,
    *,
    titled: Told,
    beside: Told,
    declared: Mapping[str, str],
    notes: bool = False,
) -> list[str]:
    """Return the files of the split that is asked for, and those that lie `beside` all of them, as annotations may.

    Of files for which `titled` holds the name tells the split where no folder does, and of others a file that lists
    them (`declared`: the splits by name). With `notes`, files above class folders are left out. Without one asked for,
    a source whose only split is of training rows is taken whole. Raises SeveralSplitsError where one has to be named,
    and SpecError for one that there is not.
    """
    splits = find_splits(names, titled)
    if splits is None and len(set(declared.values())) > 1:
        splits = Splits({name: declared[name] for name in names if name in declared}, 0)
    if splits is None and asked in (None, ALL):
        return names
    if splits is None:
        advice = Advice(("source", "split"), None)
        raise SpecError(Fault(advice.path, f"{place} has no splits, got {asked!r}; {advice}", "no-splits", advice))
    if asked == ALL:
        return _without(notes, names, splits)
    loose = [name for name in names if name not in splits.of]
    if splits.depth is None:
        common = {name for name in loose if beside(name) or not titled(name)}
    else:
        common = {name for name in loose if beside(name)}
    if asked is None:
        if len(loose) > len(common) or {kind_of(name) for name in splits.files} != {TRAIN}:
            raise SeveralSplitsError(place, splits, len(loose) - len(common))
        return _without(notes, names, splits)
    meant = _meant(asked, list(splits.files), place)
    kinds = {kind_of(name) for name in meant}
    kept = {name for name in common if not titled(name) or kind_of(_title(name)) in {None, *kinds}}
    chosen = [name for name in names if splits.of.get(name) in meant or name in kept]
    return _without(notes, chosen, splits)


def _without(notes: bool, names: list[str], splits: Splits) -> list[str]:
    """Return the names without those, if they are `notes`, that lie in a split's folder, above its class folders."""
    depth = splits.depth
    if not notes or depth is None or len({tuple(name.split("/")[:depth]) for name in splits.of}) > 1:
        return names
    below = [name for name in names if name not in splits.of or name.count("/") > depth + 1]
    return below or names


def _meant(asked: str, known: list[str], place: str) -> set[str]:
    """Return the splits, as they are written, that a word of the spec means: `validation` is `valid` too."""
    if asked in known:
        return {asked}
    kind = kind_of(asked)
    meant = {name for name in known if name.lower() == asked.lower()} or {
        name for name in known if kind and kind_of(name) == kind
    }
    if not meant:
        problem = f"{place} has no split {asked!r}{nearest(asked, [*known, ALL])}"
        raise SpecError(Fault(("source", "split"), problem))
    return meant


class ClassFolders:
    """Tells the class of each file of class folders: the first folder that is neither a split nor around all."""

    def __init__(self, names: Sequence[str]) -> None:
        splits = find_splits(names, lambda _: False)
        self._depth = splits.depth if splits else None
        folders = [self._folders(name) for name in names]
        self._around = 0
        while len({tuple(parts[: self._around + 1]) for parts in folders}) == 1 and any(
            len(parts) > self._around + 1 for parts in folders
        ):
            self._around += 1
        self._above = folders[0][: self._around] if folders else []

    def _folders(self, name: str) -> list[str]:
        parts = name.split("/")[:-1]
        return [part for depth, part in enumerate(parts) if depth != self._depth]

    def find(self, name: str) -> str | None:
        """Return the class of a file; None if it lies in no class folder, or elsewhere than all others."""
        parts = self._folders(name)
        return next(iter(parts[self._around :]), None) if parts[: self._around] == self._above else None
