"""Checks what a spec asks of privacy, and what a differentially private generator needs. Knows no rows."""

from typing import Any

import pyarrow as pa

from generators import GENERATORS
from pipelines.modality import content_column, modality_of_columns
from pipelines.plan.model_view import modelled
from pipelines.plan.registry import generator_class, make_generator
from schemas.arrow import STRATUM, arrow_type
from schemas.errors import Fault, GeneratorError, SpecError, nearest
from schemas.plan import Plan, SourceProfile
from schemas.privacy import Privacy


def check_privacy(asked: Privacy | None, profile: SourceProfile) -> None:
    """Raise SpecError, with every fault, for declared columns that the source lacks or that no made row has."""
    if asked is None:
        return
    named = [("quasi_identifiers", asked.quasi_identifiers), ("sensitive", asked.sensitive)]
    faults = [fault for key, columns in named for fault in _column_faults(("privacy", key), columns, profile)]
    limits = asked.limits
    if limits.k_anonymity and not asked.quasi_identifiers:
        faults.append(Fault(("privacy", "limits", "k_anonymity"), "needs privacy.quasi_identifiers; name the columns"))
    if limits.l_diversity and not (asked.quasi_identifiers and asked.sensitive):
        problem = "needs privacy.quasi_identifiers and privacy.sensitive; name the columns"
        faults.append(Fault(("privacy", "limits", "l_diversity"), problem))
    if faults:
        raise SpecError(*faults)


def mark_private(profile: SourceProfile, names: list[str], generator: str) -> SourceProfile:
    """Return the profile with these columns marked as private.

    Raises SpecError for a column that is not made from real values, and for a generator that copies real values.
    """
    if not names:
        return profile
    faults = _column_faults(("source", "private"), names, profile)
    faults += [
        Fault(("source", "private", number), f"{name!r} is what classes are made by; every made row shows it")
        for number, name in enumerate(names)
        if name in profile.by
    ]
    if not generator_class(generator).capabilities.smooths_private:
        able = ", ".join(name for name in sorted(GENERATORS) if generator_class(name).capabilities.smooths_private)
        faults.append(Fault(("source", "private"), f"{generator!r} shows real values as they are; take {able}"))
    if faults:
        raise SpecError(*faults)
    columns = [c.model_copy(update={"private": True}) if c.name in names else c for c in profile.columns]
    return profile.model_copy(update={"columns": columns})


def _column_faults(section: tuple[str, str], columns: list[str], profile: SourceProfile) -> list[Fault]:
    known = [column.name for column in profile.columns]
    whole = () if modality_of_columns(profile.columns).items else (content_column(profile.columns), profile.objects)
    made = {*(column.name for column in modelled(profile)), *profile.by}.difference(whole)
    faults = []
    for number, name in enumerate(columns):
        path = (*section, number)
        if name not in known:
            faults.append(Fault(path, f"the source has no column {name!r}{nearest(name, known)}"))
        elif name not in made:
            role = profile.column(name).role
            faults.append(Fault(path, f"made rows do not have the {name!r} of real ones (role {role}); leave it out"))
    return faults


def is_private(plan: Plan) -> bool:
    """Whether the plan's generator is differentially private."""
    return generator_class(plan.generator.name).capabilities.differentially_private


def check_private(plan: Plan) -> None:
    """Raise SpecError, with every fault, for what a private generator refuses or what would void its promise."""
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
