"""What a file holds is told by its first bytes, where its name leaves that open."""

import codecs

import pytest

from pipelines.source.peek import BYTES, as_text, holds_object, holds_records, table_in


@pytest.mark.parametrize(
    ("head", "records", "one"),
    [
        (b'[{"a": 1}]', True, False),
        (b'{"a": 1}\n{"a": 2}\n', True, True),
        (b'{"a": 1,\n"b": 2}', False, True),
        (b'{"images": [], "annotations": []}', False, False),
        (b"words", False, False),
    ],
)
def test_records_and_objects_of_json(head, records, one):
    assert (holds_records(head), holds_object(head)) == (records, one)


def test_marks_and_blanks_before_the_text_go():
    assert as_text(codecs.BOM_UTF8 + b"  [1") == b"[1"
    assert as_text("\ufeff[ä".encode("utf-16-le")) == "[ä".encode()
    assert as_text(b"\n\t{") == b"{"


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("a\tb\n1\t2\n3\t4\n", "tsv"),
        ("a;b,c\n1;2,5\n3;4,5\n", "csv"),
        ("# a note\na,b\n1,2\n3,4\n", "csv"),
        ("a,b\n1,2\n", None),
        ("Dear all,\nhello, you,\nbye\n", None),
    ],
)
def test_a_table_has_its_delimiter_equally_often_in_each_line(text, format_):
    assert table_in(text.encode()) == format_


def test_a_line_that_is_cut_does_not_count():
    line = b"x" * 6_000 + b",1,2\n"
    assert table_in((line * 20)[:BYTES]) == "csv"
