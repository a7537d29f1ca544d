"""Words of a text; in scripts without spaces, its characters."""

from pipelines.validate.text.memorised import Memorised, MemorisedParams
from tests.pipelines.validate.text.test_memorised import table_of


def test_characters_are_words_in_scripts_without_spaces(plan_of, batch_of) -> None:
    real = table_of(["\u4eca\u5929\u5929\u6c14\u5f88\u597d"])
    validator = Memorised(MemorisedParams(max_words=3), plan_of(real, "label", text="text"))
    validator.fit([batch_of(real)])
    made = table_of(["\u4eca\u5929\u5929\u6c14\u4e0d\u597d", "\u4eca\u5929\u5929\u96e8"])
    assert validator.check(batch_of(made)).keep.tolist() == [False, True]
