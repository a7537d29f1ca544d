"""Refuses memorised images: those closer to one real image than hardly any two real ones are.

The distance of two images is that of their features in a small convolutional network fitted on the real ones (see
`generators.image.classifier`), which sees through the noise, light and blur of a copy. The limit is learnt: each real
image has a nearest other one, and only a small share of these distances is below it.

It is not a default: it is for models that must not reveal what they were trained on. An augmented row is compared with
all real rows but its parent.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.storage.arrays import map_array, read_array
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.image.learning import LearningParams, View, sample_images
from schemas.arrow import arrow_type
from schemas.plan import Plan

if TYPE_CHECKING:
    from generators.image.classifier import Classifier

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]

_BLOCK = 256  # candidates compared at once
_SLAB = 8_192  # real images compared at once
_JUDGED = 5_000  # the most real images from whose nearest others the limit is learnt
_COPY = 1e-3  # two real images within this distance are one image twice


class MemorisedParams(LearningParams):
    """How close is too close, and what the classifier learns from; rows beyond `fit_rows` are not compared with."""

    closest: float = Field(0.01, gt=0, lt=1, description="Share of real images that are as near to another as a copy.")


class Memorised:
    """Refuses images that look like one real image, of any class, or like its mirror image where `flip` is true.

    Raises SpecError for images with objects.

    Example:
        validate: [image, duplicates, {name: memorised, params: {closest: 0.02}}]

    """

    name: ClassVar[str] = "memorised"
    Params: ClassVar[type[base.Params]] = MemorisedParams

    def __init__(self, params: MemorisedParams, plan: Plan) -> None:
        self._params = params
        self._view = View.of(plan, params.size, self.name)
        self._label = plan.label
        self._kind = arrow_type(plan.profile.column(plan.label).type)
        self._classifier: Classifier | None = None
        self._real: Vectors = np.zeros((0, 0), np.float32)
        self._positions: Places = np.zeros(0, np.int64)
        self._distance = 0.0

    def fit(self, real: Iterable[Batch]) -> None:
        """Fit the classifier on a stratified sample and keep the features: 1.7 kB a row, for a short time double."""
        from generators.image.classifier import fit_classifier

        params = self._params
        sample = sample_images(real, self._view, self._label, self._kind, params.fit_rows)
        self._classifier = fit_classifier(sample.pixels, sample.target, steps=params.steps, flip=params.flip)
        self._real, self._positions = self._classifier.features(sample.pixels), sample.positions
        self._distance = _usual_distance(self._real, params.closest)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the images that are too close to a real one."""
        pixels = self._view.pixels(batch.table)
        near = self._is_near(pixels, batch.rows)
        if self._params.flip:
            near |= self._is_near(pixels[:, :, ::-1], batch.rows)
        count = int(near.sum())
        return Verdict(~near, {"close to a real image": count} if count else {})

    def save(self, path: Path) -> None:
        """Write net.safetensors, features.npy, positions.npy and distance.npy."""
        self._fitted_classifier.save(path)
        np.save(path / "features.npy", self._real)
        np.save(path / "positions.npy", self._positions)
        np.save(path / "distance.npy", self._distance)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; the features are mapped into memory, so that actors on one machine share them."""
        from generators.image.classifier import Classifier

        self._classifier = Classifier.load(path)
        self._real = map_array(path / "features.npy")
        self._positions = read_array(path / "positions.npy")
        self._distance = float(read_array(path / "distance.npy"))

    @property
    def _fitted_classifier(self) -> "Classifier":
        if self._classifier is None:
            raise RuntimeError("memorised: fit or load comes first")
        return self._classifier

    def _is_near(self, pixels: NDArray[np.uint8], rows: Places | None) -> NDArray[np.bool_]:
        """Return which images are too close to a real one that is not their parent."""
        parents = None if rows is None else (self._positions, rows)
        return nearest_distances(self._fitted_classifier.features(pixels), self._real, parents) <= self._distance


def nearest_distances(
    vectors: Vectors, real: Vectors, same: tuple[Places, Places] | None = None
) -> NDArray[np.float64]:
    """Return the distance from each vector to the nearest real one; all are of length 1.

    `same` numbers the real vectors and the others: a vector is not compared with those of its own number.
    """
    starts = range(0, len(vectors), _BLOCK)
    with _thread_controller().limit(limits=1):  # so that no digit depends on the machine's cores
        cosines = [_largest_cosines(vectors[start : start + _BLOCK], real, same, start) for start in starts]
    distances: NDArray[np.float64] = np.sqrt(np.maximum(0, 2 - 2 * np.concatenate([*cosines, np.zeros(0)])))
    return distances


def _largest_cosines(
    vectors: Vectors, real: Vectors, same: tuple[Places, Places] | None, start: int
) -> NDArray[np.float64]:
    """Return the largest cosine, -1 where there is none. Blocks of one size give the same digits for each vector."""
    count = len(vectors)
    block = np.zeros((_BLOCK, real.shape[1]), np.float32)
    block[:count] = vectors
    best = np.full(count, -1.0)
    for slab in (slice(first, first + _SLAB) for first in range(0, len(real), _SLAB)):
        cosines = (block @ real[slab].T)[:count]
        if same is not None:
            numbers, own = same
            cosines[own[start : start + count, None] == numbers[slab]] = -1
        np.maximum(best, cosines.max(axis=1), out=best)
    return best


@cache
def _thread_controller() -> Any:
    """Return the controller that limits the threads of linear algebra; finding its libraries takes a while."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _usual_distance(real: Vectors, share: float) -> float:
    """Return the distance within which that share of the real images has another one that is no copy."""
    numbers = np.arange(len(real))
    distances = nearest_distances(real[:_JUDGED], real, (numbers, numbers[:_JUDGED]))
    distances = distances[(distances > _COPY) & (distances < 2)]
    return max(_COPY, float(np.quantile(distances, share))) if len(distances) else _COPY
