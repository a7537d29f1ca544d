"""What is usual is learnt of real texts; what is declared goes before it."""

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


def test_scripts_that_real_texts_have_are_fine(verdict_on) -> None:
    real = table_of(["\u0434\u043e\u0431\u0440\u043e\u0435 \u0443\u0442\u0440\u043e", "good morning to you"] * 5)
    assert verdict_on("\u0443\u0442\u0440\u043e good morning", real=real).keep.all()


def test_declared_limits_go_before_learnt_ones(verdict_on) -> None:
    assert verdict_on("mor", min_chars=1, min_words=1).keep.all()
    assert verdict_on("morning tender lader vision", max_words=3).details == {"too many words": 1}
    assert verdict_on("morning tender lader vision", min_chars=30).details == {"too few characters": 1}
