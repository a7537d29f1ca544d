"""How figures of privacy are told: shares with three digits, counts whole, a limit that there is none of as none."""

from typing import get_args

import pytest

from pipelines.judge.privacy.wording import CHANCE, MEANING, TITLES, format_interval, format_limit, format_value
from schemas.privacy import Figure, FigureName


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (Figure(name="attack_auc", value=0.51234, low=0.4, high=0.6, limit=0.6), ("0.512", "0.400 to 0.600", "0.6")),
        (Figure(name="copies", value=0.0, low=-0.01, high=0.02), ("0.000", "-0.010 to 0.020", "none")),
        (Figure(name="k_anonymity", value=1234, low=1234, high=1234, limit=1000), ("1,234", "", "1,000")),
    ],
)
def test_values_intervals_and_limits(figure, words):
    assert (format_value(figure), format_interval(figure), format_limit(figure)) == words


def test_every_figure_has_a_title_and_a_meaning_and_every_share_its_chance():
    names = set(get_args(FigureName))
    assert set(TITLES) == set(MEANING) == names
    assert {name for name in names if not Figure(name=name, value=1, low=1, high=1).counted} == set(CHANCE)
