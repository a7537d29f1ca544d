"""A table much like Adult, texts much like short messages, real images of digits, and plans for any table."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from pipelines.validate.base import Batch
from pipelines.validate.checks.examples import (
    adult_like,
    batch_of_table,
    digits_of,
    images,
    marked,
    plan_of_table,
    sms_like,
    tables,
    texts,
)
from schemas.plan import Plan

PlanOf = Callable[..., Plan]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Many small fits: threads that wait for one another on a busy machine cost more than they bring."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def adult() -> pa.Table:
    return adult_like(3000)


@pytest.fixture(scope="session")
def unseen() -> pa.Table:
    """Rows of the same kind, with ages that Adult has; every tenth is a copy of a real row."""
    return tables().fresh


@pytest.fixture(scope="session")
def sms() -> pa.Table:
    return sms_like(1500)


@pytest.fixture(scope="session")
def unseen_sms() -> pa.Table:
    """Messages of the same kind; the last ones are copies of real ones."""
    return texts().fresh


@pytest.fixture(scope="session")
def digits() -> pa.Table:
    return digits_of(0, 400)


@pytest.fixture(scope="session")
def unseen_digits() -> pa.Table:
    """Digits of other writers; the last ones are copies of real ones."""
    return images().fresh


@pytest.fixture(scope="session")
def marked_digits(digits: pa.Table) -> pa.Table:
    return marked(digits)


@pytest.fixture(scope="session")
def unseen_marked(unseen_digits: pa.Table) -> pa.Table:
    return marked(unseen_digits)


@pytest.fixture(scope="session")
def plan_of() -> PlanOf:
    return plan_of_table


@pytest.fixture(scope="session")
def batch_of() -> Callable[[pa.Table], Batch]:
    return batch_of_table
