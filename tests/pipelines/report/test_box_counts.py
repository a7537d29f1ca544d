"""Boxes by class: what there was, what was asked for, what came of it."""

from pipelines.report import ReportData, render_report
from pipelines.report.box_counts import box_rows, box_summary
from pipelines.report.overview import class_section
from pipelines.report.wording import NOTHING
from schemas.plan import BoxCounts
from tests.pipelines.report.image.test_section import boxed_data
from tests.pipelines.report.test_report import Page


def without_images(data: ReportData) -> ReportData:
    """What depends on the manifest alone, which is quick to render."""
    none = data.real.slice(0, 0)
    return ReportData(data.manifest, none, none, data.rejected.slice(0, 0), {}, [])


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
