"""Limits how often a message is sent, and measures the steps and the fill. Knows no log and no metric."""

import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from pipelines.fill.loop import StratumProgress

WINDOW = 30.0
"""The window, in seconds, over which rows per second are measured."""


@dataclass
class Pace:
    """Limits messages to one in so many seconds."""

    seconds: float
    _last: dict[Hashable, float] = field(default_factory=dict)

    def due(self, key: Hashable = None) -> bool:
        """Return whether a message is due, which then counts as sent. The first one of a key is due."""
        now = time.monotonic()
        if now - self._last.get(key, -self.seconds) < self.seconds:
            return False
        self._last[key] = now
        return True


@dataclass
class Steps:
    """The current step, and the seconds that each finished step took."""

    now: str | None = None
    took: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)
    _start: float = field(default_factory=time.monotonic)

    def begin(self, name: str | None) -> tuple[str, float] | None:
        """Begin a step, or end the last one if `name` is None; return the step before and its seconds."""
        before, self.now = self.now, name
        since, self._since = self._since, time.monotonic()
        if before is None:
            return None
        self.took[before] = self._since - since
        return before, self.took[before]

    @property
    def total(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._start


@dataclass
class Filling:
    """The counts of all classes together: accepted rows, candidates, and requests `under_way`."""

    strata: dict[str, StratumProgress] = field(default_factory=dict)
    accepted: int = 0
    candidates: int = 0
    under_way: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque([(time.monotonic(), 0)]))

    def hear(self, progress: StratumProgress) -> None:
        """Update the counts of a class."""
        before = self.strata.get(progress.name) or StratumProgress(progress.name, 0, progress.target, 0, {})
        self.strata[progress.name] = replace(progress, rejected=dict(progress.rejected))
        self.accepted += progress.accepted - before.accepted
        self.candidates += progress.candidates - before.candidates
        self.under_way += progress.under_way - before.under_way
        now = time.monotonic()
        self._seen.append((now, self.accepted))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Rows accepted per second, over the last `WINDOW` seconds."""
        now = time.monotonic()
        seen = [one for one in tuple(self._seen) if one[0] >= now - WINDOW]
        return (seen[-1][1] - seen[0][1]) / (now - seen[0][0]) if len(seen) > 1 else 0.0
