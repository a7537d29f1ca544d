"""Schedules and alerts on a real server: put up, changed, read anew, tried again, and what is told when one fails."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.filters import DeploymentFilter
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

import flows.deployed.worker
from flows.cli import app
from flows.deployed.alert import NAME
from flows.deployed.schedules import read_spec, scheduled_build
from flows.deployed.worker import GPU_LIMIT, wait_for_gpu_slot
from pipelines.plan.planning import make_plan
from pipelines.plan.policy import SETTING
from schemas.errors import GeneratorError, SpecError
from tests.benchmarks.requests import most_at_once
from tests.prefect_server import free_port, pointed_at, policy
from tests.waiting import LIMIT, wait_until


@pytest.fixture(scope="module")
def server(deployed):
    """A server with the deployments."""
    with pointed_at(deployed[0]):
        yield deployed[0]


@pytest.fixture(autouse=True)
def allowed(tmp_path_factory, monkeypatch):
    """A policy of the tests' own folders, for the builds that a schedule starts in this process."""
    with policy(tmp_path_factory.getbasetemp(), modules=["tests.benchmarks.cheap"]) as rules:
        monkeypatch.setenv(SETTING, rules)
        yield


@pytest.fixture
def spec_file(make_spec, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(make_spec().model_dump(mode="json", by_alias=True, exclude_unset=True)))
    return str(path)


def refused(*words, code):
    """Run a command that fails, and return its one plain message."""
    answer = CliRunner().invoke(app, list(words))
    assert answer.exit_code == code, answer.output
    assert answer.stderr.startswith("makeweight: ")
    assert "Traceback" not in answer.output
    return answer.stderr.removeprefix("makeweight: ")


@pytest.mark.parametrize("cron", ["every night", "0 2 * *", "99 2 * * *", "0 2 * * monday-never", ""])
def test_a_schedule_in_a_wrong_form_is_refused(spec_file, cron):
    assert "it has five fields, minute hour day month weekday" in refused("schedule", spec_file, "--cron", cron, code=2)


def test_a_time_zone_that_is_none_is_refused(spec_file):
    told = refused("schedule", spec_file, "--cron", "0 2 * * *", "--timezone", "Berlin", code=2)
    assert told.startswith("--timezone: no time zone of the IANA's list, got 'Berlin'")


def test_without_a_server_it_is_said_what_to_start(spec_file):
    ways = (["request", spec_file], ["schedule", spec_file, "--cron", "0 2 * * *"], ["alert", "https://hooks.test/a"])
    for words in ways:
        with temporary_settings({PREFECT_API_URL: None}):
            assert "start one with `prefect server start`" in refused(*words, code=1)
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
            assert "does not answer" in refused(*words, code=1)


@pytest.mark.usefixtures("engine")
def test_what_the_server_lacks_is_told(spec_file):
    assert "prefect deploy --all --prefect-file infra/prefect.yaml" in refused("request", spec_file, code=1)
    told = refused("schedule", spec_file, "--cron", "0 2 * * *", code=1)
    assert "no work pool 'makeweight'; create it with `prefect work-pool create makeweight" in told


def test_a_spec_that_cannot_be_built_is_not_put_in(server, spec_file, tmp_path):
    def asked():
        with get_client(sync_client=True) as client:
            return {run.id for run in client.read_flow_runs() if not run.auto_scheduled}

    before, wrong = asked(), ("--set", "balance.target=-3")
    assert "balance.target: must be" in refused("request", spec_file, *wrong, code=2)
    assert "balance.target: must be" in refused("schedule", spec_file, "--cron", "0 2 * * *", *wrong, code=2)
    assert refused("schedule", str(tmp_path / "gone.yaml"), "--cron", "0 2 * * *", code=2).startswith("no such file")
    assert asked() == before


def test_infra_deploys_a_nightly_build(server):
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("scheduled-build/nightly")
    assert [(one.schedule.cron, one.active) for one in nightly.schedules] == [("0 2 * * *", False)], (
        "it has no spec yet"
    )
    assert nightly.global_concurrency_limit.limit == 1
    assert nightly.concurrency_options.collision_strategy == "ENQUEUE"
    assert nightly.parameters["spec"].endswith(".yaml")


def test_a_schedule_is_put_up_and_changed(server, spec_file):
    for cron, zone in (("0 2 * * *", "UTC"), ("30 4 * * 1", "Europe/Berlin")):
        words = ["schedule", spec_file, "--cron", cron, "--timezone", zone, "--set", "seed=3", "--no-replace", "--json"]
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code == 0, answer.output
        told = json.loads(answer.stdout)
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name("scheduled-build/payments")
        assert (told["deployment"], told["cron"]) == ("scheduled-build/payments", cron)
        assert str(found.id) in told["url"]
        assert [(one.schedule.cron, one.schedule.timezone) for one in found.schedules] == [(cron, zone)]
        assert found.parameters == {"spec": spec_file, "overrides": ["seed=3"], "replace": False}
        assert found.global_concurrency_limit.limit == 1


def test_a_schedule_makes_runs_at_its_times(server, spec_file):
    assert CliRunner().invoke(app, ["schedule", spec_file, "--cron", "30 4 * * 1"]).exit_code == 0
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("scheduled-build/payments")

        def planned():
            runs = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployment.id]}))
            return [run.expected_start_time for run in runs if run.auto_scheduled]

        due = wait_until(planned)  # the server plans every few seconds
    assert {(when.weekday(), when.hour, when.minute) for when in due} == {(0, 4, 30)}


def test_a_failed_build_is_told_to_a_web_address(server):
    heard = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        for _ in range(2):  # the second takes the first one's place
            answer = CliRunner().invoke(app, ["alert", f"http://127.0.0.1:{receiver.server_port}/hook"])
            assert answer.exit_code == 0, answer.output
        with get_client(sync_client=True) as client:
            assert len(client.read_automations_by_name(NAME)) == 1
        state = scheduled_build("/nowhere/nightly.yaml", return_state=True)
        assert (state.is_failed(), state.message) == (True, "no such file: /nowhere/nightly.yaml")
        told = heard.get(timeout=LIMIT)["text"]
        receiver.shutdown()
    assert told.startswith("A makeweight build failed\n")
    assert "no such file: /nowhere/nightly.yaml" in told
    assert f"{server.removesuffix('/api')}/runs/flow-run/" in told
    assert heard.empty()


def test_one_build_at_a_time_may_use_the_gpu(server, make_spec):
    free, shared = make_spec(), make_spec(generator={"name": "smote", "gpus": 0.5})
    plan, spans = make_plan(free), []

    def work(spec):
        with temporary_settings({PREFECT_API_URL: server}), wait_for_gpu_slot(plan, spec.generator):
            began = time.monotonic()
            time.sleep(0.3)
            spans.append((began, time.monotonic()))

    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU_LIMIT, limit=1))
    with ThreadPoolExecutor(3) as at_once:
        list(at_once.map(work, [shared] * 3))
    assert most_at_once(spans) == 1
    del spans[:]
    with ThreadPoolExecutor(3) as at_once:
        list(at_once.map(work, [free] * 3))
    assert most_at_once(spans) > 1, "builds without a GPU do not wait"


def test_what_is_no_web_address_is_refused(server):
    assert "a message goes to a web address" in refused("alert", "ops@example.org", code=2)


def test_the_spec_is_read_anew_each_time_and_only_what_may_pass_is_tried_again(server, spec_file, monkeypatch):
    seen, failures = [], [ConnectionResetError("the network"), GeneratorError("it cannot"), GeneratorError("nor now")]

    def failing(spec, *_):
        seen.append(spec.balance.target)
        raise failures[len(seen) - 1]

    monkeypatch.setattr(flows.deployed.worker, "_build", failing)
    nightly = scheduled_build.with_options(retry_delay_seconds=0)
    assert nightly(spec_file, ["balance.target=90"], return_state=True).message == "it cannot"
    assert seen == [90, 90], "tried again after the first failure, and not after the second, which was explained"
    Path(spec_file).write_text(Path(spec_file).read_text().replace('"name"', '"balance": {"target": 80}, "name"', 1))
    assert nightly(spec_file, return_state=True).message == "nor now"
    assert seen[2:] == [80]


def anything(_spec):
    """Admit any spec."""


def test_a_spec_at_a_uri_has_its_paths_beside_it(make_spec, tmp_path):
    text = json.dumps({"name": "t", "source": {"path": "data/t.csv", "label": "y"}, "output": {"path": "/out"}})
    (tmp_path / "spec.yaml").write_text(text)
    spec = read_spec(f"file://{tmp_path}/spec.yaml", ["evaluate.test=held.csv"], anything)
    assert spec.source.path == f"file://{tmp_path}/data/t.csv"
    assert spec.evaluate.test == f"file://{tmp_path}/held.csv"
    assert spec.output.path == "/out"
    with pytest.raises(SpecError, match="cannot read the spec file://.*/none.yaml"):
        read_spec(f"file://{tmp_path}/none.yaml", [], anything)
    with pytest.raises(SpecError, match="the spec's path is relative"):
        read_spec("spec.yaml", [], anything)
