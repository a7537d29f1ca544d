"""A Ray cluster whose nodes are of two kinds: a build keeps to one, and never goes on with the work of the other."""

import json

import pyarrow.parquet as pq
import pytest

from tests.faults.harness import wait_until

pytestmark = pytest.mark.slow
OTHER = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem"}
"""What makes a node of this machine one of another kind: torch and OpenBLAS really pick other kernels then."""


@pytest.fixture
def cluster():
    """A Ray cluster of one node of two CPUs; nodes can be added."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made
    made.shutdown()


def machine_of(bench):
    return json.loads((bench.place / "out" / "manifest.json").read_text())["machine"]


def levels(log):
    """Return the levels of instructions that chunks were made with."""
    return set(log.read_text().split())


def spec(log, seconds=0.0):
    return {
        "name": "tests.faults.faulty:Where",
        "params": {"log": str(log), "seconds": seconds},
        "actors": 3,
        "chunk_rows": 3,
    }


def test_a_build_keeps_to_the_kind_with_the_most_room_and_makes_the_bytes_of_that_kind(
    make_bench, prefect_api, cluster, tmp_path
):
    calm = make_bench(generator=spec(tmp_path / "calm"), validate=["schema", "label_agreement"])
    expected = calm.finish("calm", PREFECT_API_URL=prefect_api)
    cluster.add_node(num_cpus=1, env_vars=OTHER)
    log = tmp_path / "mixed"
    bench = make_bench(generator=spec(log), validate=["schema", "label_agreement"])
    code, told = bench.start(PREFECT_API_URL=prefect_api, RAY_ADDRESS=cluster.address).end()
    assert code == 0, told
    assert bench.check() == expected
    assert levels(log) == {machine_of(bench)["instructions"]} != {"DEFAULT"}


def test_work_that_was_begun_on_a_kind_that_is_gone_is_begun_anew(make_bench, prefect_api, cluster, tmp_path):
    log = tmp_path / "made"
    bench = make_bench(generator=spec(log, 1.0) | {"actors": 2})
    run = bench.start(PREFECT_API_URL=prefect_api, RAY_ADDRESS=cluster.address)
    wait_until(lambda: log.exists() or run.process.poll() is not None)
    run.kill()
    assert levels(log) != {"DEFAULT"}
    log.unlink()
    code, told = bench.start(PREFECT_API_URL=prefect_api, **OTHER).end()  # on this machine, as another kind of it
    assert code == 0, told
    assert levels(log) == {"DEFAULT"}, "nothing of the other kind's work went into it"
    made = pq.read_table(sorted((bench.place / "out" / "data").glob("*.parquet")))["_id"].to_pylist()
    assert len(log.read_text().split()) >= len({name.rsplit("-", 2)[1] for name in made if name.startswith("made")}) > 0
    assert machine_of(bench)["instructions"] == "DEFAULT"
