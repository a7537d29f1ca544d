"""The language of texts, where one is declared."""

import pyarrow as pa
import pytest

from pipelines.validate.text.quality import TextParams, TextQuality
from schemas.errors import SpecError
from schemas.spec import parse
from tests.pipelines.validate.text.test_quality import table_of


@pytest.fixture
def verdict_on(plan_of, batch_of, sms):
    def check(*texts: str | None, real: pa.Table = sms, **params):
        validator = TextQuality(TextParams(**params), plan_of(real, "label", text="text"))
        validator.fit([batch_of(real.slice(0, 700)), batch_of(real.slice(0, 0)), batch_of(real.slice(700))])
        return validator.check(batch_of(table_of(list(texts))))

    return check


def test_declared_language(verdict_on) -> None:
    real = table_of(["where are you going this evening with all your friends", "guten Abend, wie geht es euch"] * 5)
    texts = ("the weather is lovely today, shall we go", "heute ist das Wetter wirklich sehr sch\u00f6n hier")
    assert verdict_on(*texts, real=real, language="en").keep.tolist() == [True, False]
    assert verdict_on(*texts, real=real, language=["EN", "de"]).keep.all()
    assert verdict_on("ok", real=real, language="en", min_chars=1, min_words=1).keep.all(), "too short to tell"


def test_an_unknown_language_is_refused_when_the_spec_is_read() -> None:
    with pytest.raises(SpecError, match=r"'english': not among the languages.*give ISO 639-1 codes, as in \[en, zh\]"):
        parse(TextParams, {"language": "english"}, ("validate", 0, "text"))
