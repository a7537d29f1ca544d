"""One writer: a live build is named and left alone, a dead one's lock is taken over, whatever way it ended."""

import json
import os
import pickle
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from threading import Event, Thread

import psutil
import pyarrow as pa
import pytest
from filelock import FileLock, Timeout

from pipelines.dataset.layout import ShardRange
from pipelines.dataset.write import _write_shard
from pipelines.storage import lock
from pipelines.storage.folder import Folder
from pipelines.storage.lock import GUARD, RECORD, lock_output, read_writer
from pipelines.storage.workspace import Workspace
from schemas.errors import OutputError
from tests.conftest import ROOT
from tests.machine import s3_bucket

HOLD = """
import sys, time
from pipelines.storage.lock import lock_output
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
with lock_output(Workspace(Folder(sys.argv[1]), "key")):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place(tmp_path):
    return Workspace(Folder(str(tmp_path / "out")), "key")


@pytest.fixture
def quick(monkeypatch):
    """Give signs of life often, so that the tests need not wait."""
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "SILENT", 0.3)


@pytest.fixture
def other(place):
    """Another process that holds the output."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, place.output.path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def left_behind(place, **changes):
    """Leave a lock as another build would have, and return it."""
    with lock_output(place):
        record = replace(read_writer(place.hidden), **changes)
    place.hidden.write(RECORD, json.dumps(vars(record)).encode())
    return record


def test_the_second_of_two_builds_is_refused_and_the_first_is_named(place, other):
    since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    named = rf"host {socket.gethostname()!r}, process {other.pid}, {since}"
    message = rf"/out is being written by another build \({named}\); wait for it, or give another output.path"
    with pytest.raises(OutputError, match=message), lock_output(place):
        pytest.fail("both write")
    assert read_writer(place.hidden).pid == other.pid, "its lock stays"


def test_the_lock_of_a_killed_build_is_taken_over_at_once(place, other, monkeypatch):
    other.kill()
    while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:  # nobody has waited for it yet
        time.sleep(0.01)
    monkeypatch.setattr(lock, "_watch_holder", lambda *_: pytest.fail("it waits for a sign of life"))
    with lock_output(place):
        assert read_writer(place.hidden).pid == os.getpid()
    assert not place.hidden.exists(RECORD)


def test_the_lock_ends_with_an_exception_and_with_ctrl_c(place):
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), lock_output(place):
            raise error
        assert not place.hidden.exists(RECORD)


def test_a_record_whose_write_failed_after_it_took_effect_is_not_in_the_next_builds_way(place, monkeypatch):
    write = Folder.write

    def fail(folder, *args):
        write(folder, *args)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", fail)
        with pytest.raises(OSError, match="Input/output error"), lock_output(place):
            pytest.fail("it builds")
    assert read_writer(place.hidden).pid == os.getpid(), "it lies there all the same"
    with lock_output(place):
        pass


def test_a_process_with_a_dead_ones_number_does_not_keep_its_lock(place, quick):
    left_behind(place, started=1.0)
    with lock_output(place):
        pass


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "elsewhere",
    [{"host": "elsewhere"}, {"space": "pid:[1]"}, {"boot": "another"}, {"boot": ""}],
    ids=["host", "container", "host of the same name", "record of an earlier version"],
)
def test_a_build_elsewhere_is_dead_once_it_gives_no_sign_of_life(place, elsewhere):
    left_behind(place, **elsewhere)
    with lock_output(place) as hold:
        hold.check()


def test_a_build_elsewhere_lives_while_it_gives_signs_whatever_its_clock_says(place, quick, monkeypatch):
    with lock_output(place):
        monkeypatch.setattr(lock, "_identify_host", lambda: ("elsewhere", "", ""))
        monkeypatch.setattr(lock.time, "time", lambda: 0.0)
        with pytest.raises(OutputError, match=re.escape(f"host {socket.gethostname()!r}")), lock_output(place):
            pytest.fail("both write")


def test_a_build_that_lost_its_lock_stops_and_leaves_it(place):
    with lock_output(place) as hold:
        hold.check()
        taken = replace(read_writer(place.hidden), host="elsewhere", token="another")
        place.hidden.write(RECORD, json.dumps(vars(taken)).encode())
        with pytest.raises(OutputError, match="by another build .host 'elsewhere'"):
            hold.check()
    assert read_writer(place.hidden) == taken


def gone():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("quick")
def test_a_live_lock_of_a_host_with_our_name_is_not_taken_over(place, monkeypatch):
    mine, pid = lock._describe_self, gone()  # over there a process has the number that none has here
    monkeypatch.setattr(lock, "_describe_self", lambda: replace(mine(), pid=pid, boot="another"))
    with lock_output(place) as hold:
        monkeypatch.setattr(lock, "SILENT", 5.0)
        with pytest.raises(OutputError, match=f"by another build .*process {pid}, since"), lock_output(place):
            pytest.fail("both write")
        hold.check()


def test_a_record_of_an_earlier_version_is_understood(place):
    record = vars(left_behind(place))
    del record["boot"]
    place.hidden.write(RECORD, json.dumps(record).encode())
    found = read_writer(place.hidden)
    assert (found.pid, found.boot) == (os.getpid(), "")
    assert lock.is_running_here(found) is None, "whether it is this host is not sure"


@pytest.mark.usefixtures("quick")
def test_a_record_of_a_later_version_is_understood_and_not_taken_over_while_it_gives_signs(place, monkeypatch):
    written = lock._write_record

    def more(folder, writer):
        written(folder, writer)
        folder.write(RECORD, json.dumps(json.loads(folder.read(RECORD)) | {"epoch": 7}).encode())

    monkeypatch.setattr(lock, "_write_record", more)
    with lock_output(place), pytest.raises(OutputError, match="by another build"), lock_output(place):
        pytest.fail("both write")


def test_a_lock_that_is_gone_is_lost_and_stays_so(place):
    with lock_output(place) as hold:
        mine = read_writer(place.hidden)
        place.hidden.remove(RECORD)
        told = "/out: the lock of this build is gone: another build took it over and ended, or somebody removed it; run"
        with pytest.raises(OutputError, match=told):
            hold.check()
        with pytest.raises(OutputError, match=told):
            hold._sign()
        assert not place.hidden.exists(RECORD), "it is not written again"
        place.hidden.write(RECORD, json.dumps(vars(mine)).encode())
        with pytest.raises(OutputError, match=told), hold.committing():
            pytest.fail("it commits")
        with pytest.raises(OutputError, match=told):
            hold.stop_if_lost()


def test_a_store_that_was_away_is_no_lock_that_was_lost(place, monkeypatch):
    with lock_output(place) as hold:
        with monkeypatch.context() as away:
            away.setattr(lock, "read_writer", lambda _folder: explained_away())
            with pytest.raises(OutputError, match="cannot be reached"):
                hold.check()
        hold.check()


def explained_away():
    raise OutputError("s3://data/out: cannot be reached: no answer; run the same command again, finished work is kept")


def test_what_fails_after_the_lock_was_lost_is_explained_by_that(place):
    with pytest.raises(OutputError, match="the lock of this build is gone"), lock_output(place):
        place.hidden.remove(RECORD)
        raise FileNotFoundError("staged/00000001.rows.arrow")
    with pytest.raises(FileNotFoundError), lock_output(place):
        raise FileNotFoundError("staged/00000001.rows.arrow")


def test_a_task_that_was_given_the_lease_writes_no_shard_once_the_output_was_lost(place):
    shard = ShardRange("data/part.parquet", "train", 0, 2)
    rows, target = pa.table({"_id": ["a", "b"]}), place.output
    with lock_output(place) as hold:
        lease = pickle.loads(pickle.dumps(hold.lease))  # noqa: S301 as Ray hands it on
        assert _write_shard(target, shard, rows, None, lease).shard.rows == 2
        target.remove("data/part.parquet")
        place.hidden.remove(RECORD)
        with pytest.raises(OutputError, match="the lock of this build is gone"):
            _write_shard(target, shard, rows, None, lease)
    assert not target.exists("data/part.parquet")


def guard_is_held(place):
    """Whether some other thread or process could not get the guard now."""
    found = []

    def attempt():
        try:
            with FileLock(place.hidden.inner(GUARD), timeout=0):
                found.append(False)
        except Timeout:
            found.append(True)

    thread = Thread(target=attempt)
    thread.start()
    thread.join()
    return found == [True]


def test_the_record_is_changed_under_the_guard_alone(place, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    held, beaten = {"write": [], "remove": []}, Event()
    write, remove = Folder.write, Folder.remove

    def noted(kind, real):
        def change(folder, name="", *data):
            if name == RECORD:
                held[kind].append(guard_is_held(place))
            real(folder, name, *data)
            if len(held["write"]) > 3:
                beaten.set()

        return change

    monkeypatch.setattr(Folder, "write", noted("write", write))
    monkeypatch.setattr(Folder, "remove", noted("remove", remove))
    with lock_output(place):
        assert beaten.wait(600)
    assert set(held["write"]) == {True}, "taking it, and each sign of life"
    assert held["remove"] == [True]


@pytest.mark.usefixtures("quick")
def test_nobody_takes_over_between_the_look_and_the_commit(place):
    left = left_behind(place, host="elsewhere")
    with lock_output(place) as hold:
        with hold.committing():
            assert guard_is_held(place)
            with hold.committing():  # such blocks may lie within each other
                pass
            assert guard_is_held(place)
        assert not guard_is_held(place)
        place.hidden.write(RECORD, json.dumps(vars(left)).encode())
        with pytest.raises(OutputError, match="by another build .host 'elsewhere'"), hold.committing():
            pytest.fail("it commits")


@pytest.mark.usefixtures("quick")
def test_a_build_that_halts_within_its_commit_is_named_and_not_taken_over(place, monkeypatch):
    with lock_output(place) as hold:
        monkeypatch.setattr(lock, "is_running_here", lambda _writer: None)  # as if it were elsewhere
        refused = []

        def second():
            try:
                with lock_output(place):
                    refused.append("both write")
            except OutputError as error:
                refused.append(str(error))

        with hold.committing():
            thread = Thread(target=second)
            thread.start()
            thread.join()
        hold.check()
    assert "is being written by another build" in refused[0]


@pytest.mark.usefixtures("quick")
def test_who_was_silent_for_long_looks_before_it_goes_on(place, monkeypatch):
    with lock_output(place) as hold:
        hold._ended.set()  # as if its process were halted
        hold._beats.join()
        place.hidden.write(RECORD, json.dumps(vars(replace(read_writer(place.hidden), token="another"))).encode())
        hold.stop_if_lost()  # it gave a sign just now, and need not look
        now = lock._read_clock()
        monkeypatch.setattr(lock, "_read_clock", lambda: now + lock.SILENT)
        with pytest.raises(OutputError, match="by another build"):
            hold.stop_if_lost()


@pytest.mark.parametrize("record", [b"\x00{", b"", b"[]", b'{"host": "here"}'])
def test_a_record_that_is_none_of_ours_holds_nothing(place, record):
    place.hidden.write(RECORD, record)
    with lock_output(place) as hold:
        hold.check()


@pytest.mark.parametrize("change", [{"pid": -1}, {"pid": "x"}, {"since": 1e300}, {"token": None}], ids=str)
def test_nor_does_one_that_says_what_cannot_be(place, change):
    place.hidden.write(RECORD, json.dumps(vars(left_behind(place)) | change).encode())
    with lock_output(place) as hold:
        hold.check()


@pytest.fixture
def bucket():
    """An output on a real S3 server on this machine."""
    with s3_bucket("hush") as (uri, _):
        place = Workspace(Folder(uri.format("out")), "key")
        yield place
        place.hidden.remove()  # the next server of this process has the same bucket


def test_on_an_object_store_too_the_second_is_refused(bucket):
    named = pytest.raises(OutputError, match=f"data/out.* is being written by .*process {os.getpid()}")
    with lock_output(bucket), named as caught, lock_output(bucket):
        pytest.fail("both write")
    assert "hush" not in str(caught.value)
    with lock_output(bucket):
        pass


def test_on_an_object_store_a_commit_begins_with_a_sign_of_life_and_tells_if_it_was_lost_meanwhile(bucket):
    with lock_output(bucket) as hold:
        before = read_writer(bucket.hidden)
        with hold.committing():
            assert read_writer(bucket.hidden).seen > before.seen
        taken = replace(before, host="elsewhere", token="another")
        with pytest.raises(OutputError, match="by another build .host 'elsewhere'"), hold.committing():
            bucket.hidden.write(RECORD, json.dumps(vars(taken)).encode())
        with pytest.raises(OutputError, match="by another build .host 'elsewhere'"), hold.committing():
            pytest.fail("it commits")
    assert read_writer(bucket.hidden) == taken


def test_without_a_guard_the_last_of_two_records_wins(bucket, monkeypatch):
    def other_writes(_seconds):
        taken = replace(read_writer(bucket.hidden), host="elsewhere", token="another")
        bucket.hidden.write(RECORD, json.dumps(vars(taken)).encode())

    monkeypatch.setattr(lock.time, "sleep", other_writes)
    with pytest.raises(OutputError, match="by another build .host 'elsewhere'"), lock_output(bucket):
        pytest.fail("both write")
