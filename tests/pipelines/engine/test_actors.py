"""The Ray that builds of one process share: the first one starts it, the last one ends it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from pipelines.engine import actors
from schemas.spec import GeneratorChoice
from tests.flows.test_threads import LIMIT


class Fake:
    """Stands for Ray: notes when it is started and ended."""

    dashboard_url = ""

    def __init__(self):
        self.up, self.log = False, []

    def init(self, **options):
        self.up = True
        self.log.append(options["num_cpus"])
        return self

    def shutdown(self):
        self.up = False
        self.log.append("down")

    def is_initialized(self):
        return self.up


@pytest.fixture
def fake(monkeypatch):
    """Put it in Ray's place on a machine of two CPUs."""
    ray = Fake()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(actors.os, "cpu_count", lambda: 2)
    for name in ("init", "shutdown", "is_initialized"):
        monkeypatch.setattr(actors.ray, name, getattr(ray, name))
    return ray


def test_the_last_of_several_builds_ends_ray(fake):
    with actors.join_cluster(GeneratorChoice()):
        assert not actors.is_shared()
        with actors.join_cluster(GeneratorChoice()):
            assert actors.is_shared()
        assert fake.up
        assert not actors.is_shared()
    assert fake.log == [2, "down"]
    fake.up = True
    with actors.join_cluster(GeneratorChoice()):
        pass
    assert fake.up, "whoever started it ends it"


def test_a_build_that_asks_for_more_than_ray_has_waits_until_it_can_be_started_anew(fake):
    began = Event()

    def larger():
        began.set()
        with actors.join_cluster(GeneratorChoice(actors=5)):
            return list(fake.log)

    with ThreadPoolExecutor(1) as threads:
        with actors.join_cluster(GeneratorChoice()):
            waits = threads.submit(larger)
            assert began.wait(LIMIT)
            assert fake.log == [2]
        assert waits.result(LIMIT) == [2, "down", 5]


def test_a_ray_that_cannot_be_started_is_tried_again(fake, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(actors, "_start_ray", lambda _choice: 1 / 0)
        with pytest.raises(ZeroDivisionError), actors.join_cluster(GeneratorChoice()):
            pytest.fail("it is up")
    with actors.join_cluster(GeneratorChoice()):
        assert fake.up
    assert fake.log == [2, "down"]
