"""The report on images: sheets, boxes and figures are right, all names are escaped, the page stays small and whole."""

import base64
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pycocotools import mask as coco

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.report import ReportData, render_card, render_report
from pipelines.report.box_counts import box_rows, box_section, box_summary
from pipelines.report.image.figures import image_figure_section
from pipelines.report.image.marks import COLOURS, DASHES, MOST_MARKS, look_of, mark_image
from pipelines.report.image.pixels import colourfulness, distances, mean_distances, measure
from pipelines.report.image.section import (
    MARKED_IMAGES,
    MOST_BYTES,
    REJECTED_IMAGES,
    REJECTED_REASONS,
    SHEET_IMAGES,
    SHOWN_CLASSES,
    image_section,
    rejected_image_section,
)
from pipelines.report.image.thumbnails import TINY, shrink, thumbnail
from pipelines.report.overview import class_section
from pipelines.report.wording import NOTHING, signed
from schemas.arrow import IMAGE, MASKED_OBJECTS, OBJECTS
from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import BoxCounts, Column
from tests.pipelines.test_report import Page

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


def without_images(data: ReportData) -> ReportData:
    """What depends on the manifest alone, which is quick to render."""
    none = data.real.slice(0, 0)
    return ReportData(data.manifest, none, none, data.rejected.slice(0, 0), {}, [])


@pytest.fixture(scope="module")
def data() -> ReportData:
    real = images_table(squares(40, 1) + squares(20, 2), ["many"] * 40 + ["few"] * 20)
    same = [squares(1, 3)[0]] * 30
    made = images_table(same, ["few"] * 30)
    return make_data(real, made, ["label_agreement", "near_duplicates: a copy", "label_agreement"])


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render_report(data)


@pytest.fixture(scope="module")
def boxed() -> ReportData:
    return boxed_data()


@pytest.fixture(scope="module")
def boxed_html(boxed: ReportData) -> str:
    return render_report(boxed)


@pytest.fixture(scope="module")
def boxed_page(boxed_html: str) -> Page:
    return Page(boxed_html)


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


def test_tiny_images_are_enlarged_and_large_ones_reduced() -> None:
    tiny = thumbnail(squares(1, 1, size=TINY)[0], 96, MOST_BYTES)
    assert (tiny.width, tiny.height, tiny.tiny) == (TINY, TINY, True)
    assert tiny.uri.startswith("data:image/png;base64,")
    wide = thumbnail(np.zeros((50, 400, 1), np.uint8), 96, MOST_BYTES)
    assert (wide.width, wide.height, wide.tiny) == (96, 12, False)
    assert wide.uri.startswith("data:image/webp;base64,")
    assert shrink(np.zeros((1, 5000, 3), np.uint8), 96).shape == (1, 96, 3)
    stripes = np.tile(np.array([0, 200], np.uint8), (100, 50))[..., None]
    assert (shrink(stripes, 50) == 100).all()  # by area


def test_noise_does_not_blow_up_the_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert len(thumbnail(noise, 96, MOST_BYTES).uri) < 1.4 * MOST_BYTES
    assert 2 * SHOWN_CLASSES * SHEET_IMAGES * 1.4 * MOST_BYTES < 2_500_000
    assert REJECTED_REASONS * REJECTED_IMAGES * 1.4 * MOST_BYTES < 1_000_000


def test_figures_of_the_section(data: ReportData, html: str) -> None:
    section = image_figure_section(data)
    assert section is not None
    view = section.view
    assert view.strata == ["few"]
    assert view.images == (20, 30)
    assert [one.name for one in view.measures] == ["Brightness", "Contrast", "Colourfulness", "Sharpness"]
    brightness = np.mean([measure(image)[0] for image in squares(20, 2)])
    assert view.measures[0].typical[0].startswith(f"{brightness:.4g} ±")
    assert 0.3 < view.measures[0].distance <= 1
    assert "Diversity" in html


def test_a_generator_that_makes_one_image_over_and_over_is_marked(data: ReportData, html: str) -> None:
    section = image_figure_section(data)
    assert section is not None
    [few] = section.view.spreads
    assert few.images == 20
    assert few.pairs.real > 0.1
    assert few.pairs.made == few.nearest.made == 0
    assert few.pairs.share == 0
    assert html.count('<td class="n off">0%</td>') == 2


def test_measures_of_known_images() -> None:
    grey = np.full((8, 8, 1), 100, np.uint8)
    assert measure(grey) == (100, 0, 0, 0)
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    brightness, contrast, colour, sharpness = measure(board.astype(np.uint8)[..., None].repeat(3, axis=2))
    assert (brightness, contrast, colour) == (127.5, 127.5, 0)
    assert sharpness > 400
    red_and_blue = np.zeros((2, 1, 3), np.uint8)
    red_and_blue[0, 0, 0] = red_and_blue[1, 0, 2] = 255
    first, second = np.array([255, 0]), np.array([127.5, -255])
    expected = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
    assert colourfulness(red_and_blue) == pytest.approx(expected)


def test_distances_of_known_images() -> None:
    black, white = np.zeros((5, 9, 1), np.uint8), np.full((40, 40, 3), 255, np.uint8)
    np.testing.assert_allclose(distances([black, white, black]), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert mean_distances([black, white, black]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_grey_images_have_no_colours_to_compare() -> None:
    table = images_table(squares(12, 1, channels=1), ["a"] * 12)
    section = image_figure_section(make_data(table, table))
    assert section is not None
    assert [one.name for one in section.view.measures] == ["Brightness", "Contrast", "Sharpness"]
    assert all(one.distance == 0 for one in section.view.measures)


def test_several_classes_are_compared_one_by_one_and_capped() -> None:
    names = [f"class {k:02}" for k in range(SHOWN_CLASSES + 2)]
    table = images_table(squares(len(names) * 6, 1, size=8), [name for name in names for _ in range(6)])
    data = make_data(table, table)
    figures, sheets = image_figure_section(data), image_section(data)
    assert figures is not None
    assert sheets is not None
    assert len(figures.view.by_class) == len(sheets.view.sheets) == SHOWN_CLASSES
    assert figures.view.left_out == sheets.view.left_out == 2


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


def test_counts_of_boxes(boxed: ReportData, boxed_page: Page) -> None:
    assert class_section(boxed) is None
    assert [(row.name, row.near) for row in box_rows(boxed.manifest)] == [("cell", True), ("rare <b>", False)]
    assert "cell 900 700 340 1,040 1,000 +4.0%" in boxed_page.words
    assert "rare <b> 90 90 790 880 1,000 \N{MINUS SIGN}12.0%" in boxed_page.words
    assert "All classes 990 790 1,130 1,920 2,000" in boxed_page.words
    assert "1 of 2 classes of boxes is more than 5% off target." in boxed_page.words
    assert "One class is more than 5% off target:" in boxed_page.words
    assert "exactly on target" not in boxed_page.words
    assert "10 : 1" in boxed_page.words  # boxes before, not images


def test_the_headline_says_how_near_the_boxes_are() -> None:
    near = {"cell": BoxCounts(before=9, real=9, made=93, target=100, reached=102)}
    met = {name: BoxCounts(before=9, real=9, made=91, target=100, reached=100) for name in ("a", "b")}
    for boxes, words in (
        (near, "The one class of boxes is within 2.0% of its target."),
        (met, "Both classes of boxes are exactly on target."),
    ):
        assert words in Page(render_report(without_images(boxed_data(boxes=boxes)))).words


def test_a_class_without_a_target_is_far_from_it() -> None:
    boxes = {"cell": BoxCounts(before=9, real=9, made=0, target=0, reached=9)}
    data = boxed_data(boxes=boxes)
    summary = box_summary(data.manifest)
    assert summary is not None
    assert [row.name for row in summary.far] == ["cell"]
    assert f"9 0 {NOTHING}" in Page(render_report(without_images(data))).words


def test_boxes_are_drawn_inside_the_image(boxed: ReportData, boxed_page: Page) -> None:
    section = image_section(boxed)
    assert section is not None
    view = section.view
    assert len(view.real) == len(view.synthetic) == MARKED_IMAGES
    marks = [mark for one in view.real + view.synthetic for mark in one.marks]
    assert marks
    for mark in marks:
        assert 0 <= mark.x < mark.x + mark.width <= 64
        assert 0 <= mark.y < mark.y + mark.height <= 64
    assert "0 0 64 64" in boxed_page.values("viewbox")
    assert [name for name, _ in view.legend] == ["cell", "rare <b>"]
    assert boxed_page.tags.count("image") == 2 * MARKED_IMAGES + 3  # and those that were rejected


def test_a_box_beyond_the_edge_is_cut_and_one_outside_left_out() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    boxes = [
        {"bbox": [-5.0, 20.0, 10.0, 20.0], "category": "a"},
        {"bbox": [40.0, 0.0, 5.0, 5.0], "category": "a"},
        {"bbox": [1.0, 1.0, 0.0, 5.0], "category": "b"},
    ]
    one = mark_image(image, boxes, {"a": look_of(0), "b": look_of(1)})
    [mark] = one.marks
    assert (mark.x, mark.y, mark.width, mark.height) == (0, 20, 5, 10)
    assert one.held == "2 \N{MULTIPLICATION SIGN} a, 1 \N{MULTIPLICATION SIGN} b"
    assert mark_image(image, None, {}).held == "no box"


def test_crowds_are_cut() -> None:
    crowd: list[Object] = [{"bbox": [1.0, 1.0, 5.0, 5.0 + k / 10], "category": "c"} for k in range(MOST_MARKS + 20)]
    one = mark_image(np.zeros((64, 64, 3), np.uint8), crowd, {"c": look_of(0)})
    assert (len(one.marks), one.left_out) == (MOST_MARKS, 20)


def test_masks_are_drawn_as_outlines() -> None:
    inside = np.zeros((48, 64), np.uint8)
    inside[10:20, 30:50] = 1
    code = coco.encode(np.asfortranarray(inside))
    box: Object = {
        "bbox": [30.0, 10.0, 20.0, 10.0],
        "category": "a",
        "segmentation": {"size": [int(n) for n in code["size"]], "counts": code["counts"].decode()},
    }
    [mark] = mark_image(np.zeros((48, 64, 3), np.uint8), [box], {"a": look_of(0)}).marks
    corners = {tuple(map(int, pair.split())) for pair in re.findall(r"\d+ \d+", mark.outline)}
    assert corners == {(30, 10), (49, 10), (49, 19), (30, 19)}
    table = images_table([np.zeros((48, 64, 3), np.uint8)] * 2, ["a=1"] * 2, [[box], None])
    assert f'<path d="{mark.outline}"/>' in render_report(make_data(table, table))


def test_classes_are_told_apart_by_colour_and_dashes() -> None:
    looks = [look_of(place) for place in range(COLOURS * DASHES + 2)]
    assert len(set(looks)) == COLOURS * DASHES + 1
    assert looks[-1] == looks[-2] == "mark-other"


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


@pytest.mark.parametrize(
    ("share", "text"), [(None, NOTHING), (0.0, "0%"), (0.123, "+12.3%"), (-0.004, "\N{MINUS SIGN}0.4%")]
)
def test_signed(share: float | None, text: str) -> None:
    assert signed(share) == text
