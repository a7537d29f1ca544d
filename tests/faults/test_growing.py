"""A Ray cluster whose nodes come and go while a build runs: its actors come and go with them, its bytes stay."""

import psutil
import pytest

from tests.faults.harness import command, wait_until

pytestmark = pytest.mark.slow

SLOWLY = {"name": "tests.faults.faulty:Late", "params": {"seconds": 1.0}, "chunk_rows": 3}


@pytest.fixture
def one_node():
    """A Ray cluster of one node of one CPU."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def actors_on(node):
    """Return the actors that make rows on a node of this machine."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [one for one in raylet.children(recursive=True) if "ray::GeneratorActor" in " ".join(command(one))]


def test_a_node_that_joins_gets_actors_and_one_that_leaves_costs_its_chunks_in_flight(
    make_bench,
    prefect_api,
    one_node,
    tmp_path,
):
    bench = make_bench(generator=SLOWLY | {"params": {"seconds": 0}})
    expected = bench.finish("calm", PREFECT_API_URL=prefect_api)
    log = tmp_path / "made"
    bench = make_bench(generator=SLOWLY | {"params": {"seconds": 1.0, "log": str(log)}})
    run = bench.start(PREFECT_API_URL=prefect_api, RAY_ADDRESS=one_node.address)
    wait_until(lambda: actors_on(one_node.head_node) or run.process.poll() is not None)
    second = one_node.add_node(num_cpus=2)
    wait_until(lambda: len(actors_on(second)) == 2 or run.process.poll() is not None)
    assert run.process.poll() is None, run.told()
    wait_until(lambda: len(log.read_text().split()) >= 12)
    one_node.remove_node(second, allow_graceful=False)
    code, told = run.end()
    assert code == 0, told
    assert bench.check() == expected
    chunks = log.read_text().split()
    again = len(chunks) - len(set(chunks))
    assert again <= 2, f"made again: {again} of {len(chunks)} chunks"


def test_a_cluster_that_grows_on_demand_is_given_its_time_and_no_more(make_bench, prefect_api, one_node):
    bench = make_bench(generator=SLOWLY | {"actors": 1, "gpus": 1})
    told = bench.start(PREFECT_API_URL=prefect_api, RAY_ADDRESS=one_node.address, MAKEWEIGHT_WAIT_FOR_NODES="5").end()
    assert told[0] == 1
    assert (
        "the fit asks for 1 CPU and 1 GPU and got no place within 5 s; free in the cluster: 1 CPU and 0 GPU" in told[1]
    )
