"""A small real-looking table and the specs that build from it."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from schemas.spec import Spec, parse
from tests.benchmarks.common import CHEAP
from tests.prefect_server import deploy, prefect_server


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """600 rows with ids, gaps, a constant, dates and two columns to balance by."""
    rng = np.random.default_rng(7)
    rows = 600
    label = np.where(rng.random(rows) < 0.12, "fraud", "fair")
    amount = np.where(label == "fraud", rng.normal(90, 10, rows), rng.normal(40, 15, rows)).round(2)
    table = pa.table(
        {
            "customer_id": np.arange(1000, 1000 + rows),
            "amount": pa.array(amount, mask=rng.random(rows) < 0.1),
            "visits": rng.integers(0, 30, rows),
            "region": rng.choice(["north", "south", "east"], rows),
            "since": np.datetime64("2020-01-01") + rng.integers(0, 900, rows),
            "currency": ["EUR"] * rows,
            "label": label,
        }
    )
    path = tmp_path_factory.mktemp("source") / "payments.csv"
    pa.csv.write_csv(table, path)
    return path


@pytest.fixture(scope="session")
def deployed(tmp_path_factory):
    """The address of a Prefect server with makeweight's deployments, and its folder; nobody works there yet."""
    home = tmp_path_factory.mktemp("prefect")
    with prefect_server(home) as api:
        deploy(api, home)
        yield api, home


@pytest.fixture
def make_spec(source, tmp_path):
    """Return a spec for that table; parts of it may be given."""

    def make(name="built", **parts) -> Spec:
        data = {
            "name": "payments",
            "source": {"path": str(source), "label": "label"},
            "generator": {"name": CHEAP, "actors": 1},
            "validate": ["schema", "duplicates"],
            "output": {"path": str(tmp_path / name), "shard_rows": 400},
        }
        return parse(Spec, data | parts)

    return make
