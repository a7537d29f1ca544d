"""An address of a Ray cluster that does not answer is told."""

import pytest

from infra.arrangement import postgres_binaries
from pipelines.engine.cluster import refuse_unreachable
from schemas.errors import MakeweightError

pytestmark = pytest.mark.skipif(
    postgres_binaries() is None, reason="Postgres is not installed (Debian: apt-get install postgresql)"
)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "127.0.0.1:9",
            "no Ray cluster answers at 127.0.0.1:9: .*refused; see that the cluster runs and that RAY_ADDRESS",
        ),
        (
            "ray://user:secret@head:10001",
            "RAY_ADDRESS is ray://\\*\\*\\*@head:10001: a build does not run through Ray's client",
        ),
        ("head", "RAY_ADDRESS must be host:port, auto or local, got 'head'"),
    ],
)
def test_an_address_that_does_not_answer_is_told(monkeypatch, address, told):
    monkeypatch.setattr("pipelines.engine.cluster.PATIENCE", 2.0)
    with pytest.raises(MakeweightError, match=told):
        refuse_unreachable(address)
