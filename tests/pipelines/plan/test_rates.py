"""How fast builds were is kept whole whoever writes, and what is estimated from it is what such a build takes."""

import os
import subprocess
import sys

import pytest

from pipelines.plan.rates import MOST, params_key, rates_file, recall, remember
from schemas.rates import Rates
from tests.conftest import ROOT

WIDTH = 2
"""Columns of the plan below that are modelled."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "state" / "rates.jsonl"
    monkeypatch.setenv("MAKEWEIGHT_RATES", str(file))
    return file


def took(plan, scale=1.0, **changes):
    """Return a build of `scale` times the plan's size, whose steps cost 1 s and so many seconds for each row."""
    rows, candidates, actors = int(3200 * scale), int(1600 * scale), changes.get("actors", 2)
    fill = 1 + candidates * 0.01 / actors
    rates = {
        "at": 1000.0,
        "name": "t",
        "generator": "tvae",
        "params": params_key(plan.generator),
        "modality": "tabular",
        "width": WIDTH,
        "device": "cpu",
        "gpus": 0.0,
        "actors": actors,
        "source_bytes": int(plan.profile.bytes * scale),
        "rows": rows,
        "fit_rows": int(2000 * scale),
        "warm": 1 + 100 * 0.01 / actors,
        "first": 100,
        "candidates": candidates,
        "kept": {"z": 0.75},
        "steps": {"start": 5, "ingest": 1 + scale, "fit": 4 + 8 * scale, "fill": fill, "write": scale, "report": 2},
    }
    return Rates.model_validate(rates | changes)


def test_builds_are_remembered_in_order(plan, file):
    for at in (1.0, 2.0):
        remember(took(plan, at=at))
    assert recall() == [took(plan, at=1.0), took(plan, at=2.0)]


def test_a_line_that_is_cut_short_or_of_another_version_costs_no_other(plan, file):
    remember(took(plan, at=1.0))
    with file.open("ab") as stream:
        stream.write(b'{"format": 99}\n' + took(plan).model_dump_json().encode()[:70])
    remember(took(plan, at=2.0))
    with file.open("ab") as stream:
        stream.write(b"\xff\x00 no text\n" + took(plan, format=2).model_dump_json().encode())
    assert [one.at for one in recall()] == [1.0, 2.0]


def test_builds_that_end_at_once_all_keep_their_rates(plan, file):
    code = (
        "import sys\nfrom pipelines.plan.rates import remember\nfrom schemas.rates import Rates\n"
        "rates = Rates.model_validate_json(sys.argv[1])\n"
        "for n in range(40): remember(rates.model_copy(update={'at': float(sys.argv[2]) + n}))"
    )
    line = took(plan, kept={f"class {n}": 0.5 for n in range(50)}).model_dump_json()
    writers = [
        subprocess.Popen([sys.executable, "-c", code, line, str(1000 * n)], cwd=ROOT, env=os.environ) for n in range(3)
    ]
    assert [writer.wait(timeout=600) for writer in writers] == [0, 0, 0]
    assert sorted(one.at for one in recall()) == [float(1000 * n + m) for n in range(3) for m in range(40)]


def test_a_long_file_forgets_its_older_half(plan, file):
    file.parent.mkdir()
    line = took(plan).model_dump_json().encode() + b"\n"
    file.write_bytes(line * (MOST // len(line)))
    remember(took(plan, at=3.0))
    assert MOST // 3 < file.stat().st_size < MOST
    assert recall()[-1].at == 3.0


@pytest.mark.parametrize("said", ["off", "0", "", " OFF "])
def test_nothing_is_kept_where_nothing_is_wanted(plan, monkeypatch, said, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MAKEWEIGHT_RATES", said)
    remember(took(plan))
    assert (rates_file(), recall(), list(tmp_path.iterdir())) == (None, [], [])


def test_rates_are_kept_in_the_state_folder_of_the_user(plan, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("MAKEWEIGHT_RATES")
    remember(took(plan))
    assert (tmp_path / "makeweight" / "rates.jsonl").read_text().count("\n") == 1


def test_a_place_that_takes_no_file_costs_nothing(plan, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAKEWEIGHT_RATES", str(tmp_path / "file" / "rates.jsonl"))
    remember(took(plan))
    assert recall() == []
