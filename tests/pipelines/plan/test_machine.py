"""What kind of machine a process is on: told without torch, as torch tells it, and held by whoever fits or makes."""

import os
import subprocess
import sys

import pytest

from pipelines.fit.fitting import fit_validator, model_fingerprint
from pipelines.plan.machine import SETTINGS, OtherMachineError, refuse_other_machine, this_machine
from pipelines.plan.planning import make_plan
from pipelines.storage.workspace import make_workspace
from schemas.machine import Machine
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Spec, parse

ASK = "from pipelines.plan.machine import this_machine; import sys; print(this_machine().model_dump_json());"


def asked(code="print('torch' in sys.modules)", **env):
    answer = subprocess.run(
        [sys.executable, "-c", ASK + code], capture_output=True, text=True, check=True, env={**os.environ, **env}
    )
    first, *rest = answer.stdout.splitlines()
    return Machine.model_validate_json(first), rest


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n % 17 / 7},{'ab'[n % 4 == 0]}\n" for n in range(60)))
    data = {
        "name": "t",
        "source": {"path": str(tmp_path / "t.csv"), "label": "y"},
        "generator": {"name": "resample"},
        "output": {"path": str(tmp_path / "out")},
    }
    return make_plan(parse(Spec, data))


@pytest.mark.parametrize("level", ["", "default", "avx2", "nonsense"])
def test_the_level_is_the_one_that_torch_picks_and_torch_is_not_imported_for_it(level):
    env = {"ATEN_CPU_CAPABILITY": level} if level else {}
    machine, [imported, picked] = asked(
        "print('torch' in sys.modules); import torch; print(torch.backends.cpu.get_cpu_capability())", **env
    )
    assert imported == "False"
    assert machine.instructions == picked


def test_each_switch_of_kernels_makes_another_kind():
    plain, _ = asked()
    others = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "COMPATIBLE"}
    assert "MKL_CBWR" in SETTINGS
    for name, value in others.items():
        assert not asked(**{name: value})[0].makes_rows_like(plain), name
    for name in ("OMP_NUM_THREADS", "HOME", "PATH"):
        assert asked(**{name: os.environ.get(name, "1") if name != "OMP_NUM_THREADS" else "1"})[0] == plain, name


def test_a_card_counts_only_where_both_say_which():
    here = this_machine()
    one, other = (here.model_copy(update={"gpu": name}) for name in ("NVIDIA A100", "NVIDIA H200"))
    assert one.makes_rows_like(here)
    assert here.makes_rows_like(other)
    assert not one.makes_rows_like(other)
    assert "H200" in other.told


def test_the_plan_names_this_machine_and_leaves_that_of_a_cluster_open(plan, monkeypatch, tmp_path):
    assert plan.machine == this_machine()
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    spec = {"name": "t", "source": {"path": str(tmp_path / "t.csv"), "label": "y"}, "output": {"path": "out"}}
    assert make_plan(parse(Spec, spec)).machine is None


def test_a_model_of_another_machine_is_another_model(plan):
    other = plan.model_copy(update={"machine": plan.machine.model_copy(update={"instructions": "NONE"})})
    assert model_fingerprint(plan) != model_fingerprint(other)


def test_who_is_on_another_machine_refuses_to_work(plan, tmp_path):
    refuse_other_machine(plan)
    other = plan.model_copy(update={"machine": plan.machine.model_copy(update={"instructions": "NONE"})})
    told = r"is another kind of machine \(.*\) than this build's rows are made on \(.* with NONE, .*\), and would make"
    with pytest.raises(OtherMachineError, match=told):
        refuse_other_machine(other)
    with pytest.raises(OtherMachineError, match="take it out of the cluster and run the same command again"):
        fit_validator(other, 0, None, make_workspace(str(tmp_path / "out"), other))


def test_an_older_manifest_says_nothing_of_a_machine():
    fields = Manifest.model_fields
    assert fields["machine"].default is None
    assert not fields["machine"].is_required()
