"""Figures of images in the features of a network."""

import numpy as np
import pytest

from generators.image.figures import frechet_distance, inception_score, kernel_distance
from generators.image.vision import Vision
from schemas.errors import GeneratorError
from tests.pipelines.judge.image.test_fidelity import figures, measured, pictures
from tests.tiny_models import tiny_causal, tiny_vision


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
