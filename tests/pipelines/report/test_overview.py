"""The headline, the table of classes and the rejections say what the manifest says."""

from flows.display import result_table
from pipelines.report import ReportData, render_report
from pipelines.report.overview import class_rows, class_section, rejection_section
from pipelines.report.tabular.distributions import distribution_section
from pipelines.report.wording import NOTHING
from schemas.manifest import ClassCounts
from tests.pipelines.report.test_report import Page


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


def test_sections_can_be_used_one_by_one(data: ReportData) -> None:
    for make in (class_section, rejection_section, distribution_section):
        section = make(data)
        assert section is not None
        assert section.template.startswith("report_")
