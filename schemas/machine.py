"""The kind of machine that rows are made on: what of it decides the last bits of a float, and so a row now and then."""

from pydantic import Field

from schemas.base import Noun


class Machine(Noun):
    """A processor as the numeric libraries use it, and the accelerator if there is one.

    `processor` is its architecture and maker. `instructions` is the level that torch picks its kernels by, `vectors`
    are those that numpy picks by, `blas` is numpy's linear algebra with its version and kernel. `settings` are
    environment variables that choose among kernels. `gpu` is the card's name with its compute capability and torch's
    CUDA.
    """

    processor: str
    instructions: str
    vectors: list[str]
    blas: str
    settings: dict[str, str] = Field({})
    gpu: str | None = None

    def makes_rows_like(self, other: "Machine") -> bool:
        """Whether both make the same rows; of a card that one of them says nothing of, only the processor counts."""
        same = self.gpu == other.gpu or None in (self.gpu, other.gpu)
        return same and self.model_copy(update={"gpu": None}) == other.model_copy(update={"gpu": None})

    @property
    def told(self) -> str:
        """The machine in words."""
        parts = [f"{self.processor} with {self.instructions}", " ".join(self.vectors), self.blas]
        parts += [f"{name}={value}" for name, value in self.settings.items()]
        return ", ".join([*filter(None, parts), *([self.gpu] if self.gpu else [])])
