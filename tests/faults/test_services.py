"""What a build stands on goes away under it: a Ray node, the Prefect server. The build ends the same, or later."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.faults.harness import wait_until

pytestmark = pytest.mark.slow

SLOWLY = {
    "generator": {
        "name": "tests.faults.faulty:Late",
        "params": {"seconds": 0.3},
        "actors": 2,
        "chunk_rows": 4,
    }
}


def staged(bench, out="out"):
    return list((bench.place / out).glob(".makeweight/work-*/staged/*/*.rows.arrow"))


@pytest.fixture
def two_nodes():
    """A Ray cluster of two nodes of two CPUs each, and the second node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    second = cluster.add_node(num_cpus=2)
    yield cluster, second
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_that_goes_away_costs_nothing_but_time(make_bench, prefect_api, two_nodes):
    cluster, second = two_nodes
    generator = SLOWLY["generator"] | {"actors": 4}
    bench = make_bench(generator=generator)
    expected = bench.finish("calm", PREFECT_API_URL=prefect_api)
    run = bench.start(PREFECT_API_URL=prefect_api, RAY_ADDRESS=cluster.address)
    wait_until(lambda: len(staged(bench)) >= 4 or run.process.poll() is not None)
    cluster.remove_node(second, allow_graceful=False)
    code, told = run.end()
    assert code == 0, told
    assert bench.check() == expected


@pytest.fixture
def prefect_server(tmp_path):
    """A Prefect server of its own; yields its process and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
        env=os.environ | {"PREFECT_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    wait_until(lambda: answers(url))
    yield server, url
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(url):
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.slow
def test_the_prefect_server_dies_under_a_build(make_bench, prefect_api, prefect_server):
    server, url = prefect_server
    bench = make_bench(**SLOWLY)
    expected = bench.finish("calm", PREFECT_API_URL=prefect_api)
    run = bench.start(PREFECT_API_URL=url)
    wait_until(lambda: len(staged(bench)) >= 4 or run.process.poll() is not None)
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    code, told = run.end()
    assert code == 1, "Prefect cannot be told that the build is done"
    assert "Traceback" not in told
    assert f"the Prefect server ({url}) does not answer" in told
    assert "run the same command again: finished work is kept" in told
    assert bench.finish(PREFECT_API_URL=prefect_api) == expected


def test_a_prefect_server_that_is_not_there_is_told(make_bench):
    code, told = make_bench().start(PREFECT_API_URL="http://127.0.0.1:9/api").end()
    assert code == 1
    assert "the Prefect server (http://127.0.0.1:9/api) does not answer: Failed to reach API" in told
    assert "Traceback" not in told
