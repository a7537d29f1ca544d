"""The report on images: sheets, boxes and figures are right, all names are escaped, the page stays small and whole."""

import base64
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.report import ReportData, render_card, render_report
from pipelines.report.box_counts import box_section
from pipelines.report.image.figures import image_figure_section
from pipelines.report.image.section import (
    SHEET_IMAGES,
    image_section,
    rejected_image_section,
)
from schemas.arrow import IMAGE, MASKED_OBJECTS, OBJECTS
from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import BoxCounts, Column
from tests.pipelines.report.test_report import Page

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


Object = dict[str, Any]


def squares(count: int, seed: int, *, size: int = 16, channels: int = 3, level: int = 120) -> list[Pixels]:
    """Images of a bright square somewhere on darker noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, level, (count, size, size, channels), dtype=np.uint8)
    for image in images:
        x, y = rng.integers(0, size // 2, 2)
        image[y : y + size // 2, x : x + size // 2] = rng.integers(150, 256, channels)
    return list(images)


def images_table(images: list[Pixels], strata: list[str], objects: list[list[Object] | None] | None = None) -> pa.Table:
    cells = pa.array([{"bytes": encode(image, Encoding()), "path": None} for image in images], IMAGE)
    marks: dict[str, pa.Array]
    if objects is None:
        marks = {"label": pa.array(strata, pa.string())}
    else:
        masked = any("segmentation" in one for row in objects for one in row or [])
        marks = {"objects": pa.array(objects, MASKED_OBJECTS if masked else OBJECTS)}
    return pa.table({"image": cells, **marks, "_stratum": pa.array(strata, pa.string())})


def make_data(real: pa.Table, made: pa.Table, rejected: list[str] | None = None, **changes: Any) -> ReportData:
    """`rejected` holds the reasons for which the first made rows were rejected as well."""
    counts = {
        name: (real["_stratum"].to_pylist().count(name), made["_stratum"].to_pylist().count(name))
        for name in sorted(set(real["_stratum"].to_pylist()) | set(made["_stratum"].to_pylist()))
    }
    mark_image = "objects" in real.column_names
    manifest = Manifest(
        name="pictures",
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=7,
        modality="image",
        by=["boxes" if mark_image else "label"],
        label="boxes" if mark_image else "label",
        generator="diffusion",
        origin="synthetic",
        model_fingerprint=None,
        columns=[
            Column(name="image", type="image", role="image"),
            Column(name="objects", type="objects", role="objects")
            if mark_image
            else Column(name="label", type="string", categories=list(counts)),
        ],
        counts={name: ClassCounts(real=n, synthetic=m, target=n + m) for name, (n, m) in counts.items()},
        source_counts={name: n for name, (n, _) in counts.items()},
        rejections={name: {"label_agreement": 3} for name, (_, m) in counts.items() if m},
        attempts={name: m + 3 if m else 0 for name, (_, m) in counts.items()},
        shards=[
            Shard(path="data/a.parquet", split="train", rows=len(real) + len(made), bytes=1, sha256="9" * 64),
        ],
        content_hash="a" * 64,
        versions={},
    )
    reasons = rejected or []
    refused = made.slice(0, len(reasons)).append_column("_reason", pa.array(reasons, pa.string()))
    return ReportData(manifest.model_copy(update=changes), real, made, refused, {}, [])


def boxed_data(**changes: Any) -> ReportData:
    def table(count: int, seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        rows: list[list[Object] | None] = [
            [
                {"bbox": [float(x), float(y), 8.0, 6.0], "category": "cell" if k % 4 else "rare <b>"}
                for k, (x, y) in enumerate(rng.integers(-4, 60, (int(rng.integers(1, 6)), 2)))
            ]
            for _ in range(count)
        ]
        return images_table(squares(count, seed, size=64), [f"cell={len(row or [])}" for row in rows], rows)

    boxes = {
        "cell": BoxCounts(before=900, real=700, made=340, target=1000, reached=1040),
        "rare <b>": BoxCounts(before=90, real=90, made=790, target=1000, reached=880),
    }
    rejected = ["boxes: too small", "near_duplicates: close", "boxes: too small"]
    return make_data(table(20, 1), table(15, 2), rejected, **{"boxes": boxes, "origin": "augmented", **changes})


def test_sections_of_images_take_the_place_of_those_of_tables(html: str) -> None:
    anchors = [value for tag, name, value in Page(html).attributes if tag == "section" and name == "id"]
    assert anchors == ["classes", "rejections", "images", "figures", "rejected", "provenance"]


def test_sections_of_boxes_take_the_place_of_class_counts(boxed_page: Page) -> None:
    anchors = [value for tag, name, value in boxed_page.attributes if tag == "section" and name == "id"]
    assert anchors == ["boxes", "rejections", "images", "figures", "rejected", "provenance"]


@pytest.mark.parametrize("name", ["html", "boxed_html"])
def test_the_page_is_whole_and_needs_nothing_else(name: str, request: pytest.FixtureRequest) -> None:
    html = request.getfixturevalue(name)
    page = Page(html)
    assert page.open == []
    assert len(set(page.values("id"))) == len(page.values("id"))
    inline = re.compile(r"data:image/(png|webp);base64,[A-Za-z0-9+/=]+$")
    sources = page.values("src") + [value for value in page.values("href") if not value.startswith("#")]
    assert sources
    assert all(inline.match(value) for value in sources)
    assert not re.search(r"https?://|url\((?!#)|@import", html)
    assert all(page.values("alt"))
    assert len(html) < 3_000_000


def test_sheets_show_real_beside_made(data: ReportData, html: str) -> None:
    section = image_section(data)
    assert section is not None
    [few] = section.view.sheets
    assert (few.name, few.counts) == ("few", (20, 30))
    assert (len(few.real), len(few.made)) == (SHEET_IMAGES, SHEET_IMAGES)
    words = Page(html).words
    assert f"real {SHEET_IMAGES} of 20" in words
    assert f"synthetic {SHEET_IMAGES} of 30" in words
    shown = decode(base64.b64decode(few.made[0].uri.partition(",")[2]))
    np.testing.assert_array_equal(shown, squares(1, 3)[0])  # a tiny image keeps every pixel


def test_rejected_images_stand_under_their_reason(data: ReportData, html: str) -> None:
    section = rejected_image_section(data)
    assert section is not None
    groups = section.view.groups
    assert [(group.reason, len(group.images), group.left_out) for group in groups] == [
        ("label_agreement", 2, 0),
        ("near_duplicates: a copy", 1, 0),
    ]
    assert {name for group in groups for name, _ in group.images} == {"few"}
    words = Page(html).words
    assert words.index("Rejected images") < words.rindex("label_agreement") < words.index("near_duplicates: a copy")


@pytest.mark.parametrize("with_boxes", [False, True])
def test_nothing_in_a_name_gets_to_act(*, with_boxes: bool) -> None:
    images = squares(6, 1)
    objects: list[list[Object] | None] = [[{"bbox": [1.0, 1.0, 5.0, 5.0], "category": HOSTILE}]] * 6
    table = images_table(images, [HOSTILE] * 6, objects if with_boxes else None)
    boxes = {HOSTILE: BoxCounts(before=1, real=1, made=8, target=10, reached=9)} if with_boxes else None
    data = make_data(table, table, [HOSTILE], boxes=boxes)
    page = Page(render_report(data))
    assert page.open == []
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert "<script>alert(1)</script>" in page.words
    assert "<script" not in render_card(data.manifest)


def test_nothing_is_shown_without_made_images(data: ReportData) -> None:
    empty = make_data(data.real, data.synthetic.slice(0, 0))
    for section in (image_section, image_figure_section, rejected_image_section, box_section):
        assert section(empty) is None
    assert "no synthetic image was needed" in Page(render_report(empty)).words


def test_made_images_without_real_ones_of_their_class(data: ReportData) -> None:
    only = ReportData(data.manifest, data.real.slice(0, 40), data.synthetic, data.rejected, {}, [])
    words = Page(render_report(only)).words
    assert "no real images of the classes that got synthetic images" in words
    assert "real 0 of 20 none" in words


def test_very_few_and_missing_images() -> None:
    one = images_table(squares(1, 1), ["a"])
    assert "Diversity" not in render_report(make_data(one, one))
    gap = pa.concat_tables([one, images_table([], [])]).set_column(
        0, "image", pa.array([{"bytes": None, "path": "lost.png"}], IMAGE)
    )
    assert 'id="images"' in render_report(make_data(pa.concat_tables([one, gap]), pa.concat_tables([one, gap])))
    bare = images_table(squares(2, 1), ["none"] * 2, [[], None])
    assert "no box" in render_report(make_data(bare, bare))


def test_same_data_same_bytes(data: ReportData, html: str, boxed_html: str) -> None:
    assert render_report(data) == html
    assert render_report(boxed_data()) == boxed_html


def test_augmented_images_are_called_so(boxed: ReportData, boxed_page: Page) -> None:
    assert "Augmented images are from diffusion ." in boxed_page.words
    assert "changed copy of a real one" in boxed_page.words
    assert "synthetic" not in boxed_page.words[boxed_page.words.index("Boxes by class") :]  # past the style sheet
    assert "**This dataset contains augmented images.**" in render_card(boxed.manifest)
