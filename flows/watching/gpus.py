"""Reads the GPUs of this machine from NVIDIA's driver. For GPUs of other machines see Ray's own metrics."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Gpu:
    """One GPU: its number, its share of busy time (0 to 1), and its memory in bytes."""

    name: str
    busy: float
    used: int
    memory: int


def read_gpus() -> list[Gpu]:
    """Return the GPUs of the machine that runs the flow; an empty list without a driver."""
    nvml = _load_driver()
    if nvml is None:
        return []
    try:
        return [_read_gpu(nvml, number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []


def _read_gpu(nvml: Any, number: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(number)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    return Gpu(str(number), busy, int(memory.used), int(memory.total))


@lru_cache(maxsize=1)
def _load_driver() -> Any | None:
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
