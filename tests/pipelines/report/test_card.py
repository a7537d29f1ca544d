"""The dataset card: its header is YAML that the hub reads, its numbers are right, its cells are escaped."""

from typing import Any

import pytest
import yaml

from pipelines.report import render_card
from pipelines.report.card import size_category
from pipelines.report.templating import markdown
from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import BoxCounts, Column


def make_manifest(**changes: Any) -> Manifest:
    manifest = Manifest(
        name="adult-balanced",
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=3,
        modality="tabular",
        by=["income"],
        label="income",
        generator="ctgan",
        origin="synthetic",
        model_fingerprint=None,
        columns=[Column(name="age", type="int64"), Column(name="income", type="string", nulls=1234)],
        counts={
            "<=50K": ClassCounts(real=24720, synthetic=0, target=24720),
            ">50K": ClassCounts(real=7841, synthetic=16879, target=24720),
        },
        source_counts={"<=50K": 24720, ">50K": 7841},
        rejections={},
        attempts={">50K": 20000},
        shards=[
            Shard(path=f"data/{split}-0000{i}-of-00002.parquet", split=split, rows=rows, bytes=1, sha256="0" * 64)
            for split, i, rows in (("train", 0, 20000), ("train", 1, 19440), ("test", 0, 10000))
        ],
        content_hash="a" * 64,
        versions={"sdv": "2.0.0"},
    )
    return manifest.model_copy(update=changes)


def split_card(card: str) -> tuple[dict[str, Any], str]:
    _, header, body = card.split("---\n", 2)
    return yaml.safe_load(header), body


def test_header_is_what_the_hub_reads() -> None:
    header, _ = split_card(render_card(make_manifest()))
    assert header == {
        "pretty_name": "adult-balanced",
        "size_categories": ["10K<n<100K"],
        "task_categories": ["tabular-classification"],
        "tags": ["synthetic", "makeweight", "class-balanced", "tabular"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "data/train-*.parquet"},
                    {"split": "test", "path": "data/test-*.parquet"},
                ],
            }
        ],
    }
    assert "license" not in header


def test_counts_columns_and_commands() -> None:
    _, body = split_card(render_card(make_manifest()))
    assert "| &lt;=50K | 24,720 | 24,720 | 0 | 24,720 | 24,720 |" in body
    assert "| &gt;50K | 7,841 | 7,841 | 16,879 | 24,720 | 24,720 |" in body
    assert "| income | string | 1,234 |" in body
    assert "16,879 of 49,440 rows (34.1%)" in body
    assert "drew 20,000 candidates" in body
    for name in ("_id", "_origin", "_generator", "_seed", "_parent"):
        assert f"| `{name}` |" in body
    for line in ('load_dataset("DIR")', "pd.read_parquet(", "pl.read_parquet(", "duckdb.sql(", "makeweight verify DIR"):
        assert line in body


def test_every_table_row_has_as_many_cells_as_its_head() -> None:
    hostile = "a|b\n| c | `d` <script>alert(1)</script> [x](http://evil.example) $x$"
    counts = {hostile: ClassCounts(real=1, synthetic=1, target=2), "": ClassCounts(real=2, synthetic=0, target=2)}
    manifest = make_manifest(
        name=f"{hostile}: - 'x' # y",
        label=hostile,
        by=[hostile],
        generator=hostile,
        counts=counts,
        source_counts={hostile: 1, "": 9},
        columns=[Column(name=hostile, type="string")],
        versions={hostile: hostile},
    )
    header, body = split_card(render_card(manifest))
    assert header["pretty_name"].startswith("a|b↵| c |")
    assert "<script" not in body
    assert "http://evil" not in body
    widths: list[int] = []
    for line in body.splitlines():
        if not line.startswith("|"):
            widths = []
            continue
        widths.append(line.replace("\\|", "").count("|"))
        assert len(set(widths)) == 1, line


def test_down_sampled_datasets_claim_no_synthetic_rows() -> None:
    counts = {name: ClassCounts(real=7841, synthetic=0, target=7841) for name in ("<=50K", ">50K")}
    header, body = split_card(render_card(make_manifest(counts=counts, attempts={})))
    assert "synthetic" not in header["tags"]
    assert "contains no synthetic rows" in body
    assert "no generator was needed" in body


IMAGE = Column(name="image", type="image", role="image")
OBJECTS = Column(name="objects", type="objects", role="objects")


def test_a_dataset_of_images() -> None:
    manifest = make_manifest(modality="image", columns=[IMAGE, Column(name="income", type="string")])
    header, body = split_card(render_card(manifest))
    assert header["task_categories"] == ["image-classification"]
    assert header["tags"] == ["synthetic", "makeweight", "class-balanced", "image"]
    assert "**This dataset contains synthetic images.** 16,879 of 49,440 images" in body
    assert "| image | image | 0 |" in body
    assert "Every class holds exactly its target" in body


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (1000, "**1 of 2 classes is more than 5% off target.** Images hold boxes of several classes"),
        (1220, "Every class is within 1.6% of its target, after validation"),
        (1200, "Every class holds exactly its target, after validation"),
    ],
)
def test_a_dataset_of_boxes(target: int, said: str) -> None:
    boxes = {
        "a|b": BoxCounts(before=1000, real=800, made=400, target=target, reached=1200),
        "c": BoxCounts(before=100, real=100, made=400, target=500, reached=500),
    }
    manifest = make_manifest(modality="image", columns=[IMAGE, OBJECTS], boxes=boxes, by=["boxes"], label="boxes")
    header, body = split_card(render_card(manifest))
    assert header["task_categories"] == ["object-detection"]
    assert "49,440 images with 1,700 boxes of 2 classes, balanced by the boxes" in body
    assert "The boxes and their classes are in objects." in body
    assert "| c | 100 | 100 | 400 | 500 | 500 | 0% |" in body
    assert "## Class counts" not in body
    assert "&gt;50K" not in body
    assert said in body
    assert "Largest to smallest class: 10 : 1 before, 2.4 : 1 after." in body


def test_augmented_rows_are_called_changed_copies() -> None:
    header, body = split_card(render_card(make_manifest(modality="image", columns=[IMAGE], origin="augmented")))
    assert header["tags"][0] == "augmented"
    assert "**This dataset contains augmented images.**" in body
    assert "are changed copies of real images, made by" in body
    assert "| Class | Before | Real kept | Augmented | After | Target |" in body
    assert "no privacy guarantee" not in body
    assert "The images of the source are in here as they are." in body


def test_many_classes_and_columns_are_capped_and_it_is_said() -> None:
    counts = {f"c{k}": ClassCounts(real=1, synthetic=1, target=2) for k in range(1000)}
    columns = [Column(name=f"x{k}", type="double") for k in range(500)]
    _, body = split_card(
        render_card(make_manifest(counts=counts, source_counts=dict.fromkeys(counts, 1), columns=columns))
    )
    assert "900 more are in `manifest.json`" in body
    assert "300 more columns are in `manifest.json`" in body


def test_same_manifest_same_text() -> None:
    assert render_card(make_manifest()) == render_card(make_manifest())


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (999_999, "100K<n<1M"), (10**9, "1B<n<10B"), (10**12, "n>1T")],
)
def test_size_category(rows: int, size: str) -> None:
    assert size_category(rows) == size


def test_markdown_shows_a_value_as_it_is() -> None:
    assert markdown("a_b|c*") == "a\\_b\\|c\\*"
    assert markdown("<b>&") == "&lt;b&gt;&amp;"
    assert markdown("") == "*(empty)*"
    assert len(markdown("x" * 300)) == 80
