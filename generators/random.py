"""Seeds the global random state for libraries that know no other. Knows no model."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

import numpy as np

_lent = RLock()
"""Held by the thread that uses the global state."""


@contextmanager
def seeded(seed: int) -> Iterator[np.random.Generator]:
    """Seed `random`, numpy's global state and torch's from `seed` (0 to 2**64 - 1), and restore all at the end.

    Yields a numpy generator of the same seed, for code that takes one. Inside the block, numpy's linear algebra and
    torch run on one thread, so that results do not depend on the number of cores. Torch is seeded only if it was
    imported before: import first what needs torch, and start CUDA first where it is used. The state belongs to the
    process, so other threads wait until it is restored.

    >>> with seeded(1):
    ...     first = np.random.random()
    >>> with seeded(1):
    ...     first == np.random.random()
    True
    """
    from threadpoolctl import threadpool_limits

    with _lent, ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(threadpool_limits(1))
        if "torch" in sys.modules:
            stack.enter_context(_torch_seeded(seed))
        random.seed(seed)
        np.random.seed(np.random.SeedSequence(seed).generate_state(8))  # takes words of 32 bits alone
        yield np.random.default_rng(seed)


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    import torch

    with ExitStack() as stack:
        stack.callback(torch.set_rng_state, torch.get_rng_state())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call] # asking before would start CUDA in every process
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
            torch.cuda.manual_seed_all(seed)
        yield
