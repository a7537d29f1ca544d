"""Sets of images in a network's features, images beside their parents, and the figures on points made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, encode
from generators.image.figures import frechet_distance, inception_score, kernel_distance, psnr, ssim
from generators.image.vision import Vision
from pipelines.judge.fidelity.measure import measure_fidelity
from pipelines.judge.image import figures as images
from pipelines.judge.image.manifolds import manifold_figures
from schemas.arrow import IMAGE
from schemas.errors import GeneratorError
from schemas.fidelity import FidelityChoice
from tests.pipelines.judge.fidelity.rows import manifest_of, shards, source
from tests.tiny_models import tiny_causal, tiny_vision


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


@pytest.fixture(scope="module")
def good():
    return measured(pictures(30, seed=1))


def test_the_same_kind_of_images_is_near_and_other_ones_are_far(good):
    near, far = figures(good), figures(measured(pictures(30, seed=1, noise=60)))
    assert far["FID"].made > 5 * near["FID"].made
    assert far["KID"].made > 5 * abs(near["KID"].made)
    assert near["FID"].made < 3 * near["FID"].real
    assert near["Coverage"].made > 0.7
    assert far["Coverage"].made < 0.5
    assert 1 <= near["Inception score"].made <= 2
    assert "learnt from 60 real images" in good.group("images").basis  # but not from the other half


def test_classes_have_figures_of_their_own_and_small_ones_no_detector(good):
    group = good.group("images")
    assert {one.stratum for one in group.figures} == {None, "bars", "dots"}
    assert [one.note[:29] for one in good.detectors] == ["30 real and 30 made rows were"] * 2


def test_the_detector_looks_at_images():
    bars = pictures(200, kinds=("bars",))
    real = pa.concat_tables([bars, pictures(60, kinds=("dots",))])
    [detector] = measured(pictures(60, seed=1, noise=60, kinds=("bars",)), real=real).detectors
    assert (detector.stratum, detector.tells) == ("bars", {})
    assert detector.low > 0.9


def test_a_network_may_be_given():
    found = measured(pictures(30, seed=1), image_model=tiny_vision())
    assert f"the features of {tiny_vision()}" in found.group("images").basis
    assert figures(found)["FID"].made < 5 * figures(found)["FID"].real
    features = Vision(tiny_vision()).features([np.zeros((9, 7, 1), np.uint8), np.full((40, 40, 3), 200, np.uint8)])
    assert features.shape == (2, 16)
    assert (features[0] != features[1]).any()


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(GeneratorError, match=r"image model '.*': preprocessor_config.json missing"):
        Vision(tiny_causal())
    with pytest.raises(GeneratorError, match="not there"):
        Vision(str(tmp_path / "none"))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(GeneratorError, match="its weights are a pickle .pytorch_model.bin."):
        Vision(str(tmp_path))


def test_one_class_alone_needs_a_network():
    one = pictures(60, kinds=("bars",))
    found = measured(pictures(20, seed=1, kinds=("bars",)), real=one)
    assert found.groups == []
    assert "evaluate.fidelity.image_model" in found.notes[0]
    assert measured(pictures(20, seed=1, kinds=("bars",)), real=one, image_model=tiny_vision()).groups


def test_made_images_are_compared_with_their_own_parents():
    parents = list(range(20)) + list(range(60, 80))
    same = figures(measured(REAL.take(pa.array(parents)), parents), "pairs")
    assert same["SSIM"].made == pytest.approx(1)
    assert same["SSIM"].real < 0.9
    assert (same["PSNR (dB)"].made, same["Same pixels"].made, same["Same pixels"].real) == (None, 1, 0)
    assert same["PSNR (dB)"].real > 5
    larger = table_of([np.zeros((20, 20, 1), np.uint8)] * 40, ["bars"] * 20 + ["dots"] * 20)
    assert measured(larger, parents).group("pairs") is None  # no pair has one size


def test_distances_of_features():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(400, 4))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + np.array([3, 0, 0, 0])) == pytest.approx(9, rel=1e-6)  # the means alone differ
    assert frechet_distance(one, 2 * one) > 1
    assert kernel_distance(one, rng.normal(size=(400, 4))) == pytest.approx(0, abs=0.02)
    assert kernel_distance(one, one + 1) > 1
    sure, unsure = np.eye(4)[np.arange(400) % 4], np.full((400, 4), 0.25)
    assert inception_score(sure) == pytest.approx(4, rel=1e-3)
    assert inception_score(unsure) == pytest.approx(1)
    assert inception_score(np.eye(4)[np.zeros(400, int)]) == pytest.approx(1, rel=1e-3)  # one class alone


def test_pairs_of_images():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, 255 - one) < 0.1
    brighter = np.full((24, 20, 1), 110, np.uint8)
    assert psnr(np.full((24, 20, 1), 100, np.uint8), brighter) == pytest.approx(20 * np.log10(255 / 10), rel=1e-5)


def test_manifolds_of_points_made_by_hand():
    real = np.array([[0.0], [1.0], [2.0], [10.0]])  # with one neighbour they reach 1, 1, 1 and 8
    made = np.array([[0.5], [0.6], [5.0], [30.0]])  # these 0.1, 0.1, 4.4 and 25
    found = manifold_figures(real, made, nearest=1)
    # 0.5 and 0.6 lie in the balls of 0 and 1, 5 in that of 10, 30 in none
    assert found["Precision"] == 3 / 4
    # 0 lies in no made ball but is 30 away from 30; 1, 2 and 10 lie in those of 5
    assert found["Recall"] == 3 / 4
    assert found["Density"] == (2 + 2 + 1 + 0) / 4
    assert found["Coverage"] == 3 / 4  # the ball of 2 holds none
    same = manifold_figures(real, real, nearest=1)
    assert (same["Precision"], same["Recall"], same["Coverage"]) == (1, 1, 1)
