"""Measures of a text: letters, marks and emoji of every script."""


def test_emoji_and_marks_are_of_every_script(verdict_on) -> None:
    assert verdict_on("morning \U0001f600 tender lade\u0301r vision 12 \u20ac").keep.all()
