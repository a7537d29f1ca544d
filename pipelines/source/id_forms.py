"""How ids of text look: what stands at each place, and the greatest and least of them, so that made ones look alike.

A made id is never a real one's: it is counted on from the greatest, or lies above or below all of its length; where
there are so many possible ones that no two are met by chance, it is any of them.
"""

import hashlib
import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import numbered
from schemas.plan import IdForm

_SAMPLE, _ENOUGH = 5_000, 100
"""Ids whose characters are looked at, and from how many on these are all that may stand in a place."""
_LONGEST = 128
_COUNTLESS = 2**96
"""Possible ids from which on none is met twice by chance."""
_SORTS = (
    string.digits, "abcdef", string.ascii_lowercase, "ABCDEF", string.ascii_uppercase,
)  # fmt: skip
_RUN = re.compile(r"[0-9]*$")
_LAST_RUN = re.compile(r"(.*?)([0-9]+)([^0-9]*)$", re.DOTALL)
_GOLDEN = 0.6180339887498949
_GOLDEN_DIGITS = 618033988749894848204586834365638117720309179805762862135


@dataclass
class FormState:
    """What is known of a column's ids after the cells seen so far."""

    count: int = 0
    length: int = 0
    most: str = ""
    least: str = ""
    places: list[set[str]] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    sampled: int = 0

    def observe(self, cells: pa.Array) -> None:
        """Take in texts without nulls."""
        self.count += len(cells)
        lengths = pc.utf8_length(cells)
        longest = int(pc.max(lengths).as_py() or 0)
        if longest > self.length:
            self.length, self.most, self.least, self.places, self.sampled = longest, "", "", [], 0
        if longest < self.length or longest > _LONGEST:
            return
        long = cells.filter(pc.equal(lengths, numbered(longest, 1)[0].cast(lengths.type)))
        extremes = pc.min_max(long)
        self.most = max(self.most, extremes["max"].as_py())
        self.least = min(self.least or self.most, extremes["min"].as_py())
        self._sample(cells, long)

    def _sample(self, cells: pa.Array, long: pa.Array) -> None:
        self.starts |= {_start(text) for text in cells.slice(0, _SAMPLE).to_pylist()}
        if self.sampled < _SAMPLE:
            some = [*long.slice(0, _SAMPLE).to_pylist(), self.most, self.least]
            found = [set(place) for place in zip(*some, strict=True)]
            self.places = [a | b for a, b in zip(self.places, found, strict=True)] if self.places else found
            self.sampled += len(some)

    def finish(self, count: int) -> IdForm | None:
        """Return the form of a column's `count` ids; None where they were not all seen as text, or are too long."""
        if self.count != count or not 0 < self.length <= _LONGEST:
            return None
        start = next(iter(self.starts)) if len(self.starts) == 1 else self.length
        for place, one in enumerate(zip(self.most, self.least, strict=True)):
            self.places[place] |= set(one)
        alphabets = [_alphabet(seen, self.sampled, counted=n >= start) for n, seen in enumerate(self.places)]
        return IdForm(most=self.most, least=self.least, start=start if start < self.length else None, places=alphabets)


def _start(text: str) -> int:
    """Return where the digits at the end of a text begin."""
    found = _RUN.search(text)
    return found.start() if found else len(text)


def _alphabet(seen: set[str], sampled: int, *, counted: bool) -> str:
    """Return what may stand in a place, in the order of characters: what was seen there, or all of its sorts."""
    if counted:
        return string.digits
    if len(seen) == 1 or sampled >= _ENOUGH:
        return "".join(sorted(seen))
    found = set(seen)
    for few, all_ in ((0, 0), (1, 2), (3, 4)):
        if some := seen & set(_SORTS[all_]):
            found |= set(_SORTS[few] if some <= set(_SORTS[few]) else _SORTS[all_])
    return "".join(sorted(found))


def made_ids(form: IdForm, numbers: Sequence[int], needed: int, salt: str) -> list[str] | None:
    """Return an id of that form for each number below `needed`, which none of the column and no other number has.

    None where there are not so many.
    """
    fixed = form.start is not None and all(len(place) == 1 for place in form.places[: form.start])
    if fixed or (
        form.start is not None and int(form.most[form.start :]) + needed < 10 ** (len(form.most) - form.start)
    ):
        return _counted(form, numbers)
    space = math.prod(len(place) for place in form.places)
    if space >= _COUNTLESS:
        first = int.from_bytes(hashlib.sha256(salt.encode()).digest(), "big")
        return [_text(form.places, (first + _spread(number, space)) % space) for number in numbers]
    most, least = (_place(form.places, text) for text in (form.most, form.least))
    if needed < space - most - 1:
        return [_text(form.places, most + 1 + _spread(number, space - most - 1)) for number in numbers]
    if needed < least:
        return [_text(form.places, _spread(number, least)) for number in numbers]
    return _counted(form, numbers) if form.start is not None else _counted_within(form, numbers)


def _counted(form: IdForm, numbers: Sequence[int]) -> list[str]:
    """Return ids counted on from the greatest; they grow longer where there is no room."""
    prefix, last = form.most[: form.start], form.most[form.start :]
    return [f"{prefix}{int(last) + 1 + number:0{len(last)}}" for number in numbers]


def _counted_within(form: IdForm, numbers: Sequence[int]) -> list[str] | None:
    """Return ids counted on in the last digits that the greatest has anywhere; None where it has none.

    They are greater than it, or longer, so that no real one is among them.
    """
    found = _LAST_RUN.match(form.most)
    if not found:
        return None
    before, last, behind = found.groups()
    return [f"{before}{int(last) + 1 + number:0{len(last)}}{behind}" for number in numbers]


def _spread(number: int, room: int) -> int:
    """Return another number below `room` for each number below it, far from those of its neighbours."""
    exact = room * _GOLDEN_DIGITS // 10 ** len(str(_GOLDEN_DIGITS))  # a double's would end in zeros
    step = max(1, int(room * _GOLDEN) if room < 2**53 else exact)
    while math.gcd(step, room) != 1:
        step += 1
    return number * step % room


def _place(places: Sequence[str], text: str) -> int:
    found = 0
    for place, character in zip(places, text, strict=True):
        found = found * len(place) + place.index(character)
    return found


def _text(places: Sequence[str], number: int) -> str:
    letters = []
    for place in reversed(places):
        number, rest = divmod(number, len(place))
        letters.append(place[rest])
    return "".join(reversed(letters))
