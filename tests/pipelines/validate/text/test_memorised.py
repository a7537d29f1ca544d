import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.text import memorised
from pipelines.validate.text.memorised import Memorised, MemorisedParams


def table_of(texts: list[str]) -> pa.Table:
    return pa.table({"label": ["a"] * len(texts), "text": pa.array(texts, pa.string())})


def longest_copied(text: str, real: list[str]) -> int:
    """The definition: the longest run of words that one real text shares."""
    words = re.findall(r"\w+", text)
    longest = 0
    for other in real:
        held = " " + " ".join(re.findall(r"\w+", other)) + " "
        for start in range(len(words)):
            for end in range(start + longest + 1, len(words) + 1):
                if " " + " ".join(words[start:end]) + " " in held:
                    longest = end - start
    return longest


_TEXT = st.lists(st.sampled_from("abc"), max_size=10).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(real=st.lists(_TEXT, max_size=8), made=st.lists(_TEXT, min_size=1, max_size=8), most=st.integers(1, 5))
def test_runs_are_found_as_the_definition_says(plan_of, batch_of, real, made, most) -> None:
    validator = Memorised(MemorisedParams(max_words=most), plan_of(table_of(made), "label", text="text"))
    validator.fit([batch_of(table_of([text])) for text in real])
    keep = validator.check(batch_of(table_of(made))).keep
    assert keep.tolist() == [longest_copied(text, real) <= most for text in made]


def test_the_detail_says_how_long_and_case_does_not_matter(plan_of, batch_of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorised, "_MERGED", 4)
    real = table_of(["One two three, four five!", "six seven eight", "nine ten"])
    validator = Memorised(MemorisedParams(max_words=3), plan_of(real, "label", text="text"))
    validator.fit([batch_of(real.slice(k, 1)) for k in range(3)])
    made = table_of(["zero ONE two... three four", "five six seven eight", "\u4eca\u5929"])
    verdict = validator.check(batch_of(made))
    assert verdict.keep.tolist() == [False, True, True]
    assert verdict.details == {"4 words or more of a real text": 1}
