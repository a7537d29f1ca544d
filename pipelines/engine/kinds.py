"""Keeps a build to one kind of machine: in a cluster of mixed nodes its rows would hang on who took which chunk.

Nodes of another kind stand idle. Work that was begun on a kind which is there no more is begun anew.
"""

from collections import Counter
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.engine.actors import DEATHS, START, gpu_share, pool_size, room_on
from pipelines.plan.machine import this_machine
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.errors import MakeweightError
from schemas.machine import Machine
from schemas.plan import Plan
from schemas.spec import GeneratorChoice

RECORD = "machine.json"
ANSWER = 60.0
"""Seconds in which the nodes of a cluster say what they are; of those that are busy for longer, their actors say it."""


def choose_kind(plan: Plan, place: Workspace, choice: GeneratorChoice) -> Plan:
    """Return the plan with the machine that its rows are made on, which is kept with the work.

    It is the kind that the work was begun on, if a node of it is there; else the work is removed, and the kind is that
    with the most room. Rows that are not made depend on none.
    """
    if not plan.makes_rows:
        return plan.model_copy(update={"machine": None})
    gpus = gpu_share(plan, choice)
    pool_size(plan, choice, gpus)  # what cannot be had is told before anything waits for it
    found = machines(choice.cpus, gpus)
    kept = _kept(place.work)
    same = next((one for one in found.values() if kept and one.makes_rows_like(kept)), None)
    if kept and same is None:
        place.work.remove()
    machine = kept if kept and same else _roomiest(found, choice)
    place.work.write(RECORD, machine.model_dump_json().encode())
    return plan.model_copy(update={"machine": machine})


def _kept(work: Folder) -> Machine | None:
    """Return the machine that the work was begun on; nothing if that was not written down whole."""
    try:
        return Machine.model_validate_json(work.read(RECORD))
    except (FileNotFoundError, ValueError):
        return None


def machines(cpus: float, gpus: float) -> dict[str, Machine]:
    """Return what each node is that has room for an actor, by its id; where there is but one, it is not named."""
    ask = ray.remote(num_cpus=0, num_gpus=gpus, max_retries=DEATHS)(this_machine)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and room_on(node, cpus, gpus)]
    if len(nodes) < 2:  # one that is still to come is waited for
        asked = {ask.remote(gpu=gpus > 0): ""}
    else:
        places = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes}
        asked = {ask.options(scheduling_strategy=where).remote(gpu=gpus > 0): node for node, where in places.items()}
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER)
    ready = ready or ray.wait(list(asked), num_returns=1, timeout=START)[0]
    found = {asked[ref]: _answer(ref) for ref in ready}
    known = {node: machine for node, machine in found.items() if machine}
    if not known:
        raise MakeweightError("no node of the Ray cluster says what machine it is; see that its nodes are up")
    return known


def _answer(ref: Any) -> Machine | None:
    try:
        found: Machine = ray.get(ref)
    except RayError:  # a node that went
        return None
    return found


def _roomiest(found: dict[str, Machine], choice: GeneratorChoice) -> Machine:
    nodes = {node["NodeID"]: node for node in ray.nodes()}
    rooms: Counter[str] = Counter()
    for node, machine in found.items():
        rooms[machine.model_dump_json()] += room_on(nodes[node], choice.cpus, 0) if node else 1
    return Machine.model_validate_json(min(rooms, key=lambda one: (-rooms[one], one)))


def at_home(plan: Plan, choice: GeneratorChoice) -> dict[str, Any]:
    """Return how Ray is told to keep a task to the plan's machine; nothing where all nodes are of its kind."""
    if plan.machine is None:
        return {}
    gpus = gpu_share(plan, choice)
    pool_size(plan, choice, gpus)  # what cannot be had is told before anything waits for it
    found = machines(choice.cpus, gpus)
    home = sorted(node for node, machine in found.items() if machine.makes_rows_like(plan.machine))
    if len(home) == len(found) or not home:  # if there is none, whoever works says so
        return {}
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(home[0], soft=False)}
