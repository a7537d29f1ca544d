"""The whole arrangement of infra/, without containers: a build that goes through all of it, and what it cannot do."""

import asyncio
import json
import os
import subprocess
import sys

import httpx
import psutil
import pytest
from pyarrow import fs

from infra.arrangement import ArrangementError, arrangement, postgres_binaries
from pipelines.engine.cluster import refuse_unreachable
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse
from tests.conftest import ROOT
from tests.faults.conftest import tables

pytestmark = pytest.mark.skipif(
    postgres_binaries() is None, reason="Postgres is not installed (Debian: apt-get install postgresql)"
)


REQUESTS = "request-balanced-dataset/makeweight"


SECONDS = 600


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """The arrangement; when it has ended, none of its processes is left."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with arrangement(tmp_path_factory.mktemp("arrangement")) as made:
        started = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
        yield made
    assert len(started) > 6
    assert [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture
def spec(tmp_path):
    """A spec of a small table, and the table; two actors of a CPU each need both nodes."""
    parts = tables(tmp_path)
    return {"name": "t", **parts, "output": {"path": str(tmp_path / "plain"), **parts["output"]}}


@pytest.fixture
def call(tmp_path):
    """Return what starts a program with an environment; none outlives the test."""
    running = []

    def call(*command, without=(), **environment):
        kept = {name: value for name, value in os.environ.items() if name not in without}
        kept.pop("PREFECT_API_URL", None)
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**kept, "PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), **environment},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield call
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def ended(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def store_of(stand):
    known = stand.environment
    return fs.S3FileSystem(
        access_key=known["AWS_ACCESS_KEY_ID"],
        secret_key=known["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=stand.s3,
        scheme="http",
        region="us-east-1",
    )


def write_spec(spec, path):
    path.write_text(json.dumps(spec))
    return str(path)


async def flow_runs(database):
    """Return the flow runs that Prefect keeps in Postgres, by the state they are in."""
    import asyncpg

    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    try:
        return await connection.fetch("select state_type::text, name from flow_run where deployment_id is not null")
    finally:
        await connection.close()


def test_a_request_goes_through_prefect_ray_and_s3_and_gives_the_bytes_of_a_plain_build(stand, spec, call, tmp_path):
    with store_of(stand).open_output_stream("makeweight/sources/t.csv") as sink:
        sink.write((tmp_path / "t.csv").read_bytes())
    shared = spec | {
        "source": spec["source"] | {"path": "s3://makeweight/sources/t.csv"},
        "output": spec["output"] | {"path": "s3://makeweight/datasets/t"},
    }
    told = parse(Spec, shared).model_dump(mode="json", by_alias=True, exclude_unset=True)
    asked = json.dumps({"spec": told, "replace": False})
    request = call("prefect", "deployment", "run", REQUESTS, "--params", asked, "--watch", **stand.environment)
    prefect = {name: value for name, value in stand.environment.items() if name.startswith("PREFECT_")}
    plain = call("flows.cli", "build", write_spec(spec, tmp_path / "spec.yaml"), "--json", **prefect)
    code, out, err = ended(request)
    assert code == 0, out + err
    code, out, err = ended(plain)
    assert code == 0, out + err
    with store_of(stand).open_input_stream("makeweight/datasets/t/manifest.json") as made:
        manifest = json.load(made)
    assert manifest["content_hash"] == json.loads(out)["content_hash"]
    code, out, err = ended(call("flows.cli", "verify", "s3://makeweight/datasets/t", **stand.environment))
    assert (code, err) == (0, "")
    assert "ok: 240 rows" in out
    assert [row["state_type"] for row in asyncio.run(flow_runs(stand.database))] == ["COMPLETED"]


def test_prefects_api_asks_who_calls_and_shows_itself_to_no_other_page(stand, spec, call, tmp_path):
    runs = f"{stand.prefect}/flow_runs/filter"
    assert httpx.post(runs, json={}).status_code == 401
    key = tuple(stand.environment["PREFECT_API_AUTH_STRING"].split(":"))
    answer = httpx.post(runs, json={}, auth=key, headers={"origin": "http://evil.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    code, out, _ = ended(
        call("flows.cli", "request", write_spec(spec, tmp_path / "spec.yaml"), "--json", PREFECT_API_URL=stand.prefect)
    )
    assert code == 1
    assert "asks who calls; set PREFECT_API_AUTH_STRING" in json.loads(out)["error"]


def test_the_worker_keeps_to_the_policy_that_comes_with_it(stand, spec, call, tmp_path):
    path = write_spec(spec, tmp_path / "spec.yaml")  # whose source this user may read, and no request
    code, out, _ = ended(call("flows.cli", "request", path, "--wait", "--json", **stand.environment))
    told = json.loads(out)
    assert (code, told["state"]) == (2, "Failed")
    assert told["message"].startswith("source.path: the policy of this worker does not let it read ")
    assert "allowed: s3://makeweight/sources, s3://makeweight/specs; " in told["message"]


def test_more_gpus_than_there_are_is_told_at_once(stand, spec, call, tmp_path):
    greedy = spec | {"generator": spec["generator"] | {"gpus": 1}}
    code, out, _ = ended(
        call("flows.cli", "build", write_spec(greedy, tmp_path / "spec.yaml"), "--json", **stand.environment)
    )
    assert code == 2
    assert json.loads(out)["error"].endswith(
        "generator: asks for 2 actor(s) of 1 CPU and 1 GPU, but there are 2 CPU and 0 GPU; lower actors, cpus or gpus"
    )


def test_a_cluster_that_asks_for_a_token_says_so(stand, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(
        MakeweightError, match=f"the Ray cluster at {stand.ray} asks for a token: set RAY_AUTH_MODE=tok"
    ):
        refuse_unreachable(stand.ray)


def test_prefect_takes_the_kubernetes_work_pool(stand, call):
    template = str(ROOT / "infra" / "kubernetes" / "base-job-template.json")
    made = ["work-pool", "create", "k8s", "--type", "kubernetes", "--base-job-template", template]
    code, out, err = ended(call("prefect", *made, **stand.environment))
    assert code == 0, out + err


def test_what_listens_but_is_no_ray_is_told(stand, monkeypatch):
    monkeypatch.setattr("pipelines.engine.cluster.ANSWER", 5.0)
    with pytest.raises(MakeweightError, match=f"no Ray cluster answers at {stand.s3}: "):
        refuse_unreachable(stand.s3)


@pytest.mark.slow
def test_a_part_that_does_not_start_is_named_and_nothing_stays(tmp_path):
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(ArrangementError, match="ray-head ended: .*-1"), arrangement(tmp_path, cpus=-1):
        pass
    assert set(psutil.Process().children(recursive=True)) <= before
