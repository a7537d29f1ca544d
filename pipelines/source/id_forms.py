"""Describes the form of text ids (the characters at each position, the greatest and the least id) to make similar ones.

A made id never equals a real one: it counts on from the greatest id, or is greater or less than all ids of its length.
If the possible ids are so many that two never meet by chance, it is any of them.
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
"""The most ids whose characters are examined, and the number from which no other characters are assumed possible."""
_LONGEST = 128
_COUNTLESS = 2**96
"""The number of possible ids from which two never meet by chance."""
_SORTS = (
    string.digits, "abcdef", string.ascii_lowercase, "ABCDEF", string.ascii_uppercase,
)  # fmt: skip
_RUN = re.compile(r"[0-9]*$")
_LAST_RUN = re.compile(r"(.*?)([0-9]+)([^0-9]*)$", re.DOTALL)
_GOLDEN = 0.6180339887498949
_GOLDEN_DIGITS = 618033988749894848204586834365638117720309179805762862135


@dataclass
class FormState:
    """The form of a column's ids after the cells seen so far."""

    count: int = 0
    length: int = 0
    most: str = ""
    least: str = ""
    places: list[set[str]] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    sampled: int = 0

    def observe(self, cells: pa.Array) -> None:
        """Add texts without nulls."""
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
        """Return the form of a column's `count` ids; None if not all were seen as text, or if they are too long."""
        if self.count != count or not 0 < self.length <= _LONGEST:
            return None
        start = next(iter(self.starts)) if len(self.starts) == 1 else self.length
        for place, one in enumerate(zip(self.most, self.least, strict=True)):
            self.places[place] |= set(one)
        alphabets = [_alphabet(seen, self.sampled, counted=n >= start) for n, seen in enumerate(self.places)]
        return IdForm(most=self.most, least=self.least, start=start if start < self.length else None, places=alphabets)


def _start(text: str) -> int:
    """Return the position at which the digits at the end of a text begin."""
    found = _RUN.search(text)
    return found.start() if found else len(text)


def _alphabet(seen: set[str], sampled: int, *, counted: bool) -> str:
    """Return the possible characters of a position, sorted: those seen there, or all of their kinds."""
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
    """Return an id of the form for each of `numbers` (below `needed`), distinct from each other and from real ids.

    Returns None if the form has too few ids.
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
    """Return ids that count on from the greatest id; they grow longer if the digits do not suffice."""
    prefix, last = form.most[: form.start], form.most[form.start :]
    return [f"{prefix}{int(last) + 1 + number:0{len(last)}}" for number in numbers]


def _counted_within(form: IdForm, numbers: Sequence[int]) -> list[str] | None:
    """Return ids that count on in the last digits anywhere in the greatest id; None if it has no digits.

    The ids are greater than the greatest real id, or longer, so none of them is real.
    """
    found = _LAST_RUN.match(form.most)
    if not found:
        return None
    before, last, behind = found.groups()
    return [f"{before}{int(last) + 1 + number:0{len(last)}}{behind}" for number in numbers]


def _spread(number: int, room: int) -> int:
    """Return a number below `room`, unique for each `number` and far from those of its neighbours."""
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
