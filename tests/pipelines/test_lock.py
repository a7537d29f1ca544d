"""One writer: a live build is named and left alone, a dead one's lock is taken over, whatever way it ended."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from pipelines import lock
from pipelines.lock import RECORD, one_writer, read_writer
from pipelines.storage import Folder
from pipelines.workspace import Workspace
from schemas.errors import OutputError
from tests.conftest import ROOT
from tests.machine import s3_bucket

HOLD = """
import sys, time
from pipelines.lock import one_writer
from pipelines.storage import Folder
from pipelines.workspace import Workspace
with one_writer(Workspace(Folder(sys.argv[1]), "key")):
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
    with one_writer(place):
        record = replace(read_writer(place.hidden), **changes)
    place.hidden.write(RECORD, json.dumps(vars(record)).encode())
    return record


def test_the_second_of_two_builds_is_refused_and_the_first_is_named(place, other):
    since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    named = rf"host {socket.gethostname()!r}, process {other.pid}, {since}"
    message = rf"/out is being written by another build \({named}\); wait for it, or give another output.path"
    with pytest.raises(OutputError, match=message), one_writer(place):
        pytest.fail("both write")
    assert read_writer(place.hidden).pid == other.pid, "its lock stays"


def test_the_lock_of_a_killed_build_is_taken_over_at_once(place, other):
    other.kill()
    while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:  # nobody has waited for it yet
        time.sleep(0.01)
    start = time.monotonic()
    with one_writer(place):
        assert read_writer(place.hidden).pid == os.getpid()
    assert time.monotonic() - start < lock.BEAT
    assert not place.hidden.exists(RECORD)


def test_the_lock_ends_with_an_exception_and_with_ctrl_c(place):
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), one_writer(place):
            raise error
        assert not place.hidden.exists(RECORD)


def test_a_process_with_a_dead_ones_number_does_not_keep_its_lock(place, quick):
    left_behind(place, started=1.0)
    with one_writer(place):
        pass


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere"}, {"space": "pid:[1]"}], ids=["host", "container"])
def test_a_build_elsewhere_is_dead_once_it_gives_no_sign_of_life(place, elsewhere):
    left_behind(place, **elsewhere)
    with one_writer(place) as hold:
        hold.check()


def test_a_build_elsewhere_lives_while_it_gives_signs_whatever_its_clock_says(place, quick, monkeypatch):
    with one_writer(place):
        monkeypatch.setattr(lock, "_here", lambda: ("elsewhere", ""))
        monkeypatch.setattr(lock.time, "time", lambda: 0.0)
        with pytest.raises(OutputError, match=re.escape(f"host {socket.gethostname()!r}")), one_writer(place):
            pytest.fail("both write")


def test_a_build_that_lost_its_lock_stops_and_leaves_it(place):
    with one_writer(place) as hold:
        hold.check()
        taken = replace(read_writer(place.hidden), host="elsewhere", token="another")
        place.hidden.write(RECORD, json.dumps(vars(taken)).encode())
        with pytest.raises(OutputError, match="by another build .host 'elsewhere'"):
            hold.check()
    assert read_writer(place.hidden) == taken


def test_a_record_that_is_none_of_ours_holds_nothing(place):
    place.hidden.write(RECORD, b"\x00{")
    with one_writer(place):
        pass


@pytest.fixture
def bucket():
    """An output on a real S3 server on this machine."""
    with s3_bucket("hush") as (uri, _):
        yield Workspace(Folder(uri.format("out")), "key")


def test_on_an_object_store_too_the_second_is_refused(bucket):
    named = pytest.raises(OutputError, match=f"data/out.* is being written by .*process {os.getpid()}")
    with one_writer(bucket), named as caught, one_writer(bucket):
        pytest.fail("both write")
    assert "hush" not in str(caught.value)
    with one_writer(bucket):
        pass


def test_without_a_guard_the_last_of_two_records_wins(bucket, monkeypatch):
    def other_writes(_seconds):
        taken = replace(read_writer(bucket.hidden), host="elsewhere", token="another")
        bucket.hidden.write(RECORD, json.dumps(vars(taken)).encode())

    monkeypatch.setattr(lock.time, "sleep", other_writes)
    with pytest.raises(OutputError, match="by another build .host 'elsewhere'"), one_writer(bucket):
        pytest.fail("both write")
