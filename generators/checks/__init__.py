"""Checks that a class keeps the promises of `generators.base.Generator`; run them on a class of your own.

They need no test runner, no Ray and no Prefect. `CHECKS` lists the promises.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from generators.base import Capabilities, Generator
from generators.checks.models import MODEL_PROMISES
from generators.checks.promises import Promise, broken_promises
from generators.checks.rows import ROW_PROMISES
from generators.checks.subject import Subject
from generators.checks.tables import TABLES
from schemas.arrow import STRATUM
from schemas.errors import CheckError

CHECKS: dict[str, Promise[Subject]] = {**MODEL_PROMISES, **ROW_PROMISES}
"""Every promise by the name of its check."""


def check_generator(
    generator: type[Generator],
    params: Mapping[str, Any] | None = None,
    *,
    table: pa.Table | None = None,
    label: str = STRATUM,
    skip: Collection[str] = (),
) -> None:
    """Raise CheckError with a sentence for each promise that a class of generators breaks.

    `params` are the generator's parameters; choose fast ones, since it is fitted some six times. It learns from
    `table`, which has each row's class in the string column `label`, by default from a small made-up table of each
    modality. Checks named in `skip` are left out.

    >>> from generators.tabular.smote import SMOTE
    >>> check_generator(SMOTE, {"k_neighbors": 3})
    """
    problems: list[str] = []
    for modality, rows in _tables(generator, table).items():
        subject = Subject(generator, dict(params or {}), rows, label, modality)
        problems += broken_promises(CHECKS, subject, generator.__name__, skip)
    if problems:
        raise CheckError("\n".join(dict.fromkeys(problems)))


def _tables(generator: type[Generator], table: pa.Table | None) -> dict[str, pa.Table]:
    """Return the tables of the checks by modality: the given one, or one for each modality of the class."""
    able = getattr(generator, "capabilities", None)
    if not isinstance(able, Capabilities):
        advice = 'write capabilities = Capabilities(modalities=("tabular",)), with Capabilities from generators.base'
        raise CheckError(f"{generator.__name__} breaks a promise: it says what it can do; got {able!r}; {advice}")
    if table is not None:
        return {able.modalities[0]: table}
    unknown = [modality for modality in able.modalities if modality not in TABLES]
    if unknown:
        raise CheckError(f"{generator.__name__}: there is no table of {unknown[0]!r} rows to check with; give one")
    return {modality: TABLES[modality]() for modality in able.modalities}
