"""Ctrl-C is not forgotten where a library lets it pass."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from flows.interrupt import stopping
from flows.progress import Listener, listener, listening


class Steps(Listener):
    def __init__(self):
        self.heard = []

    def step(self, name):
        self.heard.append(name)


def test_an_interrupt_that_was_let_pass_stops_the_next_step():
    steps = Steps()
    with stopping(), listening(steps):
        listener().step("plan")
        with suppress(KeyboardInterrupt):  # as a library does
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            listener().step("fill")
    assert steps.heard == ["plan"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_asyncio_does_not_take_its_place():
    async def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(asyncio.CancelledError):  # what asyncio's own handler makes of it
            await asyncio.sleep(1)

    with stopping():
        with suppress(KeyboardInterrupt):
            asyncio.run(interrupted())
        with pytest.raises(KeyboardInterrupt):
            listener().step("write")
