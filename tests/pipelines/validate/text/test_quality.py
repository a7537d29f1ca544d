import pyarrow as pa
import pytest

from pipelines.validate.text.quality import LEFTOVERS, TextParams, TextQuality
from schemas.errors import SpecError
from schemas.spec import parse


def table_of(texts: list[str | None]) -> pa.Table:
    return pa.table({"label": ["a"] * len(texts), "text": pa.array(texts, pa.string())})


def test_real_texts_pass(plan_of, batch_of, sms, unseen_sms) -> None:
    validator = TextQuality(TextParams(), plan_of(sms, "label", text="text"))
    validator.fit([batch_of(sms)])
    assert validator.check(batch_of(sms)).keep.mean() >= 0.995
    assert validator.check(batch_of(unseen_sms)).keep.mean() >= 0.99


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (None, "empty"),
        ("  \n\t", "empty"),
        ("mor", "too few characters"),
        ("morning " * 40, "too many characters"),
        ("morningtendervisonmalitenderlamatermorning", "too few words"),
        ("a b c d e f g h i j k l m n o p q r s t u v w x y", "too many words"),
        ("morning \x00 tender lader vision", "control characters"),
        ("morning \ufffd tender lader vision", "control characters"),
        ("morning \u0443\u0442\u0440\u043e \u043a\u0430\u043a tender lader vision", "script of no real text"),
        ("morning tender laderrrrrrrrrr vision", "repetition"),
        ("tender lama tender lama tender lama tender lama", "repetition"),
        ("As an AI language model I morning", "prompt leftover (about itself)"),
        ("I'm sorry, but I cannot morning", "prompt leftover (refusal)"),
        ("Sure! morning tender lader vision", "prompt leftover (announcement)"),
        ("Here are three messages: morning tender", "prompt leftover (announcement)"),
        ("morning tender lader. I hope this helps!", "prompt leftover (closing)"),
        ("morning tender lader<|im_end|>", "prompt leftover (chat token)"),
        ("Assistant: morning tender lader vision", "prompt leftover (role)"),
        ("morning {label} tender lader", "prompt leftover (placeholder)"),
        ("morning [Your Name] tender lader", "prompt leftover (placeholder)"),
        ("**morning** tender lader vision", "prompt leftover (markup)"),
        ('{"text": "morning tender lader"}', "prompt leftover (structured)"),
        ("1. morning tender lader vision", "prompt leftover (list item)"),
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong(verdict_on, text, detail) -> None:
    verdict = verdict_on(text)
    assert verdict.details == {detail: 1}
    assert not verdict.keep.any()


def test_what_real_texts_have_is_no_leftover(verdict_on) -> None:
    real = table_of(["Sure! See you at the shop then", "where are you going now"] * 5)
    assert verdict_on("Sure! Where are you going then", real=real).keep.all()


def test_own_leftovers_and_none(verdict_on) -> None:
    assert verdict_on("morning Foo(bar tender", also_leftovers=["foo(bar"]).details == {"prompt leftover (foo(bar)": 1}
    assert verdict_on("**morning** tender lader vision", leftovers=False).keep.all()
    assert verdict_on("tender lama tender lama tender lama tender lama", repetition=False).keep.all()


def test_leftovers_are_not_found_in_plain_texts(sms) -> None:
    import re

    texts = [
        *sms["text"].to_pylist(),
        "I can help you.",
        "Are you sure? of course not",
        "It's here: the book",
        "x < y > z",
    ]
    for pattern in LEFTOVERS.values():
        assert not [text for text in texts if re.search(pattern, text, re.IGNORECASE)]


def test_declared_language(verdict_on) -> None:
    real = table_of(["where are you going this evening with all your friends", "guten Abend, wie geht es euch"] * 5)
    texts = ("the weather is lovely today, shall we go", "heute ist das Wetter wirklich sehr sch\u00f6n hier")
    assert verdict_on(*texts, real=real, language="en").keep.tolist() == [True, False]
    assert verdict_on(*texts, real=real, language=["EN", "de"]).keep.all()
    assert verdict_on("ok", real=real, language="en", min_chars=1, min_words=1).keep.all(), "too short to tell"


def test_an_unknown_language_is_refused_when_the_spec_is_read() -> None:
    with pytest.raises(SpecError, match=r"'english': not among the languages.*give ISO 639-1 codes, as in \[en, zh\]"):
        parse(TextParams, {"language": "english"}, ("validate", 0, "text"))
