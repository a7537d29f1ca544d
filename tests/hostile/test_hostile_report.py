"""Values that look like HTML do not run in the report: a real browser opens it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.report import render_card, render_report
from tests.pipelines.report.test_report import HOSTILE, hostile_data

TRAP = "<script>window.alert = () => { document.title = 'it ran' }</script>"


def title_of(path: Path, html: str) -> str:
    """Return the page's title once headless Chromium has opened it, with a trap for whatever runs in it.

    The page forbids scripts as such; here that is taken out, so that the escaping alone is tried.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    head, mark, rest = re.sub("<meta [^>]*Content-Security-Policy[^>]*>", "", html).partition("</title>")
    path.write_text(f"{head}{mark}{TRAP}{rest}")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}"]
    command = [browser, *options, "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    found = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert found, done.stderr[-1000:]
    return found[1]


def test_nothing_runs_in_the_report(tmp_path: Path) -> None:
    page = render_report(hostile_data())
    assert title_of(tmp_path / "report.html", page) != "it ran"
    assert title_of(tmp_path / "trap.html", page.replace("</body>", HOSTILE[1] + "</body>")) == "it ran", (
        "it would tell"
    )


def test_nothing_runs_in_the_card() -> None:
    _, _, body = render_card(hostile_data().manifest).split("---\n", 2)
    assert "<script" not in body
    assert "<img" not in body
    assert "](" not in body.replace("[makeweight](#how-it-was-made)", "")
