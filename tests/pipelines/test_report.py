"""The report: everything is there, the numbers are right, nothing in the data gets to act, same data same bytes."""

import datetime as dt
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from flows.display import result_table
from pipelines.report import ReportData, render_report
from pipelines.report.compare import gap, mix, pair, wasserstein
from pipelines.report.data import split_ends
from pipelines.report.overview import class_rows, class_section, rejection_section
from pipelines.report.tabular.association import correlation_ratio, cramers_v
from pipelines.report.tabular.distributions import bins, distribution_section
from pipelines.report.wording import NOTHING, cell, compact, label, percent, printable, seconds, shorten
from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import Column

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what a browser would make of the page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def values(self, attribute: str) -> list[str]:
        return [value or "" for _, name, value in self.attributes if name == attribute]


def make_manifest(table: pa.Table, counts: dict[str, tuple[int, int, int]], **changes: object) -> Manifest:
    """`counts` holds (before, real kept, synthetic) by class."""
    rows = sum(real + made for _, real, made in counts.values())
    shard = Shard(path="data/train-00000-of-00001.parquet", split="train", rows=rows, bytes=123456, sha256="9" * 64)
    base = Manifest(
        name="demo",
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=7,
        modality="tabular",
        by=["label"],
        label="label",
        generator="ctgan",
        origin="synthetic",
        model_fingerprint="8" * 64,
        columns=[
            Column(name=field.name, type=str(field.type)) for field in table.schema if not field.name.startswith("_")
        ],
        counts={
            name: ClassCounts(real=real, synthetic=made, target=real + made) for name, (_, real, made) in counts.items()
        },
        source_counts={name: before for name, (before, _, _) in counts.items()},
        rejections={name: {"label_agreement": 2 * made, "schema": 1} for name, (_, _, made) in counts.items() if made},
        attempts={name: 3 * made + 1 if made else 0 for name, (_, _, made) in counts.items()},
        shards=[shard],
        content_hash="a" * 64,
        versions={"pyarrow": "26.0.1", "makeweight": "0.1.0"},
    )
    return base.model_copy(update=changes)


def rows_of(sizes: dict[str, int], seed: int, shift: float = 0.0) -> pa.Table:
    """Rows with every type of column that the source may have."""
    rng = np.random.default_rng(seed)
    names = [name for name, n in sizes.items() for _ in range(n)]
    n = len(names)
    gaps = rng.random(n) < 0.1
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 900, n)]
    return pa.table(
        {
            "amount": pa.array(rng.normal(shift, 1, n), mask=gaps),
            "age": pa.array(rng.integers(18, 80, n)),
            "colour": pa.array(rng.choice(["red", "green", "blue"], n)),
            "member": pa.array(rng.random(n) < 0.5),
            "since": pa.array(days, pa.date32()),
            "seen": pa.array([dt.datetime(2021, 1, 1) + dt.timedelta(hours=int(h)) for h in rng.integers(0, 9000, n)]),
            "comment": pa.array([f"{'word ' * int(k)}{i}-{seed}" for i, k in enumerate(rng.integers(1, 9, n))]),
            "nothing": pa.nulls(n, pa.float64()),
            "always": pa.array(["same"] * n, pa.string()),
            "label": pa.array(names, pa.string()),
            "_stratum": pa.array(names, pa.string()),
        }
    )


def with_reason(table: pa.Table, reason: str = "label_agreement") -> pa.Table:
    return table.append_column("_reason", pa.array([reason] * table.num_rows, pa.string()))


def make_data(sizes: dict[str, int] | None = None, made: dict[str, int] | None = None, **changes: object) -> ReportData:
    sizes, made = sizes or {"rare": 60, "common": 300}, {"rare": 240} if made is None else made
    real, synthetic = rows_of(sizes, seed=1), rows_of(made, seed=2, shift=0.5)
    counts = {name: (n, n, made.get(name, 0)) for name, n in sizes.items()}
    return ReportData(
        manifest=make_manifest(real, counts, **changes),
        real=real,
        synthetic=synthetic,
        rejected=with_reason(synthetic.slice(0, 3)),
        timings={"plan": 0.5, "ingest": 1.0, "fit": 75.0, "fill": 9.0, "write": 0.1},
        notes=["A plain remark."],
    )


@pytest.fixture(scope="module")
def data() -> ReportData:
    return make_data()


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render_report(data)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_all_sections_are_there_and_linked(page: Page) -> None:
    anchors = [value for tag, name, value in page.attributes if tag == "section" and name == "id"]
    assert anchors == [
        "classes", "rejections", "columns", "associations", "samples", "rejected", "timings", "provenance", "notes",
    ]  # fmt: skip
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links == [f"#{anchor}" for anchor in anchors]


def test_the_page_is_well_formed_and_readable_by_machines(page: Page) -> None:
    assert page.open == []
    assert page.tags.count("h1") == 1
    assert len(set(page.values("id"))) == len(page.values("id")), "ids must be unique over all plots"
    described = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label" and value]
    assert page.tags.count("svg") == page.values("role").count("img") == len(described)


def test_the_page_needs_nothing_else(html: str, page: Page) -> None:
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert [tag for tag, name, value in page.attributes if name == "src"] == []
    assert all(v.startswith(("#", "data:image/png;base64,")) for v in page.values("href") + page.values("xlink:href"))
    assert "default-src 'none'" in html
    assert not re.search(r"url\((?!#)|@import", html)


def test_numbers_of_the_headline_and_class_table(page: Page) -> None:
    assert "Both classes are exactly on target." in page.words
    assert f"common 300 300 0 300 300 {NOTHING} {NOTHING}" in page.words
    assert "rare 60 60 240 300 300 721 33.3%" in page.words
    assert "All classes 360 360 240 600 600 721 33.3%" in page.words
    assert "5 : 1" in page.words
    assert "1 : 1" in page.words


def test_a_class_off_target_is_said(data: ReportData) -> None:
    counts = {**data.manifest.counts, "rare": ClassCounts(real=60, synthetic=239, target=300)}
    short = ReportData(
        data.manifest.model_copy(update={"counts": counts}), data.real, data.synthetic, data.rejected, {}, []
    )
    words = Page(render_report(short)).words
    assert "1 of 2 classes are not on target" in words
    assert "exactly on target" not in words


def test_shards_that_hold_other_counts_are_said(data: ReportData) -> None:
    shards = [data.manifest.shards[0].model_copy(update={"rows": 599})]
    manifest = data.manifest.model_copy(update={"shards": shards})
    words = Page(render_report(ReportData(manifest, data.real, data.synthetic, data.rejected, {}, []))).words
    assert "The shards hold 599 rows, the classes add up to 600." in words
    assert "exactly on target" not in words


def test_rejections_timings_and_provenance(page: Page) -> None:
    assert "481 of 721 candidates (66.7%) were rejected" in page.words
    assert "rare 721 480 66.6% 1 0.1%" in page.words
    assert "1 min 26 s in all: plan 0.5 s, ingest 1.0 s, fit 1 min 15 s" in page.words
    for fact in ("5" * 64, "6" * 64, "8" * 64, "9" * 64, "a" * 64, "pyarrow 26.0.1", "123.5 kB", "A plain remark."):
        assert fact in page.words


def test_same_data_same_bytes(html: str) -> None:
    assert render_report(make_data()) == html


def test_a_users_matplotlib_settings_change_nothing(html: str, data: ReportData) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert render_report(data) == html
        assert matplotlib.rcParams["font.size"] == 30


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]></svg><script src=//evil.example/x.js></script>",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{",
    "$x^2$ and $",
    "line\nbreak\ttab\x00\x07\x1b[31m",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "中文字 \U0001f600",
    "a/b\\c",
    "",
    "x" * 300,
]


def hostile_data() -> ReportData:
    def table(seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        names = HOSTILE * 8
        columns = {f"{bad}{i}": pa.array(rng.permutation(names), pa.string()) for i, bad in enumerate(HOSTILE)}
        columns["number$_$<b>"] = pa.array(rng.normal(size=len(names)))
        return pa.table({**columns, "_stratum": pa.array(names, pa.string())})

    real = table(0)
    counts = dict.fromkeys(HOSTILE, (8, 8, 8))
    manifest = make_manifest(
        real,
        counts,
        name=HOSTILE[0],
        by=HOSTILE[:2],
        generator=HOSTILE[1],
        rejections={name: dict.fromkeys(HOSTILE, 1) for name in HOSTILE},
        versions={bad: bad for bad in HOSTILE},
        shards=[Shard(path=f"data/{HOSTILE[1]}.parquet", split="train", rows=208, bytes=1, sha256=HOSTILE[0])],
    )
    rejected = with_reason(table(2).slice(0, 9), HOSTILE[0])
    return ReportData(manifest, real, table(1), rejected, dict.fromkeys(HOSTILE, 1.0), HOSTILE)


def test_nothing_in_the_data_gets_to_act() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = Page(render_report(hostile_data()))
    assert page.open == []
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form", "b1"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(v.startswith(("#", "data:image/png")) for v in page.values("href") + page.values("src"))
    assert "evil.example" not in "".join(page.values("style"))
    assert "{{ 7 * 7 }}" in page.words
    assert "<script>alert(1)</script>" in page.words
    assert not set("\x00\x07\x1b\u202e") & set("".join(page.text))


def test_nulls_and_empty_texts_are_told_from_words() -> None:
    assert cell(None).text == "null"
    assert cell(None).look == cell(float("nan")).look == "none"
    assert cell("null").look == ""
    assert cell("").text == "empty text"
    assert cell("").look == "none"


def test_the_same_class_mix_on_both_sides() -> None:
    data = make_data({"a": 100, "b": 20, "c": 50}, {"b": 80, "c": 10})
    weights = mix(data)
    names = np.array(data.real.column("_stratum").to_pylist())
    assert weights.strata == ["b", "c"]
    assert weights.real[names == "a"].sum() == 0
    assert weights.real[names == "b"].sum() == pytest.approx(80 / 90)
    assert weights.synthetic[:80].sum() == pytest.approx(80 / 90)
    assert weights.before[names == "a"].sum() == pytest.approx(100 / 170)
    assert weights.after.sum() == pytest.approx(1)


def test_distances_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 500).astype(float), rng.integers(3, 40, 400).astype(float)
    even = [np.full(len(side), 1 / len(side)) for side in (a, b)]
    assert gap("number", a, even[0], b, even[1]) == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert wasserstein(a, even[0], b, even[1]) == pytest.approx(stats.wasserstein_distance(a, b) / a.std())
    doubled = np.concatenate([a, a])
    assert gap("number", doubled, np.full(1000, 1 / 1000), a, even[0]) == pytest.approx(0, abs=1e-12)


def test_total_variation_counts_nulls_as_a_category() -> None:
    a = pa.chunked_array([["x", "x", "y", None]])
    b = pa.chunked_array([["x", "z", "z", None]])
    both = pair("c", a, b)
    assert both is not None
    quarter = np.full(4, 0.25)
    assert gap(both.kind, both.real, quarter, both.synthetic, quarter) == pytest.approx(0.5)


def test_associations_of_known_columns() -> None:
    codes = np.repeat([0.0, 1.0, 2.0], 50)
    assert cramers_v(codes, (codes + 1) % 3) == pytest.approx(1)
    assert cramers_v(codes, np.tile([0.0, 1.0, 2.0], 50)) == pytest.approx(0, abs=0.02)
    assert np.isnan(cramers_v(codes, np.zeros(150)))
    assert correlation_ratio(codes, codes * 10) == pytest.approx(1)
    assert correlation_ratio(codes, np.tile([1.0, 2.0], 75)) == pytest.approx(0)
    assert np.isnan(correlation_ratio(codes, np.ones(150)))


@pytest.mark.parametrize(
    "values",
    [[3.0], [1e300, -1e300], [1e15, 1e15 + 1], [0.1] * 5, [-5.0, 5.0], [0.0] * 990 + [1e9] * 3, [1e-320, 2e-320]],
)
def test_bins_are_rising_and_hold_something(values: list[float]) -> None:
    array = np.array(values)
    edges, _ = bins(array, np.full(len(array), 1 / len(array)))
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 33
    assert np.isfinite(edges).all()


def test_no_synthetic_rows_at_all() -> None:
    data = make_data({"a": 50, "b": 80}, {})
    empty = ReportData(data.manifest, data.real, data.real.slice(0, 0), with_reason(data.real.slice(0, 0)), {}, [])
    page = Page(render_report(empty))
    assert "no synthetic row was needed" in page.words
    assert page.values("aria-labelledby") == ["classes-title", "provenance-title"]


def test_synthetic_rows_without_real_ones_of_their_class() -> None:
    data = make_data({"a": 50, "b": 80}, {"b": 30})
    only = ReportData(data.manifest, data.real.slice(0, 50), data.synthetic, data.rejected.slice(0, 0), {}, [])
    assert "no real rows of the classes that got synthetic rows" in Page(render_report(only)).words


def test_one_column_and_no_rejections() -> None:
    real = pa.table({"x": [1.0, 2.0, 3.0], "_stratum": ["a", "a", "b"]})
    manifest = make_manifest(real, {"a": (2, 2, 0), "b": (1, 1, 1)}, rejections={}, attempts={"a": 0, "b": 1})
    page = Page(render_report(ReportData(manifest, real, real.slice(2), with_reason(real.slice(0, 0)), {}, [])))
    assert "None of the 1 candidates was rejected." in page.words
    assert "associations" not in page.values("id")


def test_the_report_and_the_terminal_tell_one_share_of_candidates_kept(data: ReportData) -> None:
    made = {name: counts.synthetic for name, counts in data.manifest.counts.items() if counts.synthetic}
    attempts = {name: 2 * rows + 40 for name, rows in made.items()}  # of the last chunk not all that pass are needed
    manifest = data.manifest.model_copy(
        update={"attempts": attempts, "rejections": {name: {"schema": rows} for name, rows in made.items()}}
    )
    told = {row.name: row.rate for row in class_rows(manifest) if row.rate is not None}
    assert told == {name: 1 - rows / attempts[name] for name, rows in made.items()}
    shown = dict(zip(manifest.counts, result_table(manifest).columns[-1].cells, strict=True))
    assert {name: f"{share:.0%}" for name, share in told.items()} == {name: shown[name] for name in told}


def test_odd_types_and_values_do_not_stop_it() -> None:
    n = 40
    real = pa.table(
        {
            "image": pa.array([{"bytes": b"\x89PNG", "path": None}] * n),
            "blob": pa.array([b"abc"] * n),
            "list": pa.array([[1, 2]] * n),
            "infinite": pa.array([float("inf"), float("nan"), 1.0, 2.0] * 10),
            "big": pa.array([2**63 - 1, -(2**63)] * 20),
            "nulls": pa.nulls(n),
            "coded": pa.array(["a", "b"] * 20).dictionary_encode(),
            "utc": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * n, pa.timestamp("us", "UTC")),
            "ancient": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)] * 20),
            "_stratum": ["k"] * n,
        }
    )
    manifest = make_manifest(real, {"k": (n, n, n)})
    words = Page(render_report(ReportData(manifest, real, real, with_reason(real.slice(0, 2)), {}, []))).words
    assert "Not compared (ids, images or nested values): image , blob , list" in words
    assert "(bytes, 3 long)" in words


def test_many_classes_are_capped_and_it_is_said() -> None:
    sizes = {f"class {k:04}": 1 + k % 3 for k in range(1000)}
    page = Page(render_report(make_data(sizes, dict.fromkeys(list(sizes)[:500], 2))))
    assert "Plotted: 30 of 1,000 classes" in page.words
    assert "100 of 1,000 classes are listed" in page.words
    assert "900 more classes" in page.words
    assert "488 more classes, with fewer synthetic rows, are not listed" in page.words
    assert "494 more classes with synthetic rows" in page.words


def test_many_columns_are_capped_and_it_is_said() -> None:
    rng = np.random.default_rng(0)
    columns = {f"c{k}": pa.array(rng.normal(size=60)) for k in range(200)}
    real = pa.table({**columns, "_stratum": ["a"] * 60})
    html = render_report(ReportData(make_manifest(real, {"a": (60, 60, 60)}), real, real, with_reason(real), {}, []))
    words = Page(html).words
    assert "Plotted are the 36 of 200 columns that differ most." in words
    assert "past the first 25" in words
    assert "160 more columns" in words
    assert len(html) < 1_500_000


def test_sections_can_be_used_one_by_one(data: ReportData) -> None:
    for make in (class_section, rejection_section, distribution_section):
        section = make(data)
        assert section is not None
        assert section.template.startswith("report_")


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
