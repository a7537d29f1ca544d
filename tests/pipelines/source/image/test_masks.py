"""Masks as run lengths: read as pycocotools wrote them, or refused."""

import numpy as np
import pytest
from pycocotools import mask

from pipelines.plan.planning import make_plan
from pipelines.source.image.masks import runs_of
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_annotated import BOX, coco, first, save, spec_for


def compressed(seed, height=12, width=20):
    pixels = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.uint8)
    code = mask.encode(np.asfortranarray(pixels))
    return pixels, {"size": [height, width], "counts": code["counts"].decode()}


@pytest.mark.parametrize("shape", [(1, 1), (12, 20), (300, 7), (5, 4_000)])
def test_run_lengths_as_text_are_those_that_pycocotools_wrote(shape):
    for seed in range(20):
        pixels, code = compressed(seed, *shape)
        for some in (pixels, pixels * 0, pixels | 1):
            code = mask.encode(np.asfortranarray(some))
            values = np.concatenate([np.full(run, n % 2) for n, run in enumerate(runs_of(code["counts"].decode()))])
            np.testing.assert_array_equal(values.reshape(shape, order="F"), some)


def test_compressed_run_lengths_stay_as_they_are(tmp_path):
    save(tmp_path / "s", 1)
    _, code = compressed(3)
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": code}])
    assert first(tmp_path / "s")[1][0]["segmentation"] == code


@pytest.mark.parametrize("counts", ["0", "Z??", "\x7f", "o" * 60, "é", "", "00P"])
def test_text_that_is_no_run_lengths_is_refused(tmp_path, counts):
    save(tmp_path / "s", 1)
    coco(tmp_path / "s", [{"bbox": BOX, "segmentation": {"size": [12, 20], "counts": counts}}])
    with pytest.raises(MakeweightError, match=r"annotation 0 of 0.png: its segmentation cannot be read: .*; mend it"):
        make_plan(spec_for(tmp_path / "s"))
