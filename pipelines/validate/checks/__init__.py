"""Checks that a class keeps the promises of `pipelines.validate.base.Validator`; run them on a class of your own.

They need no test runner, no Ray and no Prefect. `CHECKS` lists the promises.
"""

from collections.abc import Collection, Mapping
from typing import Any

from generators.checks.promises import Promise, broken_promises
from pipelines.modality import MODALITIES
from pipelines.validate.base import Validator
from pipelines.validate.checks.examples import EXAMPLES, Examples
from pipelines.validate.checks.promises import VALIDATOR_PROMISES
from pipelines.validate.checks.subject import Subject
from schemas.errors import CheckError, nearest

CHECKS: dict[str, Promise[Subject]] = VALIDATOR_PROMISES
"""Every promise by the name of its check."""


def check_validator(
    validator: type[Validator],
    params: Mapping[str, Any] | None = None,
    *,
    modality: str = next(iter(MODALITIES)),
    examples: Examples | None = None,
    skip: Collection[str] = (),
) -> None:
    """Raise CheckError with a sentence for each promise that a class of validators breaks.

    `params` are the validator's parameters. It is fitted some five times on `examples`, by default on made-up ones of
    the modality: `tabular`, `text`, `image` or `marked image`. Checks named in `skip` are left out.

    >>> from pipelines.validate.tabular.schema import SchemaValidator
    >>> check_validator(SchemaValidator, {"constraints": ["age >= 18"]})
    """
    if examples is None and modality not in EXAMPLES:
        raise CheckError(f"there are no examples of {modality!r}{nearest(modality, EXAMPLES)}")
    subject = Subject(validator, dict(params or {}), examples or EXAMPLES[modality]())
    problems = list(broken_promises(CHECKS, subject, validator.__name__, skip))
    if problems:
        raise CheckError("\n".join(problems))
