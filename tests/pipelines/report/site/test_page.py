"""The web page over all builds: what it says of each, how versions go together, where links lead, what it refuses."""

import json
from pathlib import Path

import pytest

from pipelines.dataset.builds import find_builds
from pipelines.report.site import write_site
from pipelines.report.site.page import link, picture, render_site
from pipelines.report.site.rows import Counts, make_groups
from pipelines.storage.workspace import HIDDEN
from schemas.evaluation import Evaluation, Utility, Verdict
from schemas.manifest import ClassCounts
from tests.hostile.test_hostile_report import title_of
from tests.pipelines.dataset.test_builds import published
from tests.pipelines.report.test_report import HOSTILE, Page


def evaluation(content_hash, helps=True):
    utility = Utility(
        measure="f1",
        seeds=1,
        classifiers=[],
        minority=[],
        rows={},
        figures=[],
        differences=[],
        verdict=Verdict(helps=helps, sentence="Yes: so it was measured."),
        notes=[],
    )
    return Evaluation(key="k", content_hash=content_hash, utility=utility).model_dump_json()


def page_of(folder: Path) -> str:
    return Path(write_site([str(folder)]).page).read_text()


def test_each_build_is_told_of(tmp_path):
    published(tmp_path / "adult")
    published(tmp_path / "lost", name="has-lost", generator="tvae")
    (tmp_path / "lost" / "data" / "train-00001-of-00002.parquet").unlink()
    (tmp_path / "begun" / HIDDEN).mkdir(parents=True)
    (tmp_path / "adult" / "report.html").write_text("report")
    page = page_of(tmp_path)
    assert '<a href="adult/report.html"><bdi>adult-balanced</bdi></a>' in page
    assert "49,440</td>" in page
    assert ">34.1%</td>" in page
    assert 'title="&lt;=50K 24,720 → 24,720\n&gt;50K 7,841 → 24,720"' in page
    assert "&#39;data/train-00001-of-00002.parquet&#39; is missing; put it back" in page
    assert '<th scope="row"><bdi>has-lost</bdi>' in page, "no link to a report that is not there"
    for state, builds in {"complete": 1, "damaged": 1, "unfinished": 1}.items():
        assert f'<a class="{state}" href="#q={state}">{builds}</a>' in page
        assert f'<b class="state {state}">{state}</b>' in page


def test_the_picture_has_the_shares_of_the_classes():
    [(_, before), (_, real), (_, made)] = picture([Counts(900, 900, 0), Counts(100, 100, 800)])
    assert before == "M0 0h892v4h-892zM900 0h100v4h-100z"
    assert real == "M0 5h492v4h-492zM500 5h56v4h-56z"
    assert made == "M556 5h444v4h-444z"
    assert picture([Counts(0, 0, 0)]) == []


def test_many_classes_and_none(tmp_path):
    counts = {f"c{n}": ClassCounts(real=n, synthetic=99 - n, target=99) for n in range(99)}
    published(tmp_path / "many", counts=counts, source_counts={f"c{n}": n for n in range(99)})
    published(tmp_path / "none", counts={}, source_counts={}, shards=[])
    [[many], [none]] = sorted(make_groups(find_builds(str(tmp_path))), key=lambda group: group[0].build.path)
    assert (len(many.segments), sum(one.real for one in many.segments)) == (9, sum(range(99)))
    assert none.segments == []
    assert "… and 79 more" in page_of(tmp_path)


def test_the_same_builds_give_the_same_page(tmp_path):
    published(tmp_path / "b")
    published(tmp_path / "a")
    first, second = (
        render_site(make_groups(find_builds(str(tmp_path))), "t", str(tmp_path), 1e9) for _ in range(2)
    )  # fmt: skip
    assert first == second
    assert "looked at 2001-09-09 01:46 UTC" in first


def hostile(folder: Path) -> None:
    """Publish builds whose names, classes and paths look like HTML."""
    for number, bad in enumerate(HOSTILE):
        place = folder / (bad.replace("/", "_").replace("\0", "")[:60] or "empty") / str(number)
        changes = {"counts": {bad: ClassCounts(real=1, synthetic=1, target=2)}, "source_counts": {bad: 1}}
        published(place, name=bad, generator=bad, modality=bad, shards=[], **changes)
        (place / "report.html").write_text("report")
        (place / "evaluation.html").write_text("page")
        found = json.loads(evaluation("a" * 64))
        found["utility"]["verdict"]["sentence"] = bad
        (place / "evaluation.json").write_text(json.dumps(found))
    (folder / "lost").mkdir()
    published(folder / "lost" / "it")
    manifest = json.loads((folder / "lost" / "it" / "manifest.json").read_text())
    manifest["shards"] = [
        {"path": bad, "split": "train", "rows": 1, "bytes": 1, "sha256": "0"} for bad in HOSTILE
    ]  # fmt: skip
    (folder / "lost" / "it" / "manifest.json").write_text(json.dumps(manifest))


def test_nothing_in_a_name_gets_to_act(tmp_path):
    hostile(tmp_path)
    page = page_of(tmp_path)
    assert Page(page).open == []
    assert page.count("<script") == 1
    assert page.count("<img") == 0
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert title_of(tmp_path / "trap.html", page) != "it ran"
    assert title_of(tmp_path / "trap.html", page.replace("</body>", HOSTILE[1] + "</body>")) == "it ran", (
        "it would tell"
    )


@pytest.mark.parametrize(
    ("build", "out", "leads_to"),
    [
        ("/out/a b/c#?", "/out", "a%20b/c%23%3F/report.html"),
        ("/out/javascript:alert(1)", "/out", "javascript%3Aalert%281%29/report.html"),
        ("/out", "/out", "report.html"),
        ("/other/a", "/out", "file:///other/a/report.html"),
        ("/outer/a", "/out", "file:///outer/a/report.html"),
        ("s3://b/data/a?region=x", "s3://b/data?region=x", "a/report.html"),
        ("s3://b/data/a", "s3://b/pages/site", "../../data/a/report.html"),
        ("s3://***@b/data/a?region=x", "/out", "s3://***@b/data/a/report.html"),
        ("s3://b/data/a", "s3://c/data", "s3://b/data/a/report.html"),
        ("/out/a", "s3://b/data", "file:///out/a/report.html"),
        ("s3://b/data/a%20%23", "s3://c/data", "s3://b/data/a%20%23/report.html"),
        ("s3://b/data/a%20%23", "s3://b/data", "a%20%23/report.html"),
    ],
)
def test_links(build, out, leads_to):
    assert link(build, "report.html", out) == leads_to
