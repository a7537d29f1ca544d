"""How torch computes on a device. Knows no model."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def precision(device: str) -> AbstractContextManager[Any]:
    """Return the block in which a GPU computes in bfloat16."""
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()
