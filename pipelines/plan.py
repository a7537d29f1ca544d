"""Makes the plan: reads the source once, and fixes how many rows of each class are kept and made.

Knows no model and starts nothing: it answers within a second or two.
"""

import hashlib
import json
from collections.abc import Mapping

from generators import DEFAULTS as DEFAULT_GENERATOR
from generators.base import Generator
from pipelines.balance import compute_targets, stratum_name
from pipelines.features import modelled
from pipelines.modality import find_modality, profile_text
from pipelines.read import profile_source
from pipelines.registry import generator_class, generators_for, make_generator, make_validators
from pipelines.stream import chunk_rows
from pipelines.validate import DEFAULTS as DEFAULT_VALIDATORS
from schemas.errors import Fault, SourceError, SpecError
from schemas.plan import Plan, SourceProfile, Step, Stratum
from schemas.spec import Spec


def make_plan(spec: Spec) -> Plan:
    """Return the plan of a build; raises SpecError or SourceError for whatever cannot be built."""
    modality = find_modality(spec)
    generator = _generator(spec, modality)
    profile = profile_text(spec.source, spec.by) if modality == "text" else profile_source(spec.source, spec.by)
    plan = Plan(
        name=spec.name,
        seed=spec.seed,
        modality=modality,
        label=spec.source.label,
        profile=profile,
        strata=_strata(spec, profile, generator_class(generator.name)),
        generator=generator,
        validators=_validators(spec, modality, generator_class(generator.name)),
        attempts_per_row=spec.budget.attempts_per_row,
        fit_rows=spec.generator.fit_rows,
        shard_rows=spec.output.shard_rows,
        splits=spec.output.splits,
        spec_fingerprint=fingerprint_spec(spec),
    )
    make_validators(plan)
    _refuse_hopeless(plan)
    return plan


def _generator(spec: Spec, modality: str) -> Step:
    """Return the generator; an unknown name or parameter is refused before the source is read."""
    step = Step(name=spec.generator.name or DEFAULT_GENERATOR[modality], params=spec.generator.params)
    cls = generator_class(step.name)
    if modality not in cls.modalities:
        known = ", ".join(generators_for(modality))
        problem = f"{step.name!r} makes {' or '.join(cls.modalities)} rows, not {modality}; for {modality}: {known}"
        raise SpecError(Fault(("generator", "name"), problem))
    make_generator(step)
    return step


def _validators(spec: Spec, modality: str, generator: type[Generator]) -> list[Step]:
    if spec.validators is None:
        names = [name for name in DEFAULT_VALIDATORS[modality] if name not in generator.skips]
        return [Step(name=name, params={}) for name in names]
    return [Step(name=choice.name, params=choice.params) for choice in spec.validators]


def _strata(spec: Spec, profile: SourceProfile, generator: type[Generator]) -> list[Stratum]:
    keys = {stratum_name(key): (key, real) for key, real in profile.counts}
    counts: Mapping[str, int] = {name: keys[name][1] for name in sorted(keys)}
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise SourceError(
            f"the source has one class only ({only!r} of {', '.join(spec.by)}): there is nothing to balance; "
            "check source.label"
        )
    targets = compute_targets(counts, spec.balance.target)
    strata = []
    for name, real in counts.items():
        make = max(0, targets[name] - real)
        rows = spec.generator.chunk_rows or chunk_rows(make, generator.min_chunk_rows, generator.max_chunk_rows)
        strata.append(Stratum(name=name, key=keys[name][0], real=real, target=targets[name], chunk_rows=rows))
    return strata


def _refuse_hopeless(plan: Plan) -> None:
    """Refuse, before anything is trained, what the generator cannot do."""
    if not any(stratum.target for stratum in plan.strata):
        raise SpecError(Fault(("balance", "target"), "asks for no rows at all; give at least one class some"))
    if not plan.makes_rows:
        return
    if not modelled(plan.profile):
        raise SourceError(
            f"there is no column to model beside {', '.join(plan.by)}: the others are constant or ids; "
            "say otherwise in source.types if that is wrong"
        )
    least = generator_class(plan.generator.name).min_class_rows
    small = [stratum for stratum in plan.strata if stratum.make and stratum.real < least]
    if small:
        listed = ", ".join(f"{stratum.name!r} ({stratum.real})" for stratum in small[:5])
        raise SourceError(
            f"too few real rows for generator {plan.generator.name!r}, which needs {least} of a class: {listed}; "
            f"choose another generator (resample takes any), or set balance.target for these classes to what they have"
        )


def fingerprint_spec(spec: Spec) -> str:
    """Return the SHA-256 of all in the spec that decides the rows: not where it reads and writes, nor on how much."""
    data = spec.model_dump(mode="json")
    del data["source"]["path"], data["output"]["path"], data["budget"]
    for key in ("actors", "cpus", "gpus"):
        del data["generator"][key]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
