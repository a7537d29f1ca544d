"""The report: everything is there, the numbers are right, nothing in the data gets to act, same data same bytes."""

import datetime as dt
import warnings
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa

from pipelines.report import ReportData, render_report
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


def test_all_sections_are_there_and_linked(page: Page) -> None:
    anchors = [value for tag, name, value in page.attributes if tag == "section" and name == "id"]
    assert anchors == [
        "classes", "rejections", "columns", "associations", "samples", "rejected", "timings", "provenance", "notes",
    ]  # fmt: skip
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links == [f"#{anchor}" for anchor in anchors]


def test_same_data_same_bytes(html: str) -> None:
    assert render_report(make_data()) == html


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


def test_no_synthetic_rows_at_all() -> None:
    data = make_data({"a": 50, "b": 80}, {})
    empty = ReportData(data.manifest, data.real, data.real.slice(0, 0), with_reason(data.real.slice(0, 0)), {}, [])
    page = Page(render_report(empty))
    assert "no synthetic row was needed" in page.words
    assert page.values("aria-labelledby") == ["classes-title", "provenance-title"]


def test_one_column_and_no_rejections() -> None:
    real = pa.table({"x": [1.0, 2.0, 3.0], "_stratum": ["a", "a", "b"]})
    manifest = make_manifest(real, {"a": (2, 2, 0), "b": (1, 1, 1)}, rejections={}, attempts={"a": 0, "b": 1})
    page = Page(render_report(ReportData(manifest, real, real.slice(2), with_reason(real.slice(0, 0)), {}, [])))
    assert "None of the 1 candidates was rejected." in page.words
    assert "associations" not in page.values("id")


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
