"""The pool of actors that make rows."""

import pytest

from pipelines.engine.pool import GeneratorActor, open_pool
from pipelines.plan.machine import OtherMachineError
from pipelines.plan.planning import make_plan
from pipelines.plan.stream import chunk_request
from pipelines.storage.workspace import make_workspace, plan_hash
from schemas.errors import GeneratorError
from tests.pipelines.engine.test_machines import of_another_kind

pytestmark = pytest.mark.usefixtures("engine")


def test_actors_on_another_kind_get_no_work_and_say_so_themselves(spec):
    plan = of_another_kind(make_plan(spec))
    place = make_workspace(spec.output.path, plan)
    place.keep_plan(plan)
    request = chunk_request(0, next(stratum for stratum in plan.strata if stratum.make), 0)
    with (
        open_pool(plan, place, spec.generator) as pool,
        pytest.raises(GeneratorError, match=r"no actor found a place on the kind of machine .* with NONE, "),
    ):
        pool.submit(request)
        pool.collect()
    assert not place.staged.exists()
    with pytest.raises(OtherMachineError, match="is another kind of machine"):
        GeneratorActor(place, plan_hash(plan), "cpu").make(request)
