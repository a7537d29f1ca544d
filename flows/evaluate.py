"""The evaluation: measures on held-out real rows whether the dataset helps a classifier."""

from flows.build import build, find_given_plan, use_plan
from flows.evaluation_steps import find_evaluation, requested_evaluation
from flows.server import served_flow
from pipelines.dataset.ownership import Replace
from pipelines.dataset.versions import plan_build
from pipelines.storage.workspace import make_workspace
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.evaluation import Evaluation
from schemas.spec import Spec


@served_flow("makeweight-evaluate")
def evaluate(spec: Spec, replace: Replace = False) -> Evaluation:
    """Compare the dataset with cheaper remedies, and return the evaluation; the dataset is built first if need be.

    An evaluation that was made already, of the same dataset and held-out rows, is returned at once. Raises SpecError
    if the spec has no `evaluate`.

    Example::

        print(evaluate(spec).utility.verdict.sentence)
    """
    if spec.evaluate is None:
        raise SpecError(Fault(("evaluate",), "nothing says what to test on; add evaluate: {test: held_out.csv}"))
    plan = find_given_plan(spec) or plan_build(spec)
    with use_plan(spec, plan):
        manifest = build(spec, replace)
    wanted = requested_evaluation(spec, plan)
    found = find_evaluation(make_workspace(spec.output.path, plan).output, wanted, manifest) if wanted else None
    if found is None:
        raise MakeweightError("the evaluation was removed while it was made; run the same command again")
    return found
