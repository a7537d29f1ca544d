"""A build is halted at any operation on storage, loses its output to another one, and wakes: it harms nothing.

Both run in this process, without Ray and Prefect. The other one takes this one's lock for that of another machine, and
finds it silent. `MAKEWEIGHT_FAULTS=all` takes each operation, else some.
"""

from threading import Thread, current_thread

import pytest

from pipelines.storage import lock
from schemas.errors import MakeweightError
from tests.faults.storage import inject
from tests.faults.test_storage_faults import Bench, strikes
from tests.in_process import go_in_process

SOME = 12
"""How many operations of a kind the suite takes."""
REFUSED = ("is being written by another build (host 'MainThread', process ", "another process holds ")
LOST = ("is being written by another build (host 'second', process ", "the lock of this build is gone: another build")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    made = Bench(go_in_process(monkeypatch), inject(monkeypatch), tmp_path, str(tmp_path / "out"))
    monkeypatch.setattr(lock, "SILENT", 0.0)  # who is elsewhere is dead at once
    monkeypatch.setattr(lock, "BEAT", -1.0)  # a sign is always due: no operation hangs on the clock
    monkeypatch.setattr(lock, "_identify_host", lambda: (current_thread().name, "", ""))
    monkeypatch.setattr(lock.Hold, "_beat", lambda _hold: None)  # who is halted gives no signs
    return made


def ended(command):
    """Return the content hash that a build ends with, or what it says."""
    try:
        return command().content_hash
    except MakeweightError as error:
        return str(error)


def elsewhere(command):
    """Run a build to its end as on another machine; return the same of it."""
    found = []
    thread = Thread(target=lambda: found.append(ended(command)), name="second")
    thread.start()
    thread.join()
    return found[0]


def commands(bench, kind):
    """Prepare a kind of build; return it, and the one that takes over."""
    if kind == "another spec":
        bench.write(40)
        return lambda: bench.build(bench.spec(seed=1)), lambda: bench.build(bench.spec(seed=2), True)
    first = bench.prepare(kind)
    return first, first


@pytest.mark.parametrize("kind", ["first", "another spec", "top-up", "prune"])
def test_a_build_that_lost_its_output_harms_nothing(bench, tmp_path, kind):
    first, second = commands(bench, kind)
    bench.keep()
    expected = ended(second)
    bench.restore()
    bench.faults.arm(0)
    own = ended(first)
    names = list(bench.faults.names)
    outcomes = {"took over": 0, "refused": 0}
    for number, after in strikes(names, False, 3, SOME):
        bench.restore()
        others = []

        def halt(_name, _path, others=others):
            bench.faults.nth = 0
            others.append(elsewhere(second))

        bench.faults._strike = halt
        bench.faults.arm(number, after)
        where = f"{kind}: operation {number} ({names[number - 1]}), {'after' if after else 'before'}"
        outcome = ended(first)
        assert len(others) == 1, where
        if any(told in others[0] for told in REFUSED):  # it was halted within a commit, and is waited for
            outcomes["refused"] += 1
            assert outcome == own, where
            assert bench.seen() == own, where
        else:
            outcomes["took over"] += 1
            assert others[0] == expected, where
            known = outcome == expected or "holds another build" in outcome
            assert known or any(told in outcome for told in LOST), f"{where}: {outcome}"
            assert bench.seen() == expected, where
        bench.faults.arm(0)
        assert ended(second) == expected, where
        assert bench.seen() == expected, where
        if list((tmp_path / "out" / ".makeweight").glob("work-*")):  # written late, and in nobody's way
            assert kind == "another spec"
            bench.build(bench.spec(seed=3), True)
        bench.tidy()
    print(outcomes)
    assert all(outcomes.values()), outcomes
