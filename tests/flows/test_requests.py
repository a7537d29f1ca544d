"""Requests on a real server with a real worker: by the form in a browser, by the command line, and what goes wrong."""

import json
import os
import shutil
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, LogFilter, LogFilterFlowRunId
from prefect.exceptions import PrefectHTTPStatusError
from typer.testing import CliRunner

import flows.deployed.deployments
from flows.cli import app
from flows.deployed.deployments import (
    REQUESTS,
    deploy_schedule,
    describe_run,
    parse_cron,
    submit_request,
    wait_for_request,
)
from flows.deployed.request import parse_request
from pipelines.dataset.verify import verify
from schemas.errors import SpecError
from tests.hostile.ground import EVIL
from tests.prefect_server import pointed_at, policy, worker

CHROMIUM, ALONE = shutil.which("chromium"), ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def server(deployed):
    """A server with the deployments, and the folder for what its worker writes; nothing works there yet."""
    with pointed_at(deployed[0]):
        yield deployed


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    """The same, and a worker that serves it, by a policy of the tests' own folders."""
    api, home = server
    with policy(tmp_path_factory.getbasetemp()) as rules, worker(api, home, MAKEWEIGHT_POLICY=rules):
        yield api


@pytest.fixture
def make_spec(make_spec):
    """As for all tests, but with a generator that a run in a folder of its own finds."""
    return lambda name="built", **parts: make_spec(name, **{"generator": {"name": "smote", "actors": 1}} | parts)


def run_of(request):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(request.id))


def artifacts_of(request):
    asked = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(request.id)]))
    with get_client(sync_client=True) as client:
        return {found.key: found for found in client.read_artifacts(artifact_filter=asked)}


def log_of(request):
    asked = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(request.id)]))
    with get_client(sync_client=True) as client:
        return "\n".join(line.message for line in client.read_logs(asked))


def test_a_request_has_no_relative_paths_and_no_credentials(make_spec):
    told = make_spec().model_dump(mode="json", by_alias=True)
    with pytest.raises(SpecError) as refused:
        parse_request(told | {"source": {"path": "data.csv", "label": "y"}, "output": {"path": "~/out"}})
    assert "source.path: is relative, and a request has no folder that it could start from" in str(refused.value)
    assert "got 'data.csv'\noutput.path: is relative" in str(refused.value)
    with pytest.raises(SpecError, match="unknown key 'balanc'; did you mean 'balance'"):
        parse_request(told | {"balanc": {"target": 9}})
    with pytest.raises(SpecError, match="credentials were left out"):
        submit_request(make_spec(source={"path": "s3://key:secret@bucket/a.csv", "label": "y"}), False)


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ({"validate": [{"schema": {"constraints": ["a != 1", "url != 'https://h.org/?key=1'"]}}]},
         "validate[0].params.constraints[1]"),
        ({"generator": {"name": "endpoint", "params": {"prompt": "write as https://me:pw@h.org does"}}},
         "generator.params.prompt"),
    ],
)  # fmt: skip
def test_a_request_that_would_ask_for_something_else_without_its_credentials_is_not_put_in(make_spec, parts, keys):
    with pytest.raises(SpecError) as refused:
        submit_request(make_spec(**parts), False)
    assert str(refused.value).startswith(f"{keys}: holds what may be credentials, which a Prefect server would keep")


@pytest.mark.parametrize(
    ("place", "override"),
    [("s3://key:hush@bucket/spec.yaml", "seed=1"), ("/spec.yaml", "source.path=s3://key:hush@bucket/t.csv")],
)
def test_a_schedule_keeps_no_credentials_with_prefect(make_spec, place, override):
    with pytest.raises(SpecError, match=r"holds what may be credentials, which a Prefect server would keep") as refused:
        deploy_schedule(make_spec(), place, [override], parse_cron("0 2 * * *", "UTC"), True)
    assert "hush" not in str(refused.value)


class HeardError(Exception):
    """Ends a wait."""


def test_a_request_that_no_worker_takes_is_told_so(server, make_spec, monkeypatch):
    monkeypatch.setattr(flows.deployed.deployments, "ALONE_SECONDS", 0.0)

    def say(line):
        raise HeardError(line)

    request = submit_request(make_spec(), False)
    assert request.url.endswith(f"/runs/flow-run/{request.id}")
    with pytest.raises(HeardError, match="no worker serves the work pool 'makeweight'; .*prefect worker start"):
        wait_for_request(request, say)
    with get_client(sync_client=True) as client:
        client.delete_flow_run(UUID(request.id))


def test_the_server_refuses_what_is_no_spec_before_it_is_queued(server, make_spec):
    told = make_spec().model_dump(mode="json", by_alias=True)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(REQUESTS)
        for wrong in ({"seed": -1}, {"modality": "x"}, {"source": {"label": "y"}}):
            with pytest.raises(PrefectHTTPStatusError, match="409"):
                client.create_flow_run_from_deployment(deployment.id, parameters={"spec": told | wrong})
        assert deployment.concurrency_options.collision_strategy == "ENQUEUE"
        assert deployment.global_concurrency_limit.limit == 2


def test_what_a_worker_cannot_read_or_reach_ends_the_request_at_once_in_plain_words(served, make_spec, tmp_path):
    gone = make_spec(source={"path": "/nowhere/payments.csv", "label": "label"})
    short = make_spec("short", generator={"name": "resample"}, validate=["duplicates"], budget={"attempts_per_row": 1})
    asked = [submit_request(spec, False) for spec in (gone, short)]
    unread, unfilled = (wait_for_request(request, print) for request in asked)
    assert (unread.state, unread.exit_code, unread.fault) == ("Failed", 2, "no-such-source")
    assert unread.message.startswith("/nowhere/payments.csv: no such file or folder; check source.path")
    assert (unfilled.state, unfilled.exit_code, unfilled.fault) == ("Failed", 3, "shortfall")
    assert unfilled.message.startswith("class 'fraud': 0 of")
    for request in (unread, unfilled):
        assert run_of(request).run_count == 1, "an explained failure is not tried again"
        assert "Traceback" not in log_of(request)
        assert request.message.splitlines()[0] in log_of(request)
    assert not artifacts_of(unread)


def test_a_real_worker_keeps_to_its_policy(served, make_spec, tmp_path):
    """What is asked for here would be read, imported and sent by a worker without one."""
    attacks = {
        "source.path: the policy of this worker does not let it read '/etc/passwd'": {
            "source": {"path": "/etc/passwd", "label": "label", "format": "csv"}
        },
        f"generator.name: the policy of this worker does not let it import '{EVIL}:Evil'": {
            "generator": {"name": f"{EVIL}:Evil"}
        },
        "output.path: the policy of this worker does not let it write '/nowhere/else'": {
            "output": {"path": "/nowhere/else"}
        },
    }
    asked = {told: submit_request(make_spec(**parts), False) for told, parts in attacks.items()}
    for told, request in asked.items():
        ended = wait_for_request(request, print)
        assert (ended.state, ended.exit_code) == ("Failed", 2)
        assert ended.message.startswith(told)
        assert "\n" not in ended.message
        assert run_of(request).run_count == 1, "it is not tried again"
        assert not artifacts_of(request)


@pytest.mark.parametrize(
    "variables",
    [
        {"env": {"MAKEWEIGHT_POLICY": "/nowhere/policy.yaml"}},
        {"env.MAKEWEIGHT_POLICY": "/nowhere/policy.yaml"},
        {"command": "touch {marker}"},
        {"working_dir": "/"},
    ],
)
def test_a_single_run_brings_no_environment_and_no_command_of_its_own(served, make_spec, tmp_path, variables):
    """Else whoever fills in the form would bring a policy of his own."""
    marker = tmp_path / "marker"
    told = make_spec().model_dump(mode="json", by_alias=True)
    variables = json.loads(json.dumps(variables).replace("{marker}", str(marker)))
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(REQUESTS)
        with pytest.raises(PrefectHTTPStatusError, match="422"):
            client.create_flow_run_from_deployment(deployment.id, parameters={"spec": told}, job_variables=variables)
    assert not marker.exists()


def test_the_command_line_waits_for_the_dataset(served, make_spec, tmp_path):
    spec = make_spec("asked")
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(spec.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    answer = CliRunner().invoke(app, ["request", str(path), "--wait", "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert (told["state"], told["dataset"]) == ("Completed", spec.output.path)
    assert verify(spec.output.path).problems == []
    again = wait_for_request(submit_request(spec, False), print)
    assert set(artifacts_of(again)) == {"payments-class-counts", "payments-report", "payments-rows"}, (
        "who asks for what is there already is shown it"
    )


@pytest.mark.slow
def test_each_scheduled_build_takes_the_place_of_the_one_before(served, make_spec, tmp_path):
    spec, path = make_spec(), tmp_path / "spec.yaml"
    path.write_text(json.dumps(spec.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    for target in (90, 80):
        with get_client(sync_client=True) as client:
            nightly = client.read_deployment_by_name("scheduled-build/nightly")
            asked = {"spec": str(path), "overrides": [f"balance.target={target}"]}
            run = client.create_flow_run_from_deployment(nightly.id, parameters=asked)
        ended = wait_for_request(describe_run(run), print)
        assert ended.state == "Completed", ended.message
        found = verify(spec.output.path)
        assert {counts.target for counts in found.manifest.counts.values()} == {target}
        assert not found.problems


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_a_request_by_the_form_in_a_browser(served, make_spec):
    sync_api = pytest.importorskip("playwright.sync_api")
    site, spec = served.removesuffix("/api"), make_spec("formed")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(REQUESTS)
    with sync_api.sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=ALONE) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1800})
        page.goto(f"{site}/deployments/deployment/{deployment.id}/run")
        page.get_by_text("Names the dataset: letters, digits").wait_for()
        _fill(page, "Name", "formed")
        _fill(page, "Path", spec.source.path)
        _fill(page, "Label", "label")
        _fill(page, "Path", spec.output.path, 1)
        _property(page, "Name (Optional)").get_by_text("str", exact=True).click()
        _fill(page, "Name (Optional)", "smote")
        _shot(page, "form")
        page.get_by_role("button", name="Submit").click()
        page.get_by_text("scheduled to start").first.wait_for()
        _shot(page, "submitted")
        with get_client(sync_client=True) as client:
            run = max(client.read_flow_runs(), key=lambda one: one.created)
        ended = wait_for_request(describe_run(run), print)
        assert ended.state == "Completed", ended.message
        page.goto(ended.url)
        page.get_by_text("Artifacts", exact=True).last.click()
        page.get_by_text("formed-class-counts").first.wait_for()
        _shot(page, "artifacts")
        page.goto(f"{site}/artifacts/artifact/{artifacts_of(ended)['formed-rows'].id}")
        page.get_by_role("cell", name="synthetic").first.wait_for()
        _shot(page, "rows")
        page.goto(f"{site}/artifacts/artifact/{artifacts_of(ended)['formed-report'].id}")
        assert page.get_by_role("link", name="Report of formed").get_attribute("href").endswith("/report.html")
    assert verify(spec.output.path).problems == []


def _property(page, label, number=0):
    """Return the field of the form under this label."""
    inside = "ancestor::div[contains(concat(' ', @class, ' '), ' schema-form-property ')][1]"
    found = f"//span[contains(@class, 'schema-form-property__label') and normalize-space()='{label}']/{inside}"
    return page.locator(f"xpath={found}").nth(number)


def _fill(page, label, value, number=0):
    _property(page, label, number).locator("textarea").first.fill(value)


def _shot(page, name):
    """Keep a picture, where MAKEWEIGHT_SHOTS names a folder for a person to look at."""
    if folder := os.environ.get("MAKEWEIGHT_SHOTS"):
        page.screenshot(path=os.path.join(folder, f"{name}.png"))
