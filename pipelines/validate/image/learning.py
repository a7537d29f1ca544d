"""What validators learn a classifier from: a stratified sample of the real images, at one small size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.validate.base import Batch
from pipelines.validate.classes import Classes, class_codes
from pipelines.validate.image.pixels import resize_images, sound_pixels
from pipelines.validate.sample import stratified_sample
from schemas.errors import Fault, SpecError
from schemas.plan import Plan

_SMALLEST = 16
_PIXELS, _LABEL, _POSITION = "pixels", "label", "position"

Part = tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]


class LearningParams(base.Params):
    """What the classifier learns from, and how long."""

    size: int = Field(32, ge=_SMALLEST, le=128, description="Side to which larger images are brought, in pixels.")
    steps: int = Field(600, ge=1, description="Batches of 128 images to learn from, at most.")
    flip: bool = Field(True, description="Take an image and its mirror image for the same.")
    fit_rows: int = Field(50_000, ge=1, description="Real rows to learn from, at most; small classes stay whole.")


@dataclass(frozen=True)
class View:
    """The images of the column `image` as the classifier sees them: `side` x `side` pixels, with 1 grey channel or 3.

    It follows from the plan: images are not enlarged, except to 16 pixels.
    """

    image: str | None
    side: int
    grey: bool

    @classmethod
    def of(cls, plan: Plan, size: int, name: str) -> "View":
        """Return the view of a plan's images; raises SpecError where the source marks objects in them."""
        profile = plan.profile
        if profile.objects is not None:
            problem = f"{name} tells classes of whole images apart, but the source marks objects in them; leave it out"
            raise SpecError(Fault(("validate",), problem))
        images = profile.images
        largest = max(images.size or images.most) if images else size
        return cls(profile.image, min(size, max(_SMALLEST, largest)), bool(images and images.mode == "L"))

    def pixels(self, table: pa.Table) -> NDArray[np.uint8]:
        """Return the images of a table, shape (rows, side, side, 1 or 3)."""
        return resize_images(sound_pixels(table.column(self.image)), self.side, grey=self.grey)


@dataclass(frozen=True)
class Sample:
    """Real images (uint8), their classes as indices into `classes` (sorted), and positions in the source or -1."""

    pixels: NDArray[np.uint8]
    target: NDArray[np.int64]
    classes: pa.Array
    positions: NDArray[np.int64]


def sample_images(real: Iterable[Batch], view: View, label: str, kind: pa.DataType, rows: int) -> Sample:
    """Return at most `rows` labelled images, in an order that depends on them alone; `kind` is the label's type.

    For a short time about twice as many are in memory.
    """
    numbering = Classes(kind)
    table = stratified_sample(_labelled_parts(real, view, label, numbering), rows)
    classes = numbering.ordered()
    data = b"".join(table.column(_PIXELS).to_pylist())
    pixels = np.frombuffer(data, np.uint8).reshape(len(table), view.side, view.side, 1 if view.grey else 3)
    return Sample(pixels, class_codes(table.column(_LABEL), classes), classes, table.column(_POSITION).to_numpy())


def _labelled_parts(real: Iterable[Batch], view: View, label: str, numbering: Classes) -> Iterator[Part]:
    """Yield pixels, label and position, fingerprints and class numbers of the rows that have a label."""
    for batch in real:
        known = pc.is_valid(batch.table.column(label)).to_numpy()
        table = batch.table.filter(pa.array(known))
        rows = np.full(len(known), -1) if batch.rows is None else batch.rows
        pixels = view.pixels(table)
        columns = {
            _PIXELS: pa.array([image.tobytes() for image in pixels], pa.large_binary()),
            _LABEL: table.column(label),
            _POSITION: rows[known],
        }
        yield pa.table(columns), batch.fingerprints[known], numbering.number(table.column(label))
