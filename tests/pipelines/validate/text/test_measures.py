"""Measures of a text: letters, marks and emoji of every script."""

import pyarrow as pa
import pytest

from pipelines.validate.text.quality import TextParams, TextQuality
from tests.pipelines.validate.text.test_quality import table_of


@pytest.fixture
def verdict_on(plan_of, batch_of, sms):
    def check(*texts: str | None, real: pa.Table = sms, **params):
        validator = TextQuality(TextParams(**params), plan_of(real, "label", text="text"))
        validator.fit([batch_of(real.slice(0, 700)), batch_of(real.slice(0, 0)), batch_of(real.slice(700))])
        return validator.check(batch_of(table_of(list(texts))))

    return check


def test_emoji_and_marks_are_of_every_script(verdict_on) -> None:
    assert verdict_on("morning \U0001f600 tender lade\u0301r vision 12 \u20ac").keep.all()
