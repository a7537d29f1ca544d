"""Pages in Markdown: a cell is no markup."""

from pipelines.report.pages import line


def test_a_cell_is_no_markup():
    assert line(["a|b", "<b>", "[x](javascript:y)"]) == r"| a\|b | \<b\> | \[x\]\(javascript\:y\) |"
