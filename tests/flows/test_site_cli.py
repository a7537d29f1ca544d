"""`makeweight site` as a user meets it: on the terminal, in a real browser, and on an object store."""

import json
import os
import shutil
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.benchmarks.site import browser, measure, write_builds
from tests.machine import s3_bucket
from tests.pipelines.dataset.test_builds import published

BUILDS = 40
NAMES = "[...document.querySelectorAll('tbody tr:not([hidden]) th bdi')].map(one => one.textContent)"
ROWS = "[...document.querySelectorAll('tbody tr:not([hidden]) td[data-t=rows]')].map(one => Number(one.dataset.v))"


def run(*args):
    return CliRunner().invoke(app, ["site", *map(str, args)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds")
    write_builds(folder, BUILDS)
    assert run(folder).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("there is no Chromium here")
    with browser() as started:
        yield started


@pytest.fixture
def opened(chromium, folder):
    """Return what opens the page in a fresh context; it fails on any error, or request, of the page."""
    contexts, wrong = [], []

    def open_page(address="", **options):
        contexts.append(chromium.new_context(**options))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        page = (folder / "index.html").as_uri()
        tab.on("request", lambda request: wrong.extend([request.url] if request.url.partition("#")[0] != page else []))
        tab.goto(page + address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_on_the_terminal(tmp_path):
    published(tmp_path / "a")
    published(tmp_path / "b")
    (tmp_path / "b" / "data" / "test-00000-of-00002.parquet").unlink()
    answer = run(tmp_path)
    assert answer.stdout == f"builds   1 complete, 1 damaged\npage     {tmp_path}/index.html\n"
    told = json.loads(run(tmp_path, "--out", tmp_path / "page", "--json").stdout)
    states = {"complete": 1, "damaged": 1}
    assert told == {"page": f"{tmp_path}/page/index.html", "builds": 2, "states": states}
    (tmp_path / "index.html").write_text("mine")
    refused = run(tmp_path, "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["exit_code"]) == (2, 2)
    assert "was not written by makeweight" in run(tmp_path).stderr
    listed = CliRunner().invoke(app, ["ls", str(tmp_path)]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["complete", "damaged"]
    assert "is missing" in listed[1]


def test_sorting_by_hand_and_by_keyboard(opened):
    tab = opened()
    heading = tab.get_by_role("columnheader", name="rows")
    assert tab.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    largest_first = tab.evaluate(ROWS)
    assert largest_first == sorted(largest_first, reverse=True)
    assert len(set(largest_first)) > 10
    heading.get_by_role("button").focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate(ROWS) == largest_first[::-1]
    assert heading.get_attribute("aria-sort") == "ascending"
    assert tab.locator("th[aria-sort]").count() == 1


def test_searching_finds_names_states_and_classes(opened):
    tab = opened()
    tab.get_by_label("Search").fill("damaged")
    assert tab.evaluate(NAMES) == ["text-002"]
    assert tab.get_by_role("status").inner_text() == f"1 of {BUILDS} builds"
    assert tab.url.endswith("#q=damaged")
    tab.get_by_label("Search").fill("class l gan")
    found = tab.evaluate("[...document.querySelectorAll('tbody tr:not([hidden])')].map(row => row.innerText)")
    assert found
    assert all("gan\t" in row for row in found)
    tab.get_by_label("Search").fill("")
    assert tab.get_by_role("status").inner_text() == ""
    again = opened("#q=nightly%2D0007")
    assert again.evaluate(NAMES) == ["nightly-0007"]
    again.get_by_role("link", name="1", exact=True).click()
    again.wait_for_function(f"{NAMES}.join() === 'text-002'")  # the count of damaged builds leads to them, in its time


def test_older_versions_open_below_the_newest(opened):
    tab = opened()
    before = len(tab.evaluate(NAMES))
    toggle = tab.get_by_role("button", name="older").first
    assert toggle.get_attribute("aria-expanded") == "false"
    more = int(toggle.inner_text().split()[0])
    toggle.click()
    assert len(tab.evaluate(NAMES)) == before + more
    assert toggle.get_attribute("aria-expanded") == "true"
    toggle.click()
    assert len(tab.evaluate(NAMES)) == before


def test_without_scripts_every_build_is_there(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("tbody tr:visible").count() == BUILDS
    assert tab.get_by_label("Search").is_hidden()
    assert tab.locator("thead button").count() == 0


@pytest.mark.parametrize("width", [320, 390, 1000, 1130, 1280, 1920])
def test_nothing_is_cut_off_at_any_width(opened, width):
    tab = opened(viewport={"width": width, "height": 740})
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    outside = "[...document.querySelectorAll('td, th')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    assert tab.evaluate(f"{outside}.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_by_day_and_by_night(opened, scheme):
    tab = opened(color_scheme=scheme)
    ink, page = tab.evaluate(
        "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    brightness = [sum(map(int, colour.strip("rgb()").split(","))) for colour in (ink, page)]
    assert abs(brightness[0] - brightness[1]) > 450
    assert (brightness[1] > brightness[0]) == (scheme == "light")


def test_links_lead_to_reports(opened, folder):
    links = opened().evaluate("[...document.querySelectorAll('tbody a')].map(one => one.href)")
    assert len(links) > BUILDS
    assert all(Path(urllib.request.url2pathname(one.removeprefix("file://"))).is_file() for one in links)


def test_on_an_object_store(tmp_path):
    with s3_bucket("hush-hush") as (uri, client):
        published(tmp_path / "one" / "adult")
        (tmp_path / "one" / "adult" / "report.html").write_text("report")
        for file in filter(Path.is_file, tmp_path.rglob("*")):
            client.upload_file(str(file), "data", f"sets/{os.path.relpath(file, tmp_path)}")
        answer = run(uri.format("sets"))
        assert answer.exit_code == 0, answer.stderr
        assert "hush-hush" not in answer.stdout
        stored = client.get_object(Bucket="data", Key="sets/index.html")
        page = stored["Body"].read().decode()
        assert stored["ContentType"] == "text/html; charset=utf-8", "else a browser saves it"
        assert '<a href="one/adult/report.html">' in page
        assert "hush-hush" not in page
        assert run(uri.format("sets")).exit_code == 0, "our own page is written anew"
        client.put_object(Bucket="data", Key="sets/index.html", Body=b"mine")
        refused = run(uri.format("sets"))
        assert (refused.exit_code, "not written by makeweight" in refused.stderr) == (2, True)
        elsewhere = tmp_path / "page"
        assert run(uri.format("sets"), "--out", elsewhere).exit_code == 0
        assert 'href="s3://***@data/sets/one/adult/report.html"' in (elsewhere / "index.html").read_text()


@pytest.mark.slow
def test_the_first_view_of_500_builds_comes_within_a_second(tmp_path, chromium):
    write_builds(tmp_path, 500)
    run(tmp_path)
    assert measure(tmp_path / "index.html", runs=3)["slowest paint"] < 1000
