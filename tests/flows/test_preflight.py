"""What cannot go well is told before any server starts, in one sentence that says what to set."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest

from flows import preflight
from flows.preflight import refuse_unready
from pipelines.engine.cluster import ray_folder
from pipelines.plan.planning import make_plan
from schemas.errors import MakeweightError, OutputError, SpecError
from schemas.spec import Spec, parse
from tests.benchmarks.common import CHEAP
from tests.conftest import ROOT
from tests.terminal import LIMIT


@pytest.fixture
def place(tmp_path):
    rows = "".join(f"{n % 7}.5,{n % 5}.25,{'no' if n % 9 else 'yes'}\n" for n in range(200))
    (tmp_path / "data.csv").write_text(f"a,b,y\n{rows}")
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


def spec_of(place, output):
    source = {"path": str(place / "data.csv"), "label": "y"}
    return parse(Spec, {"name": "t", "source": source, "generator": {"name": CHEAP}, "output": {"path": output}})


PLACES = {
    "/proc/x": "no folder can be made there",
    "/proc/x/y/z": "no folder can be made there",
    "/dev/null/x": "Not a directory: /dev/null",
    "/sys/x": "",
    "PLACE/file": "Not a directory: PLACE/file",
    "PLACE/file/x": "Not a directory: PLACE/file",
    "PLACE/loop/x": "Not a directory: PLACE/loop",
    f"PLACE/{'n' * 300}": "File name too long",
    f"PLACE/{'/'.join(['d' * 200] * 30)}": "File name too long",
    "file:///proc/x": "no folder can be made there",
}


@pytest.mark.parametrize("output", PLACES, ids=lambda path: path[:20])
def test_an_output_that_cannot_be_made_is_told_before_work_begins(place, output):
    why, output = (text.replace("PLACE", str(place)) for text in (PLACES[output], output))
    spec = spec_of(place, output)
    with pytest.raises(OutputError) as told:
        refuse_unready(spec, make_plan(spec))
    assert f"may not be written ({why}" in str(told.value)
    assert str(told.value).endswith("; give the rights or choose another output.path")
    assert "\n" not in str(told.value)


def test_the_command_says_it_and_starts_nothing(place):
    (place / "spec.yaml").write_text(
        f"{{name: t, source: {{path: data.csv, label: y}}, generator: {{name: '{CHEAP}'}}, output: {{path: /proc/x}}}}"
    )
    told = "/proc/x: may not be written (no folder can be made there); give the rights or choose another output.path"
    assert run_build(place) == {"error": told, "code": "output", "advice": None, "exit_code": 2}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("a\0b", "holds NUL, which no file's name may hold"),
        ("s3://bucket/a\0b", "holds NUL, which no file's name may hold"),
        ("a\udcffb", "input should be a valid string"),
    ],
)
def test_a_path_of_what_is_no_text_is_refused_with_the_spec(place, bad, why):
    with pytest.raises(SpecError, match=f"output.path: {why}"):
        spec_of(place, bad)


def test_a_dataset_that_is_there_may_lie_where_nothing_can_be_written(place, monkeypatch):
    spec = spec_of(place, str(place / "out"))
    monkeypatch.setattr(preflight, "refuse_unwritable_output", lambda _: pytest.fail("asked"))
    monkeypatch.setattr(preflight, "read_manifest", lambda _: object())
    refuse_unready(spec, make_plan(spec))


MACHINES = {
    "home": (
        {"HOME": "/proc/x", "PREFECT_HOME": ""},
        "HOME is /proc/x, and /proc/x/.prefect cannot be written (no folder can be made there): set PREFECT_HOME",
    ),
    "prefect": (
        {"PREFECT_HOME": "/proc/x"},
        "PREFECT_HOME /proc/x cannot be written (no folder can be made there): set",
    ),
    "ray": (
        {"RAY_TMPDIR": "/dev/null"},
        "/dev/null/ray cannot be written (Not a directory: /dev/null), where Ray keeps",
    ),
    "long": ({"RAY_TMPDIR": f"PLACE/{'n' * 80}"}, "and 107 is the most: set RAY_TMPDIR to a folder of a shorter path"),
}


def run_build(place, *before, **settings):
    """Run the build, at most until it would start a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_API", "RAY_ADDRESS"))}
    environment = {name: value for name, value in (kept | settings).items() if value}
    command = [*before, sys.executable, "-m", "flows.cli", "build", str(place / "spec.yaml"), "--json"]
    environment["PYTHONPATH"] = str(ROOT)
    answer = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, timeout=LIMIT)
    assert "Traceback" not in answer.stderr, answer.stderr
    assert "Warning" not in answer.stderr, answer.stderr
    told = json.loads(answer.stdout)
    assert answer.returncode == told["exit_code"]
    assert "\n" not in told["error"]
    return told


@pytest.fixture
def simple(place):
    (place / "spec.yaml").write_text(
        f"{{name: t, source: {{path: data.csv, label: y}}, generator: {{name: '{CHEAP}'}}, output: {{path: out}}}}"
    )
    return place


@pytest.mark.parametrize("fault", MACHINES)
def test_a_machine_that_cannot_take_a_build_is_told_what_to_set(simple, fault):
    settings, why = MACHINES[fault]
    told = run_build(simple, **{name: value.replace("PLACE", str(simple)) for name, value in settings.items()})
    assert told["exit_code"] == 1
    assert why in told["error"]


def allowed(*command):
    return shutil.which(command[0]) is not None and not subprocess.run(command, capture_output=True).returncode


def test_no_loopback_is_told(simple):
    if not allowed("unshare", "-rn", "true"):
        pytest.skip("this machine lets nobody make a network of his own (unshare -rn)")
    told = run_build(simple, "unshare", "-rn")
    assert told["error"].startswith("this machine has no loopback interface that answers (127.0.0.1: ")


def test_a_full_disk_under_ray_is_told(simple):
    (simple / "small").mkdir()
    script = f'mount -t tmpfs -o size=64k none {simple}/small && exec "$@"'
    if not allowed("unshare", "-rm", "sh", "-c", script, "sh", "true"):
        pytest.skip("this machine lets nobody mount a small disk (unshare -rm)")
    told = run_build(simple, "unshare", "-rm", "sh", "-c", script, "sh", RAY_TMPDIR=str(simple / "small"))
    assert "small/ray cannot be written (the disk is full), where Ray keeps its sockets and logs: set" in told["error"]


def test_nothing_is_asked_of_a_machine_that_only_joins(place, monkeypatch):
    """A server and a cluster that are named need neither home, nor Ray's folder, nor loopback here."""
    for name in ("refuse_no_loopback", "_refuse_home", "_refuse_ray_folder"):
        monkeypatch.setattr(preflight, name, lambda *_: pytest.fail("asked"))
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setattr(preflight, "_home_of_own_server", lambda: None)
    spec = spec_of(place, str(place / "out"))
    refuse_unready(spec, make_plan(spec))


def test_no_folder_for_temporary_files_is_told(monkeypatch):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(preflight.tempfile, "gettempdir", none)
    with pytest.raises(MakeweightError, match="no folder for temporary files .No usable.*: set TMPDIR to one"):
        preflight._refuse_no_scratch()


def test_ray_keeps_its_things_where_it_is_asked(monkeypatch):
    from ray._common.utils import get_default_ray_temp_dir

    for name, value in (("TMPDIR", "/a"), ("RAY_TMPDIR", "/b")):
        monkeypatch.setenv(name, value)
        assert ray_folder() == get_default_ray_temp_dir() == f"{value}/ray"
