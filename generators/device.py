"""How torch computes on a device, and which one it is. Knows no model."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def precision(device: str) -> AbstractContextManager[Any]:
    """Return the block in which a GPU computes in bfloat16."""
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def card() -> str | None:
    """Return the first GPU that this process sees, with torch's CUDA; nothing if there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}, CUDA {torch.version.cuda}"
