"""What is printed: a name of the source reaches no terminal as anything but a name."""

import io
import json
import re

import pytest

from flows.cli import app
from flows.display import LiveDisplay, PlainDisplay, fidelity_table, plan_table, result_table, utility_table
from flows.formatting import comparison_lines
from flows.screen import Screen, print_line, to_cell
from pipelines.dataset.compare import compare_builds
from pipelines.fill.loop import StratumProgress
from pipelines.plan.column_notes import changes, column_lines
from pipelines.plan.planning import make_plan
from schemas.errors import OutputError, SourceError
from schemas.evaluation import Utility
from schemas.fidelity import Detector, Fidelity
from schemas.spec import Spec, parse
from schemas.terminal import escaped, escaped_json
from tests.in_process import build_in_process

EVIL = "b\x1b]0;PWNED\x07\x1b[31m\x9b31m\u202eevil\u2066x"
TOLD = r"b\x1b]0;PWNED\x07\x1b[31m\x9b31m\u202eevil\u2066x"
OBEYED = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def spec(tmp_path):
    """A spec of a table whose class, column and values hold what a terminal obeys."""
    lines = [f'{n * 37 % 101},"{EVIL}{n % 3}",{"a" if n % 4 else EVIL}' for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([f"x,n{EVIL},y", *lines]) + "\n")
    data = {
        "name": "t",
        "source": {"path": str(tmp_path / "t.csv"), "label": "y"},
        "generator": {"name": "resample"},
        "validate": [],
        "output": {"path": str(tmp_path / "out")},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(data))
    return parse(Spec, data)


def run(capsys, *arguments):
    """Run a command; return its exit code and what it printed."""
    with pytest.raises(SystemExit) as end:
        app(list(arguments))
    told = capsys.readouterr()
    return end.value.code, told.out + told.err


def printed(*things):
    """Return what a console prints of them, wide and without colours of its own."""
    file = io.StringIO()
    screen = Screen(file=file, width=300, color_system=None)
    for one in things:
        screen.print(one)
    return file.getvalue()


def test_plan_and_init_write_names_out(spec, tmp_path, capsys):
    for command in (
        ["plan", str(tmp_path / "spec.yaml")],
        ["init", spec.source.path, "--out", str(tmp_path / "n.yaml")],
    ):
        code, told = run(capsys, *command)
        assert code == 0, told
        assert OBEYED.findall(told) == []
        assert r"\x1b]0;PWNED\x07" in told
        assert r"\u202eevil\u2066" in told


def test_json_says_the_same_and_is_obeyed_by_none(spec, tmp_path, capsys):
    code, told = run(capsys, "plan", str(tmp_path / "spec.yaml"), "--json")
    assert code == 0
    assert OBEYED.findall(told) == []
    assert {stratum["name"] for stratum in json.loads(told)["strata"]} == {"a", EVIL}


def test_tables_and_lines_of_a_build_write_names_out(spec, tmp_path):
    plan, manifest = make_plan(spec), build_in_process(spec)
    utility = Utility.model_construct(rows={"test": {EVIL: 3}}, figures=[], differences=[])
    found = Detector.model_construct(stratum=EVIL, auc=0.7, tells={EVIL: 1.0})
    fidelity = Fidelity.model_construct(origin="synthetic", groups=[], detectors=[found])
    for told in (
        printed(plan_table(plan)),
        printed(result_table(manifest)),
        printed(fidelity_table(EVIL, fidelity)),
        printed(utility_table(EVIL, utility)),
        "\n".join(column_lines(plan)),
        printed(*changes(plan.profile), EVIL),
        printed("\n".join(comparison_lines(compare_builds(spec.output.path, spec.output.path))), EVIL),
    ):
        assert OBEYED.findall(told) == []
        assert TOLD in told or r"\x1b]0;PWNED\x07" in told


@pytest.mark.parametrize("display", [LiveDisplay, PlainDisplay])
def test_progress_writes_names_out(spec, display):
    file, plan = io.StringIO(), make_plan(spec)
    progress = StratumProgress(EVIL, target=30, accepted=30, candidates=30, rejected={})
    with display(Screen(file=file, width=200, force_terminal=True)) as shows:
        shows.noted(EVIL)
        shows.step(EVIL)
        shows.filling(plan, 1)
        shows.filled(progress)
    told = file.getvalue()
    assert not re.search("\x1b\\]|\x07|[\x80-\x9f\u202a-\u202e\u2066-\u2069]", told), "rich's own begin with ESC and ["
    assert TOLD in told


def test_errors_and_lines_write_names_out(capsys):
    print_line(EVIL)
    print_line(EVIL, error=True)
    told = capsys.readouterr()
    assert (told.out, told.err) == (f"{TOLD}\n", f"{TOLD}\n")
    assert str(OutputError(f"{EVIL}\nsecond")) == f"{TOLD}\nsecond"
    assert str(SourceError(f"{EVIL}\nsecond")) == f"{TOLD}\\nsecond"
    assert to_cell(f"{EVIL}\n[bold]x").plain == f"{TOLD}\\n[bold]x"


def test_every_sign_that_is_obeyed_is_written_out_and_no_other():
    signs = "".join(map(chr, range(0x2100))) + "\u4e2d\U0001f600\ud800"
    told = escaped(signs)
    assert OBEYED.findall(told) == []
    kept = [sign for sign in signs if sign in told]
    assert set(signs) - set(kept) == {
        sign for sign in signs if OBEYED.match(sign) or sign in "\xad\u061c\u200e\u200f\u2028\u2029\ud800"
    }
    assert json.loads(escaped_json(json.dumps([signs], ensure_ascii=False))) == [signs]
