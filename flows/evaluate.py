"""The evaluation: whether the dataset helps a classifier, on real rows that the build never saw."""

from flows.build import build, plan_at_hand, planned
from flows.server import served_flow
from flows.utility import asked, read_evaluation
from pipelines.dataset.claim import Replace
from pipelines.dataset.versions import plan_build
from pipelines.storage.workspace import make_workspace
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.evaluation import Evaluation
from schemas.spec import Spec


@served_flow("makeweight-evaluate")
def evaluate(spec: Spec, replace: Replace = False) -> Evaluation:
    """Return how the dataset compares with cheaper remedies; it is built first, where it is not there yet.

    An evaluation that was made already, of the same dataset and the same held-out rows, is returned as it is.
    """
    if spec.evaluate is None:
        raise SpecError(Fault(("evaluate",), "nothing says what to test on; add evaluate: {test: held_out.csv}"))
    plan = plan_at_hand(spec) or plan_build(spec)
    with planned(spec, plan):
        manifest = build(spec, replace)
    wanted = asked(spec, plan)
    found = read_evaluation(make_workspace(spec.output.path, plan).output, wanted, manifest) if wanted else None
    if found is None:
        raise MakeweightError("the evaluation was removed while it was made; run the same command again")
    return found
