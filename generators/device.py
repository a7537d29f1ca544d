"""Which GPU torch uses, and in which precision it computes there. Knows no model."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def mixed_precision(device: str) -> AbstractContextManager[Any]:
    """Return a context manager in which a GPU computes in bfloat16; on the CPU it changes nothing."""
    import torch

    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def describe_gpu() -> str | None:
    """Describe the first GPU that this process sees, with torch's CUDA; None if there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}, CUDA {torch.version.cuda}"
