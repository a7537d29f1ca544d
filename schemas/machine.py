"""The kind of machine that makes rows: the parts that decide the last bits of floats, and so a few rows."""

from pydantic import Field

from schemas.base import Noun


class Machine(Noun):
    """A processor as the numeric libraries use it, and the accelerator if there is one.

    `processor` is its architecture and maker. torch picks its kernels by the level `instructions`, numpy by `vectors`.
    `blas` is numpy's linear algebra with its version and kernel. `settings` are environment variables that choose among
    kernels. `gpu` is the card's name with its compute capability and torch's CUDA.
    """

    processor: str
    instructions: str
    vectors: list[str]
    blas: str
    settings: dict[str, str] = Field({})
    gpu: str | None = None

    def makes_rows_like(self, other: "Machine") -> bool:
        """Whether both machines make the same rows; the GPU is compared only if both name one."""
        same = self.gpu == other.gpu or None in (self.gpu, other.gpu)
        return same and self.model_copy(update={"gpu": None}) == other.model_copy(update={"gpu": None})

    @property
    def told(self) -> str:
        """A description of the machine in one line."""
        parts = [f"{self.processor} with {self.instructions}", " ".join(self.vectors), self.blas]
        parts += [f"{name}={value}" for name, value in self.settings.items()]
        return ", ".join([*filter(None, parts), *([self.gpu] if self.gpu else [])])
