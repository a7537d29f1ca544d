"""What is usual is learnt of real texts; what is declared goes before it."""

from tests.pipelines.validate.text.test_quality import table_of


def test_scripts_that_real_texts_have_are_fine(verdict_on) -> None:
    real = table_of(["\u0434\u043e\u0431\u0440\u043e\u0435 \u0443\u0442\u0440\u043e", "good morning to you"] * 5)
    assert verdict_on("\u0443\u0442\u0440\u043e good morning", real=real).keep.all()


def test_declared_limits_go_before_learnt_ones(verdict_on) -> None:
    assert verdict_on("mor", min_chars=1, min_words=1).keep.all()
    assert verdict_on("morning tender lader vision", max_words=3).details == {"too many words": 1}
    assert verdict_on("morning tender lader vision", min_chars=30).details == {"too few characters": 1}
