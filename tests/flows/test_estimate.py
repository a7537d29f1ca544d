"""What `plan` says of time and cost is what builds took here; one that went on with earlier work teaches nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.build import build
from flows.cli import app
from flows.estimate import estimate_build, estimate_lines, format_cost
from flows.progress import Listener, listen
from pipelines.plan.planning import make_plan
from pipelines.plan.rates import recall
from schemas.rates import Estimate

SMOTE = {"name": "smote", "actors": 2, "chunk_rows": 40}


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "rates.jsonl"
    monkeypatch.setenv("MAKEWEIGHT_RATES", str(file))
    return file


class Stops(Listener):
    """Stops a build before it writes."""

    def step(self, name: str) -> None:
        if name == "write":
            raise RuntimeError("stopped")


def planned(spec, tmp_path, *options):
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    return CliRunner().invoke(app, ["plan", str(path), *options])


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_build_teaches_the_next_plan_unless_it_went_on_with_earlier_work(make_spec, file, tmp_path):
    spec, again = make_spec("first", generator=SMOTE), make_spec("again", generator=SMOTE)
    with pytest.raises(RuntimeError, match="stopped"), listen(Stops()):
        build(again)
    build(again)
    assert recall() == [], "a build that went on says nothing of how long the whole takes"
    assert "time     not known: no build with smote here to go by yet" in planned(spec, tmp_path).stdout

    manifest = build(spec)
    [rates] = recall()
    attempts, rejected = manifest.attempts["fraud"], sum(manifest.rejections["fraud"].values())
    assert (rates.generator, rates.actors, rates.device, rates.rows) == ("smote", 2, "cpu", manifest.rows)
    assert (rates.candidates, rates.kept) == (attempts, {"fraud": pytest.approx(1 - rejected / attempts)})
    assert list(rates.steps) == ["start", "ingest", "fit", "fill", "write", "report"]
    assert 0 < rates.warm <= rates.steps["fill"]
    assert rates.fit_rows == 600
    files = [Path(one.output.path, "manifest.json").read_bytes() for one in (spec, again)]
    assert files[0] == files[1], "nothing of it is part of the dataset"

    told = json.loads(planned(spec, tmp_path, "--json").stdout)["estimate"]
    assert told["fitted"], "the model lies beside the dataset"
    assert told["strata"]["fraud"]["candidates"] >= attempts
    other = planned(make_spec("other", generator=SMOTE), tmp_path, "--gpu-price", "3").stdout
    assert "from 1 build with smote here, 2 actor(s) on cpu" in other
    assert "cost     none: no GPU is used" in other
    assert "time" in other.splitlines()[2], "each class has its time"


def test_what_is_said_of_an_estimate(make_spec, monkeypatch):
    plan = make_plan(make_spec())
    made = Estimate(
        seconds=3700,
        least=3600,
        most=7200,
        steps={"fit": 3600, "fill": 99.6, "report": 0.4},
        strata={},
        builds=2,
        device="H100",
        actors=4,
        same_params=False,
        same_size=False,
        fitted=False,
        gpu_hours=1.11,
        cost=2.78,
    )
    assert estimate_lines(plan, made) == [
        "time     about 1 h 1 min, 1 h 0 min to 2 h 0 min: fit 1 h 0 min;"
        f" from 2 builds with {plan.generator.name} here, of other parameters and of quite other size",
        "cost     about 2.78: 1.11 GPU hours (H100)",
    ]
    monkeypatch.setenv("MAKEWEIGHT_RATES", "off")
    assert estimate_build(make_spec(), plan) is None
    assert estimate_lines(plan, None) == ["time     not known: MAKEWEIGHT_RATES is off"]
    assert [format_cost(cost) for cost in (0.0, 0.0123, 1234.5)] == ["0.00", "0.012", "1,234.50"]


def test_a_price_below_nothing_is_refused(make_spec, tmp_path):
    answer = planned(make_spec(), tmp_path, "--gpu-price", "-1")
    assert answer.exit_code == 2
    assert "gpu-price" in answer.stderr
