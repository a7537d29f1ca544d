"""What all tests share: nothing calls out, one Ray and one Prefect server for all builds."""

import os
from pathlib import Path

os.environ.update(
    # Ray's processes and commands find the tests' generators, from whatever folder they are started in
    PYTHONPATH=os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])),
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="CRITICAL",
    DO_NOT_TRACK="1",
    RAY_USAGE_STATS_ENABLED="0",
    NO_ALBUMENTATIONS_UPDATE="1",
    HF_HUB_OFFLINE="1",
    MAKEWEIGHT_RATES="off",  # nothing is kept in the home of whoever runs the tests
)

import pytest

from tests.waiting import LIMIT

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the project; a test that needs it skips where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(scope="session")
def engine():
    """One local Ray and one Prefect server for every build in this process."""
    import ray
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    from pipelines.engine.actors import LOCAL

    ray.init(num_cpus=4, log_to_driver=False, logging_level="ERROR", **LOCAL)
    calm = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})  # its thread ends a second late, each time
    with prefect_test_harness(server_startup_timeout=LIMIT), calm:
        yield
    ray.shutdown()


@pytest.fixture
def in_process(monkeypatch):
    """Builds and evaluations of this test run in this process, without Ray and Prefect, which are seen elsewhere."""
    from tests.in_process import go_without_engines

    go_without_engines(monkeypatch)
