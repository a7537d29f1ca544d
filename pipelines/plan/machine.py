"""Identifies the kind of machine that this process runs on. Imports only numpy; for a GPU, torch too.

Different instructions add in a different order: 28 of 20,000 rows of a sampled table differed with and without AVX2.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import GeneratorError
from schemas.machine import Machine
from schemas.plan import Plan

ADDRESS, AUTO, LOCAL = "RAY_ADDRESS", "auto", "local"
"""The environment variable that names a Ray cluster, and its values for a cluster that Ray finds, and for none."""
SETTINGS = (
    "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE", "ARROW_USER_SIMD_LEVEL", "OPENCV_CPU_DISABLE", "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip
"""Environment variables that choose among kernels and have no effect on the other recorded facts."""
_LEVELS = {
    "AVX512": ("AVX512F", "AVX512CD", "AVX512VL", "AVX512BW", "AVX512DQ", "FMA3"),
    "AVX2": ("AVX2", "FMA3"),
}


def cluster_address() -> str | None:
    """Return the address of the cluster to join (it may be `auto`), or None if Ray runs on this machine."""
    address = os.environ.get(ADDRESS, "").strip()
    return None if address in ("", LOCAL) else address


class OtherMachineError(GeneratorError):
    """The process runs on another kind of machine than the one that makes the build's rows."""


def this_machine(*, gpu: bool = False) -> Machine:
    """Return the machine that this process runs on, with its GPU if `gpu`."""
    features = _core().__cpu_features__
    return Machine(
        processor=f"{platform.machine()} {_maker()}".strip(),
        instructions=_level(features),
        vectors=[name for name in _core().__cpu_dispatch__ if features.get(name)],
        blas=_blas(),
        settings={name: os.environ[name] for name in SETTINGS if os.environ.get(name)},
        gpu=_card() if gpu else None,
    )


def refuse_other_machine(plan: Plan) -> None:
    """Raise OtherMachineError unless this process makes rows like those of the plan's machine."""
    if plan.machine is None:
        return
    here = this_machine(gpu=plan.machine.gpu is not None)
    if not here.makes_rows_like(plan.machine):
        raise OtherMachineError(
            f"{platform.node()} is another kind of machine ({here.told}) than this build's rows are made on"
            f" ({plan.machine.told}), and would make other rows; take it out of the cluster and run the same command"
            " again, finished work is kept"
        )


def _core() -> Any:
    """Return the private part of numpy that knows the processor."""
    import numpy

    return numpy._core._multiarray_umath  # type: ignore[attr-defined]


def _level(features: Mapping[str, bool]) -> str:
    """Return the level that torch picks, by the rules of its `get_cpu_capability`; asking torch takes seconds."""
    asked = os.environ.get("ATEN_CPU_CAPABILITY", "").lower()
    if asked in ("default", *(level.lower() for level in _LEVELS)):
        return asked.upper()
    found = (level for level, needed in _LEVELS.items() if all(map(features.get, needed)))
    return next(found, "DEFAULT")


def _maker() -> str:
    """Return the processor's maker, by which MKL picks its kernels; empty if it is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def _blas() -> str:
    """Return the name and version of numpy's linear algebra, and the kernel that it picked for this processor."""
    from threadpoolctl import threadpool_info

    for one in threadpool_info():
        if one["user_api"] == "blas" and "numpy" in one["filepath"]:
            return " ".join(str(one.get(key) or "") for key in ("internal_api", "version", "architecture")).strip()
    return "none that is known"


def _card() -> str | None:
    from generators.device import describe_gpu

    return describe_gpu()
