"""Sets of images in a network's features, images beside their parents, and the figures on points made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, encode
from pipelines.judge.fidelity.measure import measure_fidelity
from pipelines.judge.image import figures as images
from schemas.arrow import IMAGE
from schemas.fidelity import FidelityChoice
from tests.pipelines.judge.fidelity.rows import manifest_of, shards, source


def table_of(made, labels):
    cells = [{"bytes": encode(image, Encoding("png")), "path": None} for image in made]
    return pa.table([pa.array(cells, IMAGE), pa.array(labels, pa.string())], names=["image", "kind"])


def pictures(rows, seed=0, noise=0, kinds=("bars", "dots")):
    """Return images of dark bars and of light dots, as many of each."""
    rng = np.random.default_rng(seed)
    made = np.full((rows * len(kinds), 16, 16, 1), 90, np.int64)
    for place in range(len(made)):
        row, column = rng.integers(2, 13, 2)
        if kinds[place // rows] == "bars":
            made[place, row : row + 2] = 20
        else:
            made[place, row : row + 2, column : column + 2] = 250
    made += rng.integers(-8 - noise, 9 + noise, made.shape)
    return table_of(np.clip(made, 0, 255).astype(np.uint8), [kind for kind in kinds for _ in range(rows)])


REAL = pictures(60)


def measured(made, parents=None, real=REAL, roles=None, **choice):
    manifest = manifest_of(real, "kind", "image", roles or {"image": "image"}, "augmented" if parents else "synthetic")
    return measure_fidelity(manifest, source(real), shards(real, made, parents), FidelityChoice(**choice))


def figures(found, kind="images"):
    return {one.name: one for one in found.group(kind).overall()}


@pytest.fixture(scope="module", autouse=True)
def _little_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_STEPS", 15)
        yield


def test_the_detector_looks_at_images():
    bars = pictures(200, kinds=("bars",))
    real = pa.concat_tables([bars, pictures(60, kinds=("dots",))])
    [detector] = measured(pictures(60, seed=1, noise=60, kinds=("bars",)), real=real).detectors
    assert (detector.stratum, detector.tells) == ("bars", {})
    assert detector.low > 0.9
