"""OpenLineage events of real builds: which run made which dataset from which source, whatever became of it."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run

import pytest

from flows.build import build
from flows.progress import Listener, listen
from pipelines.plan.planning import make_plan
from pipelines.storage.lock import lock_output
from pipelines.storage.workspace import make_workspace
from schemas.errors import ShortfallError, SpecError
from tests.conftest import ROOT

SHORT = {"generator": {"name": "resample", "chunk_rows": 50}, "budget": {"attempts_per_row": 2}}
"""A generator that makes copies alone, which are all rejected."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Ask for events in a file, by OpenLineage's own configuration file; return it."""
    config = tmp_path / "openlineage.yml"
    events = tmp_path / "events.jsonl"
    config.write_text(json.dumps({"transport": {"type": "file", "log_file_path": str(events), "append": True}}))
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))
    return events


@pytest.fixture
def server(monkeypatch):
    """Ask for events on a server, by its address; return what comes to it, as (path, event)."""
    got = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeper) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{one.server_port}"
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", address)
        yield got
        one.shutdown()


def read(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def told(events):
    return [(event["eventType"], event["run"]["runId"]) for event in events]


class StopOnce(Listener):
    """Stops a build in the middle of its fill, as Ctrl-C does."""

    def filled(self, progress):
        raise KeyboardInterrupt


@pytest.mark.usefixtures("engine")
def test_a_build_tells_its_source_and_its_dataset_to_a_server(make_spec, source, server):
    spec = make_spec()
    manifest = build(spec)
    assert {path for path, _ in server} == {"/api/v1/lineage"}
    events = [event for _, event in server]
    start, complete = events
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert all((e["job"]["namespace"], e["job"]["name"]) == ("makeweight", "payments") for e in events)
    assert start["run"]["facets"]["parent"]["job"]["name"] == "makeweight-build"

    for event in events:
        [read_] = event["inputs"]
        assert (read_["namespace"], read_["name"]) == ("file", str(source))
        assert [field["name"] for field in read_["facets"]["schema"]["fields"]][:2] == ["customer_id", "amount"]
        assert read_["facets"]["version"]["datasetVersion"] == manifest.source_fingerprint
        statistics = read_["inputFacets"]["inputStatistics"]
        assert (statistics["rowCount"], statistics["size"]) == (600, source.stat().st_size)

    [made] = complete["outputs"]
    assert (made["namespace"], made["name"]) == ("file", spec.output.path)
    assert made["facets"]["version"]["datasetVersion"] == manifest.content_hash
    kinds = {field["name"]: field["type"] for field in made["facets"]["schema"]["fields"]}
    assert kinds["amount"] == "double"
    assert set(kinds) > {"label", "_id", "_origin"}
    written = made["outputFacets"]["outputStatistics"]
    size = sum((Path(spec.output.path) / shard.path).stat().st_size for shard in manifest.shards)
    assert (written["rowCount"], written["size"], written["fileCount"]) == (manifest.rows, size, len(manifest.shards))
    lineage = made["facets"]["columnLineage"]
    [origin] = lineage["fields"]["amount"]["inputFields"]
    assert (origin["name"], origin["field"]) == (str(source), "amount")
    assert [field["field"] for field in lineage["dataset"]] == ["label"]

    assert build(spec) == manifest
    assert len(server) == 2, "what is complete already is no run"


@pytest.mark.usefixtures("in_process")
def test_a_failure_is_told_with_its_message_and_the_end_of_a_run_that_was_killed_before_it(make_spec, file):
    spec, killed = make_spec(**SHORT), "0191c2a8-1111-7111-8111-111111111111"
    place = make_workspace(spec.output.path, make_plan(spec))
    with lock_output(place):  # what a run leaves that is killed
        place.hidden.write(f"run-{place.key}.json", json.dumps({"run": killed}).encode())
    with pytest.raises(ShortfallError):
        build(spec)
    events = read(file)
    own = events[-1]["run"]["runId"]
    assert told(events) == [("ABORT", killed), ("START", own), ("FAIL", own)]
    assert "class 'fraud': 0 of " in events[-1]["run"]["facets"]["errorMessage"]["message"]
    assert events[-1]["outputs"] == []
    assert not place.hidden.exists(f"run-{place.key}.json"), "this one has ended"


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_build_that_is_stopped_and_goes_on_is_two_runs_of_one_job(make_spec, file):
    with pytest.raises(KeyboardInterrupt), listen(StopOnce()):
        build(make_spec())
    build(make_spec())
    events = read(file)
    first, second = events[0]["run"]["runId"], events[2]["run"]["runId"]
    assert first != second
    assert told(events) == [("START", first), ("ABORT", first), ("START", second), ("COMPLETE", second)]
    assert len({json.dumps([e["job"], e["inputs"]]) for e in events}) == 1


@pytest.mark.usefixtures("in_process")
def test_a_wrong_configuration_is_refused(make_spec, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    with pytest.raises(SpecError, match="OpenLineage's configuration .*url.*; mend it, or set OPENLINEAGE_DISABLED"):
        build(make_spec())


def test_credentials_are_in_no_name_of_a_dataset():
    from flows.watching.events import _dataset_name

    assert _dataset_name("s3://key:hush@bucket/data/payments.csv?region=us-east-1") == (
        "s3://bucket",
        "data/payments.csv",
    )
    assert _dataset_name("gs://bucket/out/") == ("gs://bucket", "out")
    assert _dataset_name("hdfs://node:8020/data") == ("hdfs://node:8020", "data")


def test_nothing_is_loaded_that_nobody_asked_for():
    code = (
        "import sys\nfrom flows.watching.watchers import make_watch\nmake_watch()\n"
        "print([m for m in ('openlineage', 'pynvml') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
