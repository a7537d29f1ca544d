"""Keeps a build to one kind of machine, since rows may differ between two kinds.

Nodes of another kind get no work. Work that was begun on a kind that has left the cluster is begun anew.
"""

from collections import Counter
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.engine.actors import DEATHS, START, choose_pool_size, gpu_share, node_capacity
from pipelines.plan.machine import this_machine
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.errors import MakeweightError
from schemas.machine import Machine
from schemas.plan import Plan
from schemas.spec import GeneratorChoice

RECORD = "machine.json"
ANSWER = 60.0
"""Seconds in which the nodes of a cluster must say what machine they are. Actors check it again on busy nodes."""


def choose_machine(plan: Plan, workspace: Workspace, choice: GeneratorChoice) -> Plan:
    """Choose the kind of machine that rows are made on, write it into the work folder, and return the plan with it.

    It is the kind that the work was begun on, if the cluster has a node of it. Else the work is removed, and the kind
    with the most capacity is chosen. A build that makes no rows needs no machine.
    """
    if not plan.makes_rows:
        return plan.model_copy(update={"machine": None})
    gpus = gpu_share(plan, choice)
    choose_pool_size(plan, choice, gpus)  # raises before anything waits for nodes that cannot come
    found = ask_machines(choice.cpus, gpus)
    kept = _read_machine(workspace.work)
    same = next((one for one in found.values() if kept and one.makes_rows_like(kept)), None)
    if kept and same is None:
        workspace.work.remove()
    machine = kept if kept and same else _choose_roomiest(found, choice)
    workspace.work.write(RECORD, machine.model_dump_json().encode())
    return plan.model_copy(update={"machine": machine})


def _read_machine(work: Folder) -> Machine | None:
    """Return the machine that the work was begun on, or None if the record is missing or broken."""
    try:
        return Machine.model_validate_json(work.read(RECORD))
    except (FileNotFoundError, ValueError):
        return None


def ask_machines(cpus: float, gpus: float) -> dict[str, Machine]:
    """Return the machine of each node that can hold an actor, by node id; a single node has the id ""."""
    ask = ray.remote(num_cpus=0, num_gpus=gpus, max_retries=DEATHS)(this_machine)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node_capacity(node, cpus, gpus)]
    if len(nodes) < 2:  # a node that is still to join is waited for
        asked = {ask.remote(gpu=gpus > 0): ""}
    else:
        strategies = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes}
        asked = {
            ask.options(scheduling_strategy=where).remote(gpu=gpus > 0): node for node, where in strategies.items()
        }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER)
    ready = ready or ray.wait(list(asked), num_returns=1, timeout=START)[0]
    found = {asked[ref]: _get_machine(ref) for ref in ready}
    known = {node: machine for node, machine in found.items() if machine}
    if not known:
        raise MakeweightError("no node of the Ray cluster says what machine it is; see that its nodes are up")
    return known


def _get_machine(ref: Any) -> Machine | None:
    try:
        found: Machine = ray.get(ref)
    except RayError:  # a node that went
        return None
    return found


def _choose_roomiest(found: dict[str, Machine], choice: GeneratorChoice) -> Machine:
    nodes = {node["NodeID"]: node for node in ray.nodes()}
    rooms: Counter[str] = Counter()
    for node, machine in found.items():
        rooms[machine.model_dump_json()] += node_capacity(nodes[node], choice.cpus, 0) if node else 1
    return Machine.model_validate_json(min(rooms, key=lambda one: (-rooms[one], one)))


def pin_to_machine(plan: Plan, choice: GeneratorChoice) -> dict[str, Any]:
    """Return Ray's options that keep a task to the plan's kind of machine; none if all nodes are of that kind."""
    if plan.machine is None:
        return {}
    gpus = gpu_share(plan, choice)
    choose_pool_size(plan, choice, gpus)  # raises before anything waits for nodes that cannot come
    found = ask_machines(choice.cpus, gpus)
    home = sorted(node for node, machine in found.items() if machine.makes_rows_like(plan.machine))
    if len(home) == len(found) or not home:  # if there is none, whoever works says so
        return {}
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(home[0], soft=False)}
