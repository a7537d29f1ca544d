"""A build keeps to one kind of machine: which one, what becomes of another's work, and what its actors refuse."""

import pytest
import ray

from pipelines.engine.machines import RECORD, ask_machines, choose_machine, pin_to_machine
from pipelines.plan.machine import this_machine
from pipelines.plan.planning import make_plan
from pipelines.storage.workspace import make_workspace
from schemas.machine import Machine

pytestmark = pytest.mark.usefixtures("engine")


def of_another_kind(plan):
    return plan.model_copy(update={"machine": plan.machine.model_copy(update={"instructions": "NONE"})})


def test_the_kind_is_kept_with_the_work_and_another_ones_work_is_begun_anew(spec):
    plan = make_plan(spec)
    place = make_workspace(spec.output.path, plan)
    settled = choose_machine(plan, place, spec.generator)
    assert list(ask_machines(1, 0).values()) == [settled.machine] == [this_machine()]
    assert Machine.model_validate_json(place.work.read(RECORD)) == settled.machine
    place.staged.write("chunk", b"made here")
    assert choose_machine(plan, place, spec.generator) == settled
    assert place.staged.exists("chunk")
    other = of_another_kind(settled).machine
    place.work.write(RECORD, other.model_dump_json().encode())
    assert choose_machine(plan, place, spec.generator) == settled
    assert not place.staged.exists("chunk"), "it was made on another kind"
    place.work.write(RECORD, b"")  # cut short
    assert choose_machine(plan, place, spec.generator) == settled


def test_rows_that_are_not_made_depend_on_no_machine(spec):
    plan = make_plan(spec.model_copy(update={"balance": spec.balance.model_copy(update={"target": "smallest"})}))
    assert choose_machine(plan, make_workspace(spec.output.path, plan), spec.generator).machine is None


def test_a_task_is_told_its_place_only_where_kinds_are_mixed(spec, monkeypatch):
    plan = make_plan(spec)
    assert pin_to_machine(plan, spec.generator) == {}
    other = of_another_kind(plan).machine
    node = ray.nodes()[0]["NodeID"]
    monkeypatch.setattr("pipelines.engine.machines.ask_machines", lambda *_: {"other": other, node: plan.machine})
    assert pin_to_machine(plan, spec.generator)["scheduling_strategy"].node_id == node
    monkeypatch.setattr("pipelines.engine.machines.ask_machines", lambda *_: {"one": other, "other": other})
    assert pin_to_machine(plan, spec.generator) == {}, "there is none: whoever works refuses"
