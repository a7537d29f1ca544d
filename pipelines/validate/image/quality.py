"""Checks whether an image could be one of the source: it decodes, has a usual size and mode, is not blank or noise.

The limits are learnt from the real images: a candidate may have as little contrast, and as much roughness, as all but
one in a thousand real images have, and a little more.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.validate.base import Batch, Verdict, first_faults
from pipelines.validate.image.pixels import decode_column
from pipelines.validate.image.typical import Learner, Usual, measure
from schemas.plan import Plan

Mask = NDArray[np.bool_]

_FILE = "usual.json"


class ImageParams(base.Params):
    """The rules for an image; limits are learnt from the real images."""

    slack: float = Field(
        0.1, ge=0, description="Share by which learnt limits may be exceeded; sizes only if they vary."
    )
    size: bool = Field(True, description="Refuse images of sizes that real ones do not have.")
    blank: bool = Field(True, description="Refuse images with less contrast than real ones have.")
    noise: bool = Field(True, description="Refuse images that are rougher than real ones are.")


class ImageQuality:
    """Refuses images that could not be in the source; each counts under the first rule that it breaks.

    Example:
        validate: [{name: image, params: {slack: 0.2, noise: false}}]

    """

    name: ClassVar[str] = "image"
    Params: ClassVar[type[base.Params]] = ImageParams

    def __init__(self, params: ImageParams, plan: Plan) -> None:
        self._params = params
        self._image = plan.profile.image
        self._usual: Usual | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Learn what is usual, in constant memory; images that do not decode are left out."""
        learner = Learner()
        for batch in real:
            pixels = decode_column(batch.table.column(self._image))
            learner.add(measure([image for image in pixels if image is not None]))
        self._usual = learner.usual(self._params.slack)

    def check(self, batch: Batch) -> Verdict:
        """Refuse images that are unlike real ones; the first rule that an image breaks is the detail."""
        return first_faults(batch.table.num_rows, self._rules(batch))

    def save(self, path: Path) -> None:
        """Write usual.json."""
        (path / _FILE).write_text(json.dumps(asdict(self._limits)), encoding="utf-8")

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        self._usual = Usual(**json.loads((path / _FILE).read_text(encoding="utf-8")))

    @property
    def _limits(self) -> Usual:
        if self._usual is None:
            raise RuntimeError("image: fit or load comes first")
        return self._usual

    def _rules(self, batch: Batch) -> Iterator[tuple[str, Mask]]:
        """Yield each rule's name and which images break it; what does not decode is measured as one black pixel."""
        usual, params = self._limits, self._params
        pixels = decode_column(batch.table.column(self._image))
        measured = measure([np.zeros((1, 1, 1), np.uint8) if image is None else image for image in pixels])
        yield "does not decode", np.array([image is None for image in pixels], np.bool_)
        yield "mode", ~np.isin(measured.channels, usual.channels)
        if params.size:
            yield "size", _is_outside(measured.widths, usual.widths) | _is_outside(measured.heights, usual.heights)
        if params.blank:
            yield "blank", measured.contrast < usual.contrast
        if params.noise:
            yield "noise", measured.roughness > usual.roughness


def _is_outside(values: NDArray[np.int64], limits: list[int]) -> Mask:
    return (values < limits[0]) | (values > limits[1])
