"""Pages in Markdown: a cell is no markup."""

from pipelines.report.sample_page import table_line


def test_a_cell_is_no_markup():
    assert table_line(["a|b", "<b>", "[x](javascript:y)"]) == r"| a\|b | &lt;b&gt; | \[x\](javascript:y) |"
    assert table_line(["www.x.org", "https://x.org", "a@x.org", "$1$ ~~2~~ `3` *4*"]) == (
        r"| www&#46;x.org | https:&#47;/x.org | a&#64;x.org | \$1\$ \~\~2\~\~ \`3\` \*4\* |"
    )
