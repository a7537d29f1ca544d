"""Generators and steps that make mistakes, or that hang while another does."""

import fcntl
import os
import time
from pathlib import Path

from tests.benchmarks.cheap import Cheap, CheapParams


class MarkingParams(CheapParams):
    """`marks` is a folder where each call leaves a file."""

    marks: str = ""


class Marking(Cheap):
    """Leaves a file for each call."""

    Params = MarkingParams

    def __init__(self, params):
        super().__init__(params)
        self.marks = Path(params.marks)

    def mark(self, call):
        """Leave it, and return how many there were before."""
        before = len(list(self.marks.glob(f"{call}-*")))
        (self.marks / f"{call}-{before}-{os.getpid()}").touch()
        return before


class FitRaises(Marking):
    """Makes a mistake in its fit."""

    def fit(self, table, label, seed):
        """Make it."""
        self.mark("fit")
        return {}["no such key"]


class SampleRaises(Marking):
    """Makes a mistake when it samples."""

    def sample(self, request):
        """Make it."""
        self.mark("sample")
        raise IndexError("no such row")


class LoadRaises(Marking):
    """Makes a mistake when it is loaded."""

    def load(self, path, device):
        """Make it."""
        raise TypeError("no such argument")


class FitsAlone(Marking):
    """Holds a lock while it is fitted, the first time for ever; says if it finds that another is at it."""

    def fit(self, table, label, seed):
        """Fit, and hang the first time."""
        lock = (self.marks / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.mark("second")
        super().fit(table, label, seed)
        if not self.mark("fit"):
            time.sleep(3600)


def refuse_once(_plan, _number, _real, place):
    """A validator's fit that fails while the generator's hangs: the first time by what may pass, then it goes well."""
    from pipelines.fit.fitting import fit_validator

    marks = Path(place.plan().generator.params["marks"])
    while not list(marks.glob("fit-*")):
        time.sleep(0.02)
    if not (marks / "refused").exists():
        (marks / "refused").touch()
        raise ConnectionResetError("the store hung up")
    fit_validator(_plan, _number, _real, place)


def refuse_for_good(_plan, _number, _real, place):
    """A validator's fit that makes a mistake while the generator's hangs."""
    marks = Path(place.plan().generator.params["marks"])
    while not list(marks.glob("fit-*")):
        time.sleep(0.02)
    raise KeyError("a validator's mistake")
