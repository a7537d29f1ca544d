"""What a differentially private generator needs of a plan, and what it spent. Knows no model."""

from typing import Any

import pyarrow as pa

from pipelines.fit.fitting import model_fingerprint, read_fitted, readable
from pipelines.plan.features import modelled
from pipelines.plan.registry import generator_class, make_generator
from pipelines.storage.folder import Folder
from schemas.arrow import STRATUM, arrow_type
from schemas.errors import Fault, GeneratorError, SpecError
from schemas.plan import Plan
from schemas.privacy import BUDGET, PrivacyBudget


def is_private(plan: Plan) -> bool:
    """Whether the plan's generator is differentially private."""
    return generator_class(plan.generator.name).capabilities.differentially_private


def check_private(plan: Plan) -> None:
    """Raise SpecError, with every fault, for what would void the promise of a private generator, or what it refuses."""
    if not is_private(plan) or not plan.makes_rows:
        return
    faults = [
        Fault(
            ("validate", number),
            f"validator {step.name!r} looks at real rows, which differential privacy does not cover;"
            " leave it out, or take another generator",
        )
        for number, step in enumerate(plan.validators)
    ]
    rows = sum(stratum.real for stratum in plan.strata)
    if rows > plan.fit_rows:
        problem = f"{plan.fit_rows:,} of {rows:,} rows would be drawn, and which ones depends on the others"
        faults.append(
            Fault(("generator", "fit_rows"), f"{problem}, which is not accounted for; set it to {rows} or more")
        )
    generator: Any = make_generator(plan.generator)
    try:
        generator.check(_schema(plan), STRATUM, rows)
    except GeneratorError as error:
        faults.append(Fault(("generator", "params"), str(error)))
    if faults:
        raise SpecError(*faults)


def _schema(plan: Plan) -> pa.Schema:
    """Return the columns that the generator is fitted on."""
    fields = [pa.field(column.name, arrow_type(column.type)) for column in modelled(plan.profile)]
    return pa.schema([*fields, pa.field(STRATUM, pa.string())])


def privacy_spent(plan: Plan, models: Folder) -> PrivacyBudget | None:
    """Return what the training of the plan's generator spent; None where none is promised, or no rows are made."""
    if not is_private(plan) or not plan.makes_rows:
        return None
    folder = models.at(model_fingerprint(plan))
    kept = read_fitted(folder, BUDGET)
    with readable(folder):
        return PrivacyBudget.model_validate_json(kept)
