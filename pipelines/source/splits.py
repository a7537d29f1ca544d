"""Finds the splits (train, validation, test) of a source by the names of its folders and files alone.

A dataset's splits are meant to be kept apart, so the spec has to choose one of them, or say that it wants all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.source.split_words import TRAIN, deployed, exact_kind, kind_of, parsed, title, words_of
from schemas.errors import Advice, Fault, SpecError, join_first, nearest

__all__ = ["ALL", "NONE", "TRAIN", "ClassFolders", "SeveralSplitsError", "Splits", "choose", "find_splits", "kind_of"]
Told = Callable[[str], bool]
ALL, NONE = "all", "none"
"""Values of `source.split` that read every file: `all` whatever its split, `none` since there are no splits."""


@dataclass(frozen=True)
class Splits:
    """The split of each file in `of`, as the source writes it; `depth` is the depth of the folders named after splits.

    A depth of None says that the files themselves are named after splits.
    """

    of: Mapping[str, str]
    depth: int | None

    @property
    def files(self) -> dict[str, int]:
        """The number of files of each split, by the split's name."""
        return dict(sorted(Counter(self.of.values()).items()))


class SeveralSplitsError(SpecError):
    """The source has splits, and the spec does not choose one."""

    def __init__(self, place: str, splits: Splits, others: int) -> None:
        self.splits, self.others = splits, others
        found = ", ".join(f"{name} ({files:,} files)" for name, files in splits.files.items())
        beside = f" and {others:,} files in none of them" if others else ""
        trained = [name for name in splits.files if kind_of(name) == TRAIN]
        example = Advice(("source", "split"), (trained or list(splits.files))[0])
        problem = (
            f"{place} has the splits {found}{beside}: say which one to build from, as in {example}, or split:"
            " all for one dataset of all files; what is held out goes to evaluate.test, and split: none says that these"
            " names mean no splits, but classes, or parts of one table"
        )
        advice = example if len(trained) == 1 else None
        super().__init__(Fault(example.path, problem, "several-splits", advice))


def find_splits(
    names: Sequence[str], titled: Told, columns: Collection[str] = (), *, joined: bool = False
) -> Splits | None:
    """Return the splits named by the uppermost folders, or else by files for which `titled` holds; None if none are.

    A class may be called `test` or `bullet_train`. So folders are splits if two kinds have names that differ in the
    split's word alone (`seg_train`, `seg_test`); or if the folders hold all files, and all have a split's word (and
    nothing else if they are of one kind), or one has and all hold folders of the same names. For files, two kinds are
    enough; if they are `joined` to one table, one kind that holds out some of them. Folders `key=value` are no splits
    if the key is one of `columns`.
    """
    folders = [name.split("/")[:-1] for name in names]
    for depth in range(max(map(len, folders), default=0)):
        at = {name: parts[depth] for name, parts in zip(names, folders, strict=True) if len(parts) > depth}
        siblings = set(at.values())
        if {part.partition("=")[0] for part in siblings if "=" in part} & {*columns}:
            continue
        whole = len(at) == len(names)
        if whole and (_one_kind(siblings) or _all_named(siblings) or _same_within(folders, depth)):
            known = siblings
        else:
            known = _splits_among(siblings)
        if known:
            return Splits({name: part for name, part in at.items() if part in known}, depth)
        if joined and not any(map(deployed, siblings)) and all(map(titled, names)):
            exact = {name: kind for name, part in at.items() if (kind := exact_kind(part))}
            if exact and not (whole and len(exact) == len(names)):
                return Splits(_with_rest(exact, names), None)
    return _among_files([name for name in names if titled(name)], joined=joined)


def _among_files(names: Sequence[str], *, joined: bool) -> Splits | None:
    """Return the splits that files are named after: two kinds, or one kind held out of the other files."""
    titles = {name: title(name) for name in names}
    found = {name: kind for name, one in titles.items() if (kind := kind_of(one))}
    if len(set(found.values())) > 1:
        return Splits(_with_rest(found, names) if joined else found, None)
    if not joined or not found or len(found) == len(names):
        return None
    others = {words_of(one) for name, one in titles.items() if name not in found}
    beside = any(parsed(titles[name])[0] in others for name in found)  # type: ignore[index]
    held_out = TRAIN not in found.values() and not any(deployed(one) for one in titles.values())
    alone = held_out and any(exact_kind(titles[name]) for name in found)
    return Splits(_with_rest(found, names), None) if beside or alone else None


def _with_rest(kinds: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the split of each file; if none is named after training, the files without a split are training rows."""
    rest = {} if TRAIN in kinds.values() else dict.fromkeys(names, TRAIN)
    return {**rest, **kinds}


def doubtful(names: Sequence[str], titled: Told) -> dict[str, str]:
    """Return, for a source without splits, the split that a word in a file's name or its folders' names may mean.

    Folders `key=value` are skipped, since they are columns.
    """
    found = {}
    for name in names:
        parts = [part for part in name.split("/")[:-1] if "=" not in part]
        kinds = [kind for part in (*parts, title(name)) if (kind := kind_of(part))]
        if titled(name) and kinds:
            found[name] = kinds[-1]
    return found


def doubts(names: Sequence[str], titled: Told) -> list[str]:
    """Return at most one sentence about files that are read with all others but may be held out, by their names."""
    found = doubtful(names, titled)
    held = [name for name in names if found.get(name, TRAIN) != TRAIN]
    train = [name for name in names if exact_kind(title(name)) == TRAIN and titled(name)]
    rest = [name for name in names if titled(name) and name not in train]
    advice = "are read with all others (source.split: train leaves them out, none says that this is right)."
    if held and len(held) < len(names):
        return [f"Files that may be held-out rows by their names, {join_first(held)}, {advice}"]
    return [f"Files beside those that are called training rows, {join_first(rest)}, {advice}"] if train and rest else []


def _splits_among(names: Iterable[str]) -> set[str]:
    """Return the names that differ in the split's word alone, if they are of two kinds or more."""
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        if found := parsed(name):
            alike[found[0]][name] = found[1]
    return {name for some in alike.values() if len(set(some.values())) > 1 for name in some}


def _all_named(names: set[str]) -> bool:
    """Whether each name has a split's word, and these are of two kinds or more."""
    kinds = {kind_of(name) for name in names}
    return None not in kinds and len(kinds) > 1


def _same_within(folders: Sequence[Sequence[str]], depth: int) -> bool:
    """Whether one folder at a depth is named after a split, and all hold folders (classes) of the same names."""
    within: dict[str, set[str]] = defaultdict(set)
    for parts in folders:
        within[parts[depth]].add(parts[depth + 1] if len(parts) > depth + 1 else "")
    same = next(iter(within.values()))
    named = any(kind_of(name) and not parsed(name)[0] for name in within)  # type: ignore[index]
    return named and len(within) > 1 and len(same) > 1 and all(one == same for one in within.values())


def _one_kind(names: set[str]) -> bool:
    """Whether all names are a split's word alone, and of one kind."""
    found = [parsed(name) for name in names]
    return len({one[1] for one in found if one and not one[0]}) == 1 and all(one and not one[0] for one in found)


def choose(
    names: list[str],
    asked: str | None,
    place: str,
    *,
    titled: Told,
    beside: Told,
    declared: Mapping[str, str],
    notes: bool = False,
    columns: Collection[str] = (),
    joined: bool = False,
) -> list[str]:
    """Return the files of the split `asked`, and the files `beside` all splits, such as annotations.

    If no folder names the splits, the names of files for which `titled` holds do, or lists of files do (`declared`:
    the split of each file). With `notes`, files above class folders are left out. If `asked` is None, a source whose
    only split is training is taken whole. Folders `key=value` of `columns` are no splits; `joined` says that the files
    make one table. Raises SeveralSplitsError if the spec has to choose a split, and SpecError if there is no split of
    that name.
    """
    if asked == NONE:
        return names
    said = {name: declared[name] for name in names if name in declared}
    splits = _as_declared(find_splits(names, titled, columns, joined=joined), said, asked)
    if splits is None and asked in (None, ALL):
        return names
    if splits is None and (found := doubtful(names, titled)):
        splits = Splits(_with_rest(found, filter(titled, names)), None)
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
    meant = _meant(asked, list(splits.files), place, whole=asked in said.values())
    kinds = {kind_of(name) for name in meant}
    kept = {name for name in common if not titled(name) or kind_of(title(name)) in {None, *kinds}}
    chosen = [name for name in names if splits.of.get(name) in meant or name in kept]
    return _without(notes, chosen, splits)


def _as_declared(splits: Splits | None, declared: Mapping[str, str], asked: str | None) -> Splits | None:
    """Return the splits, where the `declared` split of a file takes precedence over that of its folder."""
    if splits:
        other = {name: said for name, said in declared.items() if kind_of(splits.of.get(name, "")) != kind_of(said)}
        return Splits({**splits.of, **other}, splits.depth)
    several = len(set(declared.values())) > 1
    return Splits(declared, 0) if several or (declared and asked not in (None, ALL)) else None


def _without(notes: bool, names: list[str], splits: Splits) -> list[str]:
    """Return the names; with `notes`, leave out files that lie in a split's folder but in no class folder."""
    depth = splits.depth
    if not notes or depth is None or len({tuple(name.split("/")[:depth]) for name in splits.of}) > 1:
        return names
    below = [name for name in names if name not in splits.of or name.count("/") > depth + 1]
    return below or names


def _meant(asked: str, known: list[str], place: str, *, whole: bool) -> set[str]:
    """Return the splits, as the source writes them, that the spec's word means: `validation` means `valid` too.

    With `whole`, the word means all splits of its kind.
    """
    if asked in known and not whole:
        return {asked}
    kind = kind_of(asked)
    meant = {name for name in known if name.lower() == asked.lower()} or {
        name for name in known if kind and kind_of(name) == kind
    }
    if not meant:
        problem = f"{place} has no split {asked!r}{nearest(asked, [*known, ALL])}"
        raise SpecError(Fault(("source", "split"), problem))
    return meant


def is_meant(asked: str, part: str) -> bool:
    """Whether a folder `part` may belong to the split that the spec asks for."""
    kind = kind_of(asked)
    return part.lower() == asked.lower() or (kind is not None and kind_of(part) == kind)


class ClassFolders:
    """Finds the class of each file: the first folder that neither is a split nor holds all files.

    If the spec asks for the split `none`, no folder is a split. `splits` are the names of the splits.
    """

    def __init__(self, names: Sequence[str], asked: str | None = None) -> None:
        splits = None if asked == NONE else find_splits(names, lambda _: False)
        self.splits = list(splits.files) if splits else []
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
        """Return the class of a file; None if the file lies in no class folder, or outside the folder of all others."""
        parts = self._folders(name)
        return next(iter(parts[self._around :]), None) if parts[: self._around] == self._above else None
