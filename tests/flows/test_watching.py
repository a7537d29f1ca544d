"""What watches a build: logs, metrics and the dashboard over them, Prefect's run log. None of it costs a build."""

import base64
import json
import logging
import re
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.build import build
from flows.progress import Build, Listener, listen
from flows.watching.gpus import read_gpus
from flows.watching.metrics import NAMED, Metrics
from flows.watching.settings import read_settings
from pipelines.fill.loop import StratumProgress
from pipelines.plan.planning import make_plan
from pipelines.storage.lock import lock_output
from pipelines.storage.workspace import make_workspace
from schemas.errors import ShortfallError, SpecError
from tests.conftest import ROOT
from tests.machine import small_disk

SHORT = {"generator": {"name": "resample", "chunk_rows": 50}, "budget": {"attempts_per_row": 2}}
"""A generator that makes copies alone, which are all rejected."""

AWAY = '{"type": "http", "url": "http://127.0.0.1:1", "retry": {"total": 0}}'
"""A lineage server that nobody runs, asked once for each event."""


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def quick(monkeypatch):
    """Let logs and metrics be brought up to date at each event."""
    for place in ("json_log.SECONDS", "prefect_log.SECONDS", "exporters.SECONDS"):
        monkeypatch.setattr(f"flows.watching.{place}", 0.0)


@pytest.fixture
def gateway():
    """A server that keeps what is pushed to it, as (sign-in, path, body); yields its address and what it got."""
    got = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(
                (
                    self.headers["Authorization"],
                    self.path,
                    self.rfile.read(int(self.headers["Content-Length"])).decode(),
                )
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeper) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()


def samples(text):
    """Return the samples of Prometheus' text form, as {(name, labels): value}."""
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found, name, **labels):
    return found[f"makeweight_{name}", frozenset({"dataset": "payments", **labels}.items())]


class Scrape(Listener):
    """Asks a port for metrics, as Prometheus does, whenever a chunk was looked at."""

    def __init__(self, port):
        self._address, self.answers = f"http://127.0.0.1:{port}/metrics", []

    def filled(self, progress):
        self.answers.append(samples(httpx.get(self._address, timeout=600).raise_for_status().text))


@pytest.mark.usefixtures("engine", "quick")
def test_a_build_is_seen_by_logs_prefect_port_file_and_gateway_and_the_dashboard_knows_its_metrics(
    make_spec, tmp_path, monkeypatch, free_port, gateway, caplog
):
    address, pushed = gateway
    monkeypatch.setenv("MAKEWEIGHT_LOG", str(tmp_path / "log.jsonl"))
    monkeypatch.setenv("MAKEWEIGHT_METRICS_PORT", str(free_port))
    monkeypatch.setenv("MAKEWEIGHT_METRICS_DIR", str(tmp_path))
    monkeypatch.setenv("MAKEWEIGHT_PUSHGATEWAY", address.replace("//", "//me:hush%2Fhush@"))
    scrape = Scrape(free_port)
    with listen(scrape), caplog.at_level(logging.INFO, logger="prefect"):
        manifest = build(make_spec(generator={"name": "smote", "actors": 1, "chunk_rows": 40}))
    made, tried = manifest.counts["fraud"].synthetic, manifest.attempts["fraud"]

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["dataset"] for line in lines} == {"payments"}
    assert len({(line["build"], line["run"], line["flow_run"]) for line in lines}) == 1
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in lines)
    events = [line["event"] for line in lines if line["event"] != "class"]
    steps = ["step", "step_ended"]
    assert events == ["started", *steps * 2, "step", "filling", "step_ended", *steps * 2, "published"]
    [last] = [line for line in lines if line["event"] == "class" and line["accepted"] == line["target"]]
    assert (last["class"], last["accepted"], last["candidates"]) == ("fraud", made, tried)
    assert last["rejected"] == manifest.rejections["fraud"]
    assert lines[-1]["content_hash"] == manifest.content_hash

    said = [one.getMessage() for one in caplog.records if one.name in ("prefect.flow_runs", "prefect.task_runs")]
    assert any(line.startswith(f"payments: {made:,} rows to make for 1 of 2 classes; into ") for line in said)
    assert [line.split(" …")[0] for line in said if " …" in line] == ["ingest", "fit", "fill", "write", "report"]
    assert any(line.startswith(f"fill: 1 of 1 classes full, {made:,} rows of {tried:,} candidates, ") for line in said)
    assert any(line.startswith(f"published {manifest.rows:,} rows in ") for line in said)

    during = scrape.answers[len(scrape.answers) // 2]
    assert value(during, "actors") == 1
    assert value(during, "queue_depth") == 1, "the actor holds two, one was just looked at"
    assert value(during, "step", step="fill") == 1
    assert 0 < value(during, "rows_accepted_total", **{"class": "fraud"}) < made
    assert value(during, "rows_per_second") > 0

    for text in ((tmp_path / "makeweight-payments.prom").read_text(), pushed[-1][2]):
        after = samples(text)
        assert value(after, "rows_accepted_total", **{"class": "fraud"}) == made
        assert value(after, "candidates_total", **{"class": "fraud"}) == tried
        for reason, rows in manifest.rejections["fraud"].items():
            assert value(after, "rows_rejected_total", reason=reason) == rows
        assert value(after, "last_run_success") == 1
        assert value(after, "dataset_rows") == manifest.rows
        assert value(after, "queue_depth") == value(after, "actors") == 0
    signed_in = "Basic " + base64.b64encode(b"me:hush/hush").decode()
    assert {(who, path) for who, path, _ in pushed} == {(signed_in, "/metrics/job/makeweight/dataset/payments")}

    exposed = {name for name, _ in [*during, *after]}
    dashboard = json.loads((ROOT / "infra" / "grafana" / "dashboard.json").read_text())
    asked = set(re.findall(r"makeweight_\w+", json.dumps(dashboard)))
    only_sometimes = {"makeweight_training_loss", *(name for name in asked if "_gpu_" in name)}
    assert asked - only_sometimes <= exposed
    assert {panel["title"] for panel in dashboard["panels"]} >= {"Rows per second", "GPU use", "Last success"}


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_run_that_fails_says_so_and_keeps_when_the_last_one_succeeded(make_spec, tmp_path, monkeypatch):
    monkeypatch.setenv("MAKEWEIGHT_LOG", str(tmp_path / "log.jsonl"))
    monkeypatch.setenv("MAKEWEIGHT_METRICS_DIR", str(tmp_path))
    build(make_spec("good"))
    before = value(samples((tmp_path / "makeweight-payments.prom").read_text()), "last_success_timestamp_seconds")
    with pytest.raises(ShortfallError):
        build(make_spec("short", **SHORT))
    after = samples((tmp_path / "makeweight-payments.prom").read_text())
    assert value(after, "last_run_success") == 0
    assert value(after, "last_success_timestamp_seconds") == before < value(after, "last_run_timestamp_seconds")
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["level"], last["kind"]) == ("failed", "error", "ShortfallError")
    assert "class 'fraud': 0 of " in last["error"]
    assert "traceback" not in last, "what was explained needs none"


@pytest.mark.usefixtures("in_process", "quick")
def test_what_watches_never_costs_the_build(make_spec, tmp_path, monkeypatch, capfd, free_port):
    with small_disk(tmp_path / "disk", "16k") as disk, socket.create_server(("127.0.0.1", free_port)):
        (disk / "log.jsonl").write_bytes(b"x" * 12_000)
        monkeypatch.setenv("MAKEWEIGHT_LOG", str(disk / "log.jsonl"))
        monkeypatch.setenv("MAKEWEIGHT_METRICS_PORT", str(free_port))
        monkeypatch.setenv("MAKEWEIGHT_METRICS_DIR", str(disk))
        monkeypatch.setenv("MAKEWEIGHT_PUSHGATEWAY", "http://me:hush-hush@127.0.0.1:1")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT", AWAY)
        manifest = build(make_spec(generator={"name": "smote", "actors": 2, "chunk_rows": 10}))
    assert manifest.counts["fraud"].synthetic > 0
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("makeweight: warning")]
    assert len(told) == 5, "one line each"
    for title in (
        "OpenLineage: an event was not taken: .*refused",
        "the log: .*No space left",
        f"the metrics port {free_port}: .*in use",
        "the metrics file: .*No space",
    ):
        assert any(re.search(title, line) for line in told), told
    assert any(re.search(r"the Pushgateway: http://127.0.0.1:1: .*refused", line) for line in told), told
    assert all(line.endswith("; the build does not depend on it") for line in told)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MAKEWEIGHT_METRICS_PORT", "http", "MAKEWEIGHT_METRICS_PORT must be a port from 1 to 65535, or HOST:PORT"),
        ("MAKEWEIGHT_METRICS_PORT", "70000", "got '70000'"),
        ("MAKEWEIGHT_METRICS_DIR", "no/such", "textfile collector reads, and there is none, got 'no/such'"),
        ("MAKEWEIGHT_PUSHGATEWAY", "gateway:9091", "http or https address of a Pushgateway"),
        ("MAKEWEIGHT_LOG", "s3://bucket/log", "must be stderr or a file on this machine"),
        ("OPENLINEAGE_CONFIG", "no/such.yml", "OpenLineage's configuration file, and there is none: 'no/such.yml'"),
    ],
)
def test_a_setting_of_a_wrong_form_is_refused(name, text, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        read_settings({name: text})


@pytest.mark.usefixtures("in_process")
def test_a_wrong_setting_stops_a_build_before_its_work(make_spec, monkeypatch):
    spec = make_spec()
    monkeypatch.setenv("MAKEWEIGHT_METRICS_PORT", "none")
    with pytest.raises(SpecError, match="MAKEWEIGHT_METRICS_PORT must be a port"):
        build(spec)
    assert not list(Path(spec.output.path).glob(".makeweight/work-*"))
    with lock_output(make_workspace(spec.output.path, make_plan(spec))):
        pass  # its lock is gone


def test_settings_are_read_as_they_are_meant(tmp_path):
    plain = read_settings({"MAKEWEIGHT_LOG": "stderr", "MAKEWEIGHT_METRICS_PORT": "9464"})
    assert (plain.log, plain.listen) == ("stderr", ("127.0.0.1", 9464))
    assert read_settings({"MAKEWEIGHT_METRICS_PORT": "10.0.0.7:9464"}).listen == ("10.0.0.7", 9464)
    assert read_settings({"OPENLINEAGE_URL": "http://x"}).lineage
    assert not read_settings({"OPENLINEAGE_URL": "http://x", "OPENLINEAGE_DISABLED": "true"}).lineage


def test_series_stay_few_whatever_the_classes(make_spec, tmp_path):
    classes = NAMED + 20
    rows = [f"{row},class {number:02}" for number in range(classes) for row in range(classes + 5 - number)]
    (tmp_path / "many.csv").write_text("\n".join(["amount,label", *rows]))
    spec = make_spec(source={"path": str(tmp_path / "many.csv"), "label": "label"})
    plan = make_plan(spec)
    metrics = Metrics()
    metrics.started(Build(spec, plan, make_workspace(spec.output.path, plan)))
    metrics.filling(plan, 1)
    for stratum in plan.strata:
        if stratum.make:
            metrics.filled(StratumProgress(stratum.name, 3, stratum.make, 5, {f"reason {stratum.name}": 2}))
    found = [sample for family in metrics.collect() for sample in family.samples]
    accepted = {s.labels["class"]: s.value for s in found if s.name == "makeweight_rows_accepted_total"}
    rejected = [s.value for s in found if s.name == "makeweight_rows_rejected_total"]
    assert len(accepted) == len(rejected) == NAMED + 1
    assert sum(accepted.values()) == 3 * (classes - 1)
    assert sum(rejected) == 2 * (classes - 1)
    assert accepted[f"class {classes - 1}"] == 3, "the classes that need the most keep their names"
    assert accepted["other"] == 3 * (classes - 1 - NAMED)


def test_gpus_of_this_machine_are_seen():
    if not shutil.which("nvidia-smi"):
        pytest.skip("no NVIDIA driver here")
    listed = run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = read_gpus()
    assert len(found) == len(listed) > 0
    assert all(0 <= one.busy <= 1 and 0 < one.used < one.memory for one in found)
