import random

import numpy as np
import pytest

from generators.random import seeded


def draws():
    import torch

    return random.random(), np.random.random(), torch.rand(3).tolist()


def test_same_seed_same_draws_and_all_is_put_back():
    import torch

    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    threads = torch.get_num_threads()
    with seeded(2**63 + 5) as rng:
        first = draws(), rng.random()
    with seeded(2**63 + 5) as rng:
        assert (draws(), rng.random()) == first
        assert torch.get_num_threads() == 1
    with seeded(5) as rng:  # the same low bits
        assert draws() != first[0]
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert torch.get_num_threads() == threads


def test_state_is_put_back_after_an_error():
    before = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(ZeroDivisionError), seeded(1):
        random.random() / 0
    assert before == (random.getstate(), np.random.get_state()[1].tolist())
