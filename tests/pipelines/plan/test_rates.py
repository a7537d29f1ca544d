"""How fast builds were is kept whole whoever writes, and what is estimated from it is what such a build takes."""

import os
import subprocess
import sys

import pytest

from pipelines.plan.estimate import Setting, estimate
from pipelines.plan.planning import make_plan
from pipelines.plan.rates import MOST, params_key, rates_file, recall, remember, row_width
from schemas.plan import Step
from schemas.rates import Rates
from schemas.spec import Spec, parse
from tests.conftest import ROOT

WIDTH = 2
"""Columns of the plan below that are modelled."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "state" / "rates.jsonl"
    monkeypatch.setenv("MAKEWEIGHT_RATES", str(file))
    return file


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """2,000 rows: 1,600 of `x`, and 400 of `z`, for which 1,200 are to be made."""
    place = tmp_path_factory.mktemp("source")
    rows = "".join(f"{n % 97},{n % 7},{'x' if n % 5 else 'z'}\n" for n in range(2000))
    (place / "t.csv").write_text(f"a,b,y\n{rows}")
    source = {"path": str(place / "t.csv"), "label": "y"}
    generator = {"name": "tvae", "params": {"epochs": 3}, "chunk_rows": 100}
    spec = {"name": "t", "source": source, "generator": generator, "output": {"path": str(place / "out")}}
    made = make_plan(parse(Spec, spec))
    assert row_width(made) == WIDTH
    return made


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


def test_an_equal_build_takes_as_long_again(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2))
    assert made.strata["z"].candidates == 1600, "1,200 rows of which 75% are kept, in chunks of 100"
    assert made.strata["z"].seconds == pytest.approx(8)
    assert made.seconds == pytest.approx(sum(took(plan).steps.values()), rel=0.01)
    assert (made.builds, made.actors, made.same_params, made.same_size) == (1, 2, True, True)
    assert list(made.strata) == ["z"], "nothing is made of the other class"


def test_from_two_sizes_a_third_is_told(plan):
    made = estimate(plan, [took(plan, 0.1), took(plan, 0.5)], Setting(actors=2))
    assert made.steps["fit"] == pytest.approx(12, rel=0.01)
    assert made.steps["ingest"] == pytest.approx(2, rel=0.01)
    assert made.seconds == pytest.approx(sum(took(plan).steps.values()), rel=0.02)


def test_builds_that_disagree_are_told_as_a_range(plan):
    slow = took(plan, steps={name: 3 * took_ for name, took_ in took(plan).steps.items()}, warm=3 * took(plan).warm)
    made = estimate(plan, [took(plan), slow], Setting(actors=2))
    alone = [estimate(plan, [one], Setting(actors=2)).seconds for one in (took(plan), slow)]
    assert (made.least, made.most) == tuple(alone)
    assert made.least < made.seconds < made.most
    one = estimate(plan, [slow], Setting())
    assert one.least == one.seconds == one.most


def test_from_one_size_a_range_is_told(plan):
    """The fit of a build of a tenth of the rows took 4.8 s: that may be for the rows, or whatever the rows."""
    small = took(plan, 0.1)
    made = estimate(plan, [small], Setting(actors=2))
    assert 4.8 < made.steps["fit"] < 4 + 10 * 0.8
    assert made.least < made.seconds < made.most
    assert made.most - made.least == pytest.approx(9 * (0.8 + 0.1), rel=0.01), "of fit and ingest"


def test_twice_the_actors_halve_the_fill(plan):
    two, four = (estimate(plan, [took(plan)], Setting(actors=actors)) for actors in (2, 4))
    assert four.strata["z"].seconds == pytest.approx(two.strata["z"].seconds / 2)
    assert estimate(plan, [took(plan)], Setting(actors=500)).actors == 12, "not more than there are chunks"
    assert estimate(plan, [took(plan, actors=3)], Setting()).actors == 3, "as many as before, if nothing is said"


def test_what_this_dataset_kept_goes_before_what_others_kept(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2, kept={"z": 0.25}))
    assert made.strata["z"].candidates == 4800
    made = estimate(plan, [took(plan, kept={"other": 0.5})], Setting(actors=2))
    assert made.strata["z"].candidates == 2400


def test_a_model_that_is_there_is_not_fitted_again(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2, fitted=True))
    assert made.fitted
    assert "fit" not in made.steps
    loaded = took(plan, fit_rows=None, steps=took(plan).steps | {"fit": 0.1})
    assert estimate(plan, [took(plan), loaded], Setting()).steps["fit"] == pytest.approx(12, rel=0.01)


def test_the_same_parameters_go_before_others(plan):
    other = took(plan, params=params_key(Step(name="tvae", params={"epochs": 300})), steps={"fit": 900.0})
    made = estimate(plan, [other, took(plan), other], Setting(actors=2))
    assert (made.builds, made.same_params) == (1, True)
    assert not estimate(plan, [other], Setting()).same_params


def test_checks_count_where_they_are_asked_for(plan):
    checked = took(plan, steps=took(plan).steps | {"privacy": 7.0, "evaluate": 50.0})
    plain, asked = (estimate(plan, [checked], Setting(checks=checks)) for checks in ((), ("privacy", "evaluate")))
    assert asked.seconds - plain.seconds == pytest.approx(57)


@pytest.mark.parametrize(
    "changes", [{"generator": "ctgan"}, {"modality": "text"}, {"width": 9}, {"candidates": 0, "first": 0}]
)
def test_builds_of_other_kinds_say_nothing(plan, changes):
    assert estimate(plan, [took(plan, **changes)], Setting()) is None


def test_a_gpu_costs_by_the_hour(plan):
    on_gpu = took(plan, device="H100", gpus=0.5)
    made = estimate(plan, [took(plan), on_gpu], Setting(actors=2, price=3600))
    assert (made.device, made.builds) == ("H100", 1)
    gpu_seconds = 0.5 * (12 + 2 * 9)
    assert made.gpu_hours == pytest.approx(gpu_seconds / 3600)
    assert made.cost == pytest.approx(gpu_seconds)
    assert made.strata["z"].cost == pytest.approx(0.5 * 2 * 8)
    assert estimate(plan, [on_gpu], Setting(gpus=0)) is None, "a GPU's rates say nothing of CPUs"
    assert estimate(plan, [on_gpu, took(plan)], Setting(gpus=0, price=2)).cost == 0
