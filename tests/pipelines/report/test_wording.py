"""Numbers and names as the report writes them."""

import pytest

from pipelines.report.data import split_ends
from pipelines.report.wording import NOTHING, compact, label, percent, printable, seconds, shorten, signed


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.0001, "<0.1%"), (0.5, "50.0%"), (0.99999, ">99.9%"), (1.0, "100%"), (None, NOTHING)],
)
def test_percent_never_rounds_to_none_or_all(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_wording() -> None:
    assert [compact(n) for n in (0, 250, 1994, 12_000, 2_500_000)] == ["0", "250", "1994", "12k", "2.5M"]
    assert [seconds(s) for s in (0.04, 12.4, 75, 7800)] == ["0.0 s", "12 s", "1 min 15 s", "2 h 10 min"]
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert len(label("x" * 300, 24)) == 24
    assert label("") == "(empty)"
    assert printable("a\r\nb\tc\x00\u202e") == "a↵b⇥c��"
    assert split_ends(list(range(10)), 4) == ([0, 1, 8, 9], [2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize(
    ("share", "text"), [(None, NOTHING), (0.0, "0%"), (0.123, "+12.3%"), (-0.004, "\N{MINUS SIGN}0.4%")]
)
def test_signed(share: float | None, text: str) -> None:
    assert signed(share) == text
