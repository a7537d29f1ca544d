"""The command line as a user meets it: exit codes, one plain message for each mistake, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.build import build
from flows.cli import app
from flows.spec_file import load_spec
from schemas.manifest import Manifest
from tests.benchmarks.cheap import Cheap
from tests.in_process import without_engines
from tests.waiting import LIMIT, wait_until

ROWS = [(20 + n % 50, "clerk" if n % 3 else "smith", n * 37 % 101 / 10, "hi" if n % 9 else "lo") for n in range(180)]
TABLE = "age,job,score,income\n" + "".join(f"{age},{job},{score},{label}\n" for age, job, score, label in ROWS)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "data.csv").write_text(TABLE)
    return tmp_path


def spec_file(place, **parts):
    data = {"name": "t", "source": {"path": "data.csv", "label": "income"}, "output": {"path": "out"}}
    data["generator"] = {"name": "smote", "actors": 1}
    data |= parts
    path = place / "spec.yaml"
    path.write_text(json.dumps(data))
    return str(path)


def run(*args):
    return CliRunner().invoke(app, list(args))


def refused(place, *, code=2, **parts):
    """Plan the spec and return the message: one, plain, and nothing written."""
    before = sorted(os.listdir(place))
    answer = run("plan", spec_file(place, **parts))
    assert answer.exit_code == code, answer.output
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    assert "Traceback" not in answer.stderr
    assert answer.stderr.startswith("makeweight: ")
    assert sorted(os.listdir(place)) in (before, sorted([*before, "spec.yaml"]))
    return answer.stderr.removeprefix("makeweight: ")


def source(path="data.csv", label="income", **more):
    return {"path": path, "label": label, **more}


def test_plan_shows_the_strata(place):
    answer = run("plan", spec_file(place))
    assert answer.exit_code == 0
    for text in ("hi", "lo", "160", "20", "140", "all"):
        assert text in answer.output
    plan = json.loads(run("plan", spec_file(place), "--json").output)
    assert [(s["name"], s["real"], s["target"]) for s in plan["strata"]] == [("hi", 160, 160), ("lo", 20, 160)]
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"source": source("dta.csv")}, "no such file or folder; check source.path"),
        ({"source": source(label="incme")},
         "spec.yaml:1: source.label: the source has no column 'incme'; did you mean 'income'?"),
        ({"balance": {"target": {"high": 9}}},
         "balance.target.high: the source has no class 'high'; did you mean 'hi'?"),
        ({"balance": {"target": -3}}, "balance.target: must be largest, smallest, a whole number of rows"),
        ({"balance": {"target": 0}}, "asks for no rows at all"),
        ({"balance": {"by": ["incme"]}}, "balance.by: the source has no column 'incme'"),
        ({"generator": {"name": "ctgna"}}, "generator.name: unknown generator 'ctgna'; did you mean 'ctgan'?"),
        ({"generator": {"name": "smote", "params": {"k_neighbour": 3}}},
         "generator.params.k_neighbour: unknown key 'k_neighbour'; did you mean 'k_neighbors'?"),
        ({"generator": {"name": "nowhere:Thing"}}, "cannot load 'nowhere:Thing'"),
        ({"validate": ["schem"]}, "validate[0]: unknown tabular validator 'schem'; did you mean 'schema'?"),
        ({"validate": [{"label_agreement": {"min_probabilty": 1}}]}, "did you mean 'min_probability'?"),
        ({"validate": [{"schema": {"constraints": ["agee >= 0"]}}]}, "did you mean 'age'?"),
        ({"source": source(types={"agee": "integer"})}, "did you mean 'age'?"),
        ({"source": source(modality="image")}, "'smote' makes tabular rows, not image; for image: augment, diffusion"),
        ({"source": source(modality="image"), "generator": {"name": "augment"}},
         "source.image: which column holds the images? "),
        ({"source": source(modality="sound")}, "source.modality: input should be 'tabular', 'text' or 'image'"),
        ({"nme": 1}, "unknown key 'nme'; did you mean 'name'?"),
    ],
)  # fmt: skip
def test_a_fault_in_the_spec_is_told_plainly(place, parts, message):
    assert message in refused(place, **parts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.csv"),
        ("age,income\n", "there are no data rows"),
        ("age,income\n3,hi\n4,hi\n5,hi\n", "the source has one class only ('hi' of income)"),
        ("age,income\n3,hi\n4,\n5,lo\n", "column 'income': 1 of 3 rows have no class"),
        ("age,income\n1,hi\n2,lo\n3,hi,4\n", "data.csv"),
        ("a,income\n" + "".join(f"x,{n / 7}\n" for n in range(3000)), "looks like a number to predict, not a class"),
        ("a,income\nx,hi\nx,hi\nx,lo\n", "there is no column to model beside income"),
        ("age,income\n" + "".join(f"{n % 7},hi\n" for n in range(50)) + "3,lo\n",
         "too few real rows for generator 'smote', which needs 2 of a class: 'lo' (1)"),
    ],
)  # fmt: skip
def test_a_fault_in_the_source_is_told_plainly(place, text, message):
    (place / "data.csv").write_text(text)
    assert message in refused(place)


def test_files_that_are_cut_or_differ(place):
    table = pa.table({"age": range(100), "income": ["hi", "lo"] * 50})
    pq.write_table(table, place / "whole.parquet")
    (place / "cut.parquet").write_bytes((place / "whole.parquet").read_bytes()[:500])
    assert "the file is cut short" in refused(place, source=source("cut.parquet"))
    (place / "parts").mkdir()
    pq.write_table(table, place / "parts" / "a.parquet")
    pq.write_table(table.rename_columns(["years", "income"]), place / "parts" / "b.parquet")
    assert "the files have different columns; the first difference is 'age'" in refused(place, source=source("parts"))
    (place / "empty").mkdir()
    assert "the folder holds no data files" in refused(place, source=source("empty"))


def test_a_missing_spec_and_json_errors(place):
    answer = run("plan", str(place / "none.yaml"))
    assert (answer.exit_code, "no such file" in answer.stderr) == (2, True)
    told = json.loads(run("plan", str(place / "none.yaml"), "--json").stdout)
    assert told["exit_code"] == 2


def test_a_machine_is_told_what_failed_and_what_mends_it(place):
    (place / "gaps.csv").write_text("age,income\n1,low\n2,\n3,high\n")
    told = json.loads(run("plan", spec_file(place, source=source("gaps.csv")), "--json").stdout)
    assert (told["code"], told["exit_code"]) == ("missing-label", 2)
    assert told["advice"] == {"key": "source.missing_label", "value": "drop"}
    told = json.loads(run("plan", spec_file(place, seed=-1, sed=2), "--json").stdout)
    assert [(one["key"], one["code"], one["advice"]) for one in told["faults"]] == [
        ("seed", "greater-than-equal", None),
        ("sed", "extra-forbidden", None),
    ]


def command(*args):
    return [sys.executable, "-m", "flows.cli", *args]


def environment():
    """Return one in which the command finds the server of all tests."""
    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()}


@pytest.fixture(scope="module")
def built(tmp_path_factory, engine):
    """A dataset that was built by the command itself."""
    place = tmp_path_factory.mktemp("built")
    (place / "data.csv").write_text(TABLE)
    spec = spec_file(
        place, validate=["schema", "duplicates"], balance={"target": 150}, output={"path": "out", "shard_rows": 100}
    )
    asked = command("build", spec, "--json")
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT, env=environment())
    assert answer.returncode == 0, answer.stderr
    return place / "out", answer


def test_build_prints_a_manifest_for_machines_and_lines_for_people(built):
    out, answer = built
    manifest = Manifest.model_validate_json(answer.stdout)
    assert manifest.counts["lo"].synthetic == 130
    for text in ("ingest …", "fill …", "class 'lo': 130 of 130 rows"):
        assert text in answer.stderr
    assert "Traceback" not in answer.stderr
    assert (out / "report.html").stat().st_size > 10_000


def test_verify_says_which_shard_is_wrong(built, tmp_path):
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(built[0], out)
    fine = run("verify", str(out))
    assert (fine.exit_code, fine.stdout.startswith("ok: 300 rows in 3 shard(s)")) == (0, True)

    (shard,) = (out / "data").glob("train-00001-of-00003-*.parquet")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    changed = run("verify", str(out))
    assert changed.exit_code == 1
    assert f"data/{shard.name} was changed: its SHA-256 is" in changed.stderr

    pq.write_table(pq.read_table(pa.BufferReader(whole)).slice(1), shard)
    fewer = run("verify", str(out)).stderr
    assert "has 99 rows, the manifest says 100" in fewer
    assert "class " in fewer

    shard.unlink()
    assert f"data/{shard.name} is missing" in run("verify", str(out)).stderr
    shard.write_bytes(whole)
    (out / "data" / "train-00009-of-00003.parquet").write_bytes(whole)
    assert "train-00009-of-00003.parquet is not in the manifest" in run("verify", str(out)).stderr
    nothing = run("verify", str(tmp_path))
    assert (nothing.exit_code, "holds no complete dataset" in nothing.stderr) == (2, True)


class Slow(Cheap):
    """Makes chunks so slowly that a build can be ended among them."""

    def sample(self, request):
        time.sleep(0.3)
        return super().sample(request)


@pytest.fixture
def slow_spec(place):
    def make(out):
        generator = {"name": "tests.flows.test_cli:Slow", "actors": 2, "chunk_rows": 10}
        return spec_file(place, generator=generator, validate=["schema"], output={"path": out}, balance={"target": 260})

    return make


def start(spec, place):
    return subprocess.Popen(
        command("build", spec), cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_chunks(place, out, count, process):
    def staged():
        return list(place.glob(f"{out}/.makeweight/work-*/staged/*/*.rows.arrow"))

    wait_until(lambda: len(staged()) >= count, process, saw=lambda: f"{len(staged())} chunks staged")
    return {path: path.stat().st_mtime_ns for path in staged()}


@pytest.mark.usefixtures("engine")
def test_a_killed_build_and_an_interrupted_one_go_on_to_the_same_bytes(slow_spec, place):
    with without_engines(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Slow, "sample", Cheap.sample)  # here it may be as quick as it can
        expected = build(load_spec(slow_spec("calm"))[0])

    spec = slow_spec("stormy")
    killed = start(spec, place)
    staged = wait_for_chunks(place, "stormy", 4, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (place / "stormy" / "manifest.json").exists()

    stopped = start(spec, place)
    while "actor(s)" not in stopped.stdout.readline():  # until then, what the killed build's actors held still came in
        assert stopped.poll() is None
    there = wait_for_chunks(place, "stormy", len(staged), stopped)
    more = wait_for_chunks(place, "stormy", len(there) + 4, stopped)
    os.kill(stopped.pid, signal.SIGINT)
    told, _ = stopped.communicate(timeout=LIMIT)
    assert stopped.returncode == 1, told
    assert "stopped; run the same command again to go on where it was" in told
    assert "Traceback" not in told

    last = start(spec, place)
    said, _ = last.communicate(timeout=LIMIT)
    assert last.returncode == 0, said
    assert Manifest.model_validate_json((place / "stormy" / "manifest.json").read_bytes()) == expected
    assert set(staged) < set(more), "chunks that were staged before the kill stayed"
