"""The flow of requests: builds the dataset of a spec that a form or a file filled in."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.deployed.worker import build_on_worker, refuse_relative
from schemas.spec import Spec, parse

RETRIES, RETRY_SECONDS = 2, 60
"""How often, and after how many seconds, a run is retried after an unexpected error."""


@flow(
    name="request-balanced-dataset",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    persist_result=False,
    validate_parameters=False,  # the spec's own messages say more, and the server checks the form
)
def request_balanced_dataset(
    spec: Annotated[Spec, Field(description="What to build. Name, source and output are needed; the rest may stay.")],
    replace: Annotated[bool, Field(description="Put this dataset in the place of another one at output.path.")] = False,
) -> State[Any]:
    """Build a balanced dataset: each class with exactly as many rows as you ask for, made up with synthetic rows.

    Fill in **name**, **source** (where the real rows are, and the column with the class) and **output**. Paths are
    URIs, or whole paths as the worker knows them, among those that its policy allows. The request is checked before it
    is built; the run's page then shows the counts, some rows or images, and a link to the report.
    """
    return build_on_worker(lambda _: parse_request(spec), replace)


def parse_request(spec: Spec) -> Spec:
    """Return the checked spec of a request; raises SpecError with every fault."""
    found = parse(Spec, spec)
    refuse_relative(found, "a request has no folder that it could start from")
    return found
