import numpy as np
import pyarrow as pa
import pytest

from generators.text import edits, words
from generators.text.edit import Edit
from generators.text.ragged import Ragged, span_indices
from schemas.plan import SampleRequest

PLAIN = {"replace": 0, "insert": 0, "delete": 0, "swap": 0, "mix": 0}
ANIMALS, DEEDS = ["cat", "dog", "horse", "cow"], ["sleeps", "eats", "runs"]
TEXTS = [f"The {a} {d} in the barn, said {n}." for a in ANIMALS for d in DEEDS for n in ("Ann", "BOB", "Eve")]
TABLE = pa.table({"y": ["a"] * len(TEXTS), "text": TEXTS})
ODD = [
    "Hello, world!  Two  spaces\tand\na line …",
    "see https://example.org/a?b=1, or mail me.you+x@host.co.uk!!",
    "don't pay £1,000.50 — call 08-700 NOW :-)",
    "今天天气很好,我们去公园吧。",
    "これはペンです。ラーメンを食べたい!",
    "ฉันรักภาษาไทยมาก",
    "e\u0301te\u0301 naïve Straße ÄÖÜ",
    "👍🏽👩‍👩‍👧 only ☺️ signs",
    "…!?",
    " leading and trailing ",
    "ǅ ßß ŉ İstanbul",
    "x" * 5000,
]


def request(rows=200, stratum="a", seed=5):
    return SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=seed)


def fitted(table=TABLE, **params):
    generator = Edit(Edit.Params(**{**PLAIN, "neighbours": 3, **params}))
    generator.fit(table, "y", 1)
    return generator


def sampled(rows=200, table=TABLE, **params):
    made = fitted(table, **params).sample(request(rows))
    return made["text"].to_pylist(), [table["text"][row].as_py() for row in made["_parent_row"].to_pylist()]


def test_texts_cut_and_joined_are_the_same_letter_by_letter():
    texts, forms, glues = words.split_texts(ODD)
    counts = np.bincount(texts.words.values, minlength=len(forms))
    assert words.join_texts(texts, words.make_lexicon(forms, glues, counts)).to_pylist() == ODD


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("don't pay £1,000.50 NOW!", ["don't", "pay", "1,000.50", "NOW"]),
        ("see https://a.org/b?c=1, ok", ["see", "https://a.org/b?c=1", "ok"]),
        ("mail me.you@host.co.uk!", ["mail", "me.you@host.co.uk"]),
        ("我们去abc公园。", ["我", "们", "去", "abc", "公", "园"]),
        ("ラーメン", ["ラ", "ー", "メ", "ン"]),
        ("นี้", ["นี้"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
    ],
)
def test_words_of_a_text(text, cut):
    texts, forms, _ = words.split_texts([text])
    assert [forms[number] for number in texts.words.values] == cut


def test_without_rates_a_row_is_its_parent():
    made, parents = sampled()
    assert made == parents


def test_replaced_words_stand_in_like_contexts_and_keep_capitals():
    made, parents = sampled(replace=1, min_count=1, neighbours=2)
    assert made != parents
    for text in made:
        the, animal, deed, *_, name = text.split()
        assert animal in ANIMALS
        assert deed in DEEDS
        assert the[0].isupper()
        assert name.endswith(".")


def test_numbers_and_links_are_never_replaced():
    rows = [f"call {n}00 at www.a.org/{n} now or then" for n in range(40)]
    made, parents = sampled(table=pa.table({"y": ["a"] * 40, "text": rows}), replace=1, min_count=1)
    assert [[w for w in t.split() if any(map(str.isdigit, w))] for t in made] == [
        [w for w in t.split() if any(map(str.isdigit, w))] for t in parents
    ]


def test_deletion_keeps_the_rate_and_one_word_at_least():
    made, parents = sampled(1000, delete=0.3)
    lengths = sum(len(text.split()) for text in made) / sum(len(text.split()) for text in parents)
    assert 0.65 < lengths < 0.75
    few, _ = sampled(500, table=pa.table({"y": ["a"] * 2, "text": ["(one)", "two words"]}), delete=0.99)
    assert set(few) == {"(one)", "two", "words"}


def test_swap_keeps_the_words():
    made, parents = sampled(swap=0.5)
    assert made != parents
    assert [sorted(t.rstrip(".").replace(",", "").split()) for t in made] == [
        sorted(t.rstrip(".").replace(",", "").split()) for t in parents
    ]


def test_insertion_adds_words_between_words():
    made, parents = sampled(1000, insert=0.3, min_count=1)
    assert sum(len(t.split()) for t in made) > 1.15 * sum(len(t.split()) for t in parents)
    assert all("  " not in text and text.endswith(".") for text in made)


def test_mix_begins_as_the_parent_and_ends_as_another_text():
    table = pa.table({"y": ["a"] * 2, "text": ["one two three four", "five six seven eight!"]})
    made, parents = sampled(300, table, mix=1)
    assert all(text.split()[0] == parent.split()[0] for text, parent in zip(made, parents, strict=True))
    assert "one two seven eight!" in made


def test_scripts_without_spaces_get_no_spaces():
    rows = ["今天天气很好,我们去公园吧。", "明天天气不好,他们去学校吧。", "昨天天气真好,你们去商店吧。"] * 5
    made, parents = sampled(
        table=pa.table({"y": ["a"] * 15, "text": rows}), replace=0.3, insert=0.2, swap=0.2, min_count=1
    )
    assert made != parents
    assert all(" " not in text and text.endswith("。") for text in made)


def test_texts_without_words_stay_and_none_is_empty():
    table = pa.table({"y": ["a"] * len(ODD), "text": ODD})
    made, _ = sampled(500, table, replace=0.5, insert=0.5, delete=0.9, swap=0.5, mix=0.5)
    assert "…!?" in made
    assert all(text.strip() for text in made)


def test_parents_are_rows_of_the_fitted_table():
    table = pa.table({"y": ["a", "b"] * 20, "text": [f"text number {n} here" for n in range(40)]})
    generator = Edit(Edit.Params())
    generator.fit(table, "y", 1)
    parents = generator.sample(request(stratum="b"))["_parent_row"].to_numpy()
    assert set(parents % 2) == {1}


def test_ragged_spans():
    assert span_indices(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert Ragged(np.arange(3, dtype=np.int32), np.array([0, 2, 1])).rows.tolist() == [1, 1, 2]


def test_swap_within_rows_only():
    texts, _, _ = words.split_texts(["a b c", "", "d e"])
    swapped = edits.swap(texts, 1, np.random.default_rng(0)).words.values.tolist()
    assert sorted(swapped[:3]) == [0, 1, 2]
    assert sorted(swapped[3:]) == [3, 4]


def test_megabyte_texts_and_thousands_of_rows():
    generator = Edit(Edit.Params())
    generator.fit(pa.table({"y": ["a"] * 2, "text": ["word " * 200_000, "a short one"]}), "y", 1)
    assert generator.sample(request(4)).num_rows == 4
    quick = fitted(**Edit.Params().model_dump())
    assert quick.sample(request(20_000)).num_rows == 20_000
