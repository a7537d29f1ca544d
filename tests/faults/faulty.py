"""A generator with a fault: it hangs, dies or raises on one chunk, so many times; else it is SMOTE."""

import os
import time
from pathlib import Path

from generators.tabular.params import SMOTEParams
from generators.tabular.smote import SMOTE
from pipelines.plan.machine import this_machine


class FaultyParams(SMOTEParams):
    """`how` is hang, die or raise; each fault leaves a file in `marks`, until there are `times`."""

    how: str = "hang"
    chunk: int = 1
    times: int = 1_000
    marks: str = ""


class Faulty(SMOTE):
    """SMOTE with a fault."""

    Params = FaultyParams

    def sample(self, request):
        """Make the rows, unless it is time for the fault."""
        marks = Path(self.params.marks)
        made = len(list(marks.glob(f"{request.chunk}-*")))
        if request.chunk == self.params.chunk and made < self.params.times:
            (marks / f"{request.chunk}-{made}").touch()
            fault(self.params.how)
        return super().sample(request)


def fault(how):
    if how == "hang":
        time.sleep(3600)
    elif how == "die":
        os._exit(7)
    raise ZeroDivisionError("the model is broken")


class LateParams(SMOTEParams):
    """`seconds` that each chunk takes longer; `log` is a file that each adds its number to."""

    seconds: float = 0.3
    log: str = os.devnull


class Late(SMOTE):
    """SMOTE that takes its time, so that there is some to break things in."""

    Params = LateParams

    def sample(self, request):
        """Note it, wait, and make the rows."""
        with Path(self.params.log).open("a") as log:
            log.write(f"{request.chunk}\n")
        time.sleep(self.params.seconds)
        return super().sample(request)


class Where(SMOTE):
    """SMOTE that notes on what kind of machine each chunk is made."""

    Params = LateParams

    def sample(self, request):
        """Note it, and make the rows."""
        with Path(self.params.log).open("a") as log:
            log.write(f"{this_machine().instructions}\n")
        time.sleep(self.params.seconds)
        return super().sample(request)
