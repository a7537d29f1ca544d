"""The registry of modalities: each has all its parts, and one that lacks a part is told."""

from dataclasses import replace

import pytest

from pipelines.judge.evaluate.remedies import REMEDIES
from pipelines.modality import MODALITIES, check_modality
from pipelines.plan.registry import generator_class
from schemas.errors import CheckError


@pytest.mark.parametrize("name", MODALITIES)
def test_every_part_of_a_modality_is_there(name):
    one = MODALITIES[name]
    check_modality(one)
    assert one.name == name
    assert set(one.remedies) <= set(REMEDIES)
    for generator in filter(None, (one.generator, one.augmentation)):
        assert name in generator_class(generator).capabilities.modalities


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"view": "pipelines.judge.sound.learning:view"},
            "view names 'pipelines.judge.sound.learning:view'",
        ),
        ({"sections": ["pipelines.report.samples:no_section"]}, "sections names 'pipelines.report.samples:no_section'"),
        ({"formats": {"wav": "pipelines.source.sound:FORMAT"}}, "formats names 'pipelines.source.sound:FORMAT'"),
        ({"checks": ["loudness"]}, r"checks names \['loudness'\], which are not registered"),
        ({"generator": "wavenet"}, r"generator names \['wavenet'\], which are not registered"),
        ({"key": "audio"}, "content, key and reader belong together"),
    ],
)
def test_a_modality_that_lacks_a_part_is_told(changes, told):
    with pytest.raises(CheckError, match=f"modality 'tabular': {told}"):
        check_modality(replace(MODALITIES["tabular"], **changes))
