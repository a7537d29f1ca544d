"""The tests' traps do spring where a pickle is loaded: what they do not find is not there."""

import io
import pickle

import joblib
import numpy as np
import pytest
import torch

from tests.traps import as_numpy, as_numpy_zip, as_old_torch, as_pickle, as_torch

UNSAFE = {
    "pickle": (as_pickle, pickle.loads),
    "joblib": (as_pickle, lambda data: joblib.load(io.BytesIO(data))),
    "torch": (as_torch, lambda data: torch.load(io.BytesIO(data), weights_only=False)),
    "old torch": (as_old_torch, lambda data: torch.load(io.BytesIO(data), weights_only=False)),
    "numpy": (as_numpy, lambda data: np.load(io.BytesIO(data), allow_pickle=True)),
    "numpy zip": (as_numpy_zip, lambda data: np.load(io.BytesIO(data), allow_pickle=True)["kept"]),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_a_trap_springs_when_it_is_unpickled(name, tmp_path):
    mark = tmp_path / "sprung"
    make, load = UNSAFE[name]
    data = make(mark)
    assert not mark.exists()
    load(data)
    assert mark.exists()
