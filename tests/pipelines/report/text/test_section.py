"""The report on texts: the figures are right, all text is escaped, tables say nothing, same data same bytes."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.report import ReportData, render_card, render_report
from pipelines.report.text.section import text_sample_section, text_section
from pipelines.report.wording import NOTHING
from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import Column

WORDS = ["to", "the", "you", "call", "now", "free", "win", "home", "late", "love"]


HOSTILE = [
    "<script>alert(1)</script> & more",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %}",
    "line\none\x00 \u202eturned \u05e9\u05dc\u05d5\u05dd",
    "word " * 300,
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d",
    "",
]


def texts_of(labels: list[str], seed: int, also: tuple[str, ...] = ()) -> list[str]:
    rng = np.random.default_rng(seed)
    own = {"ham": ["dinner", "mum"], "spam": ["prize", "claim"]}
    return [" ".join(rng.choice([*WORDS, *own[one], *also], rng.integers(3, 12))) for one in labels]


def make_data(
    real: list[tuple[str, str]], made: list[tuple[str, str]], *, modality: str = "text", extra: bool = False
) -> ReportData:
    """`real` and `made` hold (class, text)."""

    def table(rows: list[tuple[str, str]]) -> pa.Table:
        labels, texts = (pa.array([row[k] for row in rows], pa.string()) for k in (0, 1))
        columns = {"label": labels, "text": texts} | ({"sender": pa.nulls(len(rows), pa.string())} if extra else {})
        return pa.table({**columns, "_stratum": labels})

    labels = sorted({label for label, _ in real})
    counts = {one: (sum(r[0] == one for r in real), sum(m[0] == one for m in made)) for one in labels}
    role = "text" if modality == "text" else "feature"
    columns = [Column(name="label", type="string"), Column(name="text", type="string", role=role)]  # type: ignore[arg-type]
    manifest = Manifest(
        name="sms",
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=7,
        modality=modality,
        by=["label"],
        label="label",
        generator="edit",
        origin="augmented",
        model_fingerprint=None,
        columns=columns + ([Column(name="sender", type="string")] if extra else []),
        counts={one: ClassCounts(real=n, synthetic=m, target=n + m) for one, (n, m) in counts.items()},
        source_counts={one: n for one, (n, _) in counts.items()},
        rejections={one: {"near_duplicates: close to a real row": 3} for one, (_, m) in counts.items() if m},
        attempts={one: m + 3 if m else 0 for one, (_, m) in counts.items()},
        shards=[Shard(path="data/a.parquet", split="train", rows=len(real) + len(made), bytes=1, sha256="9" * 64)],
        content_hash="a" * 64,
        versions={},
    )
    rejected = table(made[:2]).append_column("_reason", pa.array(["near_duplicates"] * len(made[:2]), pa.string()))
    return ReportData(manifest, table(real), table(made), rejected, {}, [])


@pytest.fixture(scope="module")
def data() -> ReportData:
    labels = ["ham"] * 300 + ["spam"] * 60
    real = list(zip(labels, texts_of(labels, 1), strict=True))
    made = ["spam"] * 240
    return make_data(real, list(zip(made, texts_of(made, 2, also=("bonus",)), strict=True)))


def test_sections_of_texts_take_the_place_of_those_of_tables(html: str) -> None:
    for anchor in ("texts", "samples", "rejected"):
        assert f'<section id="{anchor}"' in html
    for anchor in ("columns", "associations"):
        assert f'<section id="{anchor}"' not in html


def test_a_table_has_no_section_of_texts(data: ReportData) -> None:
    table = make_data([("a", "x y")] * 3, [("a", "z w")], modality="tabular")
    assert text_section(table) is None
    assert text_sample_section(table) is None
    nothing = make_data([("a", "x y")] * 3, [])
    assert text_section(nothing) is None
    assert text_sample_section(nothing) is None


def test_figures_of_the_section(data: ReportData) -> None:
    section = text_section(data)
    assert section is not None
    view = section.view
    assert view.strata == ["spam"]
    assert (view.real_rows, view.synthetic_rows) == (60, 240)
    synthetic = " ".join(data.synthetic["text"].to_pylist()).split()
    assert view.unseen == pytest.approx(synthetic.count("bonus") / len(synthetic))
    characters, words, frequent = view.measures
    assert 0 <= words.distance <= 0.3
    assert characters.typical[0].startswith(f"{np.mean([len(t) for t in data.real['text'].to_pylist()[300:]]):.4g}")
    assert 0 < frequent.distance < 0.4


def test_telling_words(data: ReportData) -> None:
    section = text_section(data)
    assert section is not None
    [spam] = section.view.telling
    assert {word.text for word, _, _ in spam.real[:2]} == {"prize", "claim"}
    assert {word.text for word, _, _ in spam.synthetic[:3]} == {"prize", "claim", "bonus"}
    assert all(both for word, _, both in spam.real if word.text == "prize")
    assert spam.excess[0][0].text == "bonus"


def test_nothing_in_a_text_gets_to_act() -> None:
    rows = [(bad, bad) for bad in HOSTILE if bad] * 4
    html = render_report(make_data(rows, [*rows, (HOSTILE[0], "")]))
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
    assert "{{ 7 * 7 }}" in html
    assert not set("\x00\u202e") & set(html)
    assert "empty text" in html


def test_long_texts_are_cut_in_the_middle(data: ReportData) -> None:
    long = "begin " + "word " * 400 + "end"
    html = render_report(make_data([("spam", long)] * 9, [("spam", f"{long} {k}") for k in range(9)]))
    shown = [part.split("</bdi>")[0].split(">", 1)[1] for part in html.split("<bdi")[1:] if "begin word" in part]
    assert shown
    assert all(len(text) <= 300 for text in shown)
    assert all("…" in text and text.startswith("begin") for text in shown)


@pytest.mark.parametrize(
    ("real", "made"),
    [
        ([("a", "!!"), ("b", "??")], [("a", "...")]),  # no words at all
        ([("a", "x")], [("a", "y")]),
        ([("a", "x y"), ("b", "z")], [("b", "x")] * 3),
        ([("a", "")], [("a", "")]),
    ],
)
def test_very_little_text(real: list[tuple[str, str]], made: list[tuple[str, str]]) -> None:
    assert 'id="texts"' in render_report(make_data(real, made))


def test_synthetic_texts_without_real_ones_of_their_class(data: ReportData) -> None:
    only_ham = data.real.slice(0, 300)
    html = render_report(ReportData(data.manifest, only_ham, data.synthetic, data.rejected, {}, []))
    assert "no real rows of the classes that got synthetic rows" in html
    assert NOTHING in html


def test_other_columns_that_are_null_in_made_rows(data: ReportData) -> None:
    html = render_report(make_data([("a", "x y z")] * 5, [("a", "x y w")] * 5, extra=True))
    assert 'id="texts"' in html


def test_same_data_same_bytes(data: ReportData, html: str) -> None:
    assert render_report(data) == html


def test_many_rows_are_shown() -> None:
    labels = ["ham", "spam"] * 5000
    rows = list(zip(labels, texts_of(labels, 3), strict=True))
    assert text_section(make_data(rows, rows)) is not None


def test_the_card_says_text(data: ReportData) -> None:
    card = render_card(data.manifest)
    assert "- text-classification" in card
    assert "- tabular" not in card
