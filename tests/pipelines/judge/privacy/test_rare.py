"""What one row alone has is looked for among made rows."""

import pyarrow as pa
import pyarrow.csv

from pipelines.judge.privacy.rare import Rare
from pipelines.judge.tabular.points import values
from pipelines.judge.text.points import words


def test_what_one_row_alone_has_is_looked_for_among_made_rows():
    real = pa.table({"age": [1, 1, 2, 3], "town": ["a", "a", "a", "b"]})
    rare = Rare.of(values(real, real.column_names), 4)
    assert rare.by_row[0].tolist() == [0, 0, 2, 3], "age 2 and its pair; age 3, town b and their pair"
    rare.look(values(pa.table({"age": [2, 7], "town": ["b", "c"]}), real.column_names)[1])
    assert rare.by_row[1].tolist() == [0, 0, 1, 1], "age 2 and town b, though in one row"
    rare.look(values(real, real.column_names)[1])
    assert rare.by_row[1].tolist() == rare.by_row[0].tolist()


def test_words_of_one_text_alone_are_looked_for():
    real = pa.table({"text": ["call Anna Mayer now", "call now now", None]})
    rare = Rare.of(words(real, "text"), 3)
    assert rare.by_row[0].tolist()[:2] == [4, 1], "Anna, Mayer and two runs of three; one run"
    rare.look(words(pa.table({"text": ["tell Anna Mayer"]}), "text")[1])
    assert rare.by_row[1].tolist()[:2] == [2, 0]
    assert Rare.of(words(pa.table({"text": pa.array([], pa.string())}), "text"), 0).by_row[0].tolist() == []
