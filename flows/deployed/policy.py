"""Reads the policy of this worker: what requests and schedules may touch. `pipelines.plan.policy` applies it."""

import os
from collections.abc import Mapping

from flows.spec_file import add_location, read_mapping
from pipelines.plan.policy import SETTING, Guard
from schemas.errors import Fault, SpecError
from schemas.policy import Policy
from schemas.spec import parse

_OPEN = 0o002


def worker_guard(environment: Mapping[str, str] = os.environ) -> Guard:
    """Return the guard of this worker, with the policy that the environment names; without one, nothing is allowed.

    The file is read each time. Raises SpecError if it cannot be used.
    """
    path = environment.get(SETTING, "").strip()
    if not path:
        return Guard(Policy())
    try:
        return Guard(read_policy(path), path)
    except SpecError as error:
        problem = f"the policy of this worker ({SETTING}={path}) cannot be used: {error}"
        raise SpecError(Fault((), problem)) from error


def read_policy(path: str) -> Policy:
    """Return the policy in a YAML file; raises SpecError if it is wrong, or if others could change it."""
    data, lines = read_mapping(path, "policy")
    with add_location(path, lines):
        policy = parse(Policy, data)
    _refuse_changeable(path, policy)
    return policy


def _refuse_changeable(path: str, policy: Policy) -> None:
    """Refuse a policy that everybody may write, or that is in a folder that requests may write."""
    real = os.path.realpath(path)
    if os.stat(real).st_mode & _OPEN:
        raise SpecError(Fault((), f"everybody may write {path}; take that right away (chmod o-w)"))
    for root in policy.write:
        above = os.path.realpath(root)
        if "://" not in root and os.path.commonpath([above, real]) == above:
            raise SpecError(Fault(("write",), f"{root} holds the policy itself; put the policy elsewhere"))
