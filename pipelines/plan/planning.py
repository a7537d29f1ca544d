"""Makes the plan: reads the source once, and fixes how many rows of each class are kept and made.

Knows no model and starts nothing: it answers within a second or two.
"""

from collections.abc import Mapping
from typing import Any

from generators.base import Generator
from pipelines.modality import MODALITIES, Modality, load_part, modality_of
from pipelines.plan.balance import Target, compute_targets
from pipelines.plan.boxes import box_counts, plan_images
from pipelines.plan.dependencies import outside
from pipelines.plan.machine import cluster_address, this_machine
from pipelines.plan.model_view import modelled, with_room_for_ids
from pipelines.plan.privacy import check_privacy, check_private, mark_private
from pipelines.plan.recognise import find_modality
from pipelines.plan.registry import (
    generator_class,
    generators_for,
    make_generator,
    make_validators,
)
from pipelines.plan.stream import chunk_rows
from pipelines.source.strata import Key, stratum_name, stratum_names
from pipelines.storage.encryption import read_key
from pipelines.storage.writable import refuse_nested
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.hashing import json_hash
from schemas.plan import BoxCounts, Plan, SourceProfile, Step, Stratum, Value
from schemas.spec import Spec, as_before

_FEW = 8  # the fewest candidates of a request if there are many strata
SHARD_ROWS, SHARD_BYTES = 50_000, 256 << 20


def make_plan(spec: Spec) -> Plan:
    """Return the plan of a build; raises SpecError or SourceError for whatever cannot be built.

    It ignores what is published already: `pipelines.dataset.versions.plan_build` considers that.
    """
    read_key(spec.output.encryption_key_env)  # a missing key is refused now, not at the end
    refuse_nested(spec)
    modality = find_modality(spec)
    generator = _generator(spec, modality)
    profile = load_part(modality.profile)(spec.source, spec.by)
    profile = mark_private(profile, spec.source.private, generator.name)
    check_privacy(spec.privacy, profile)
    strata = _strata(spec, profile, generator_class(generator.name))
    validators = _validators(spec, profile, modality, generator_class(generator.name))
    beside = outside(generator, validators, modality.name)
    plan = Plan(
        name=spec.name,
        seed=spec.seed,
        modality=modality.name,
        label=profile.by[0] if profile.objects else spec.source.label,
        profile=profile,
        strata=strata,
        generator=generator,
        validators=validators,
        attempts_per_row=spec.budget.attempts_per_row,
        fit_rows=spec.generator.fit_rows or modality.fit_rows,
        shard_rows=spec.output.shard_rows or _shard_rows(profile),
        splits=spec.output.splits,
        spec_fingerprint=fingerprint_spec(spec),
        boxes=_box_counts(spec, strata) if profile.objects else None,
        encoding=load_part(modality.encoding)(spec, profile) if modality.encoding else None,
        key_env=spec.output.encryption_key_env,
        privacy=spec.privacy,
        recipe=fingerprint_recipe(spec, beside) if spec.output.versions else None,
        outside=beside,
        machine=None if cluster_address() else this_machine(),  # a cluster's machine is known once it is joined
    )
    plan = with_room_for_ids(plan)
    make_validators(plan)
    _refuse_hopeless(plan)
    check_private(plan)
    return plan


def _generator(spec: Spec, modality: Modality) -> Step:
    """Return the generator; raises SpecError for an unknown name or parameter before the source is read."""
    step = Step(name=spec.generator.name or modality.generator, params=spec.generator.params)
    able = generator_class(step.name).capabilities.modalities
    if (name := modality.name) not in able:
        known = ", ".join(generators_for(name))
        problem = f"{step.name!r} makes {' or '.join(able)} rows, not {name}; for {name}: {known}"
        advice = _other_modality(able, modality)
        if advice:
            problem += f"; if the source holds {MODALITIES[str(advice.value)].called}, set {advice}"
        raise SpecError(Fault(("generator", "name"), problem, "other-modality", advice))
    make_generator(step)
    return step


def _other_modality(made: tuple[str, ...], modality: Modality) -> Advice | None:
    """Return the advice to read the source as a modality that the generator makes, if its files leave that open."""
    known = (MODALITIES[name] for name in made if name in MODALITIES)
    other = next((one for one in known if not one.recognise), None)
    if modality.recognise or other is None:
        return None
    return Advice(("source", "modality"), other.name)


def _shard_rows(profile: SourceProfile) -> int:
    """Return the default number of rows of a shard: fewer if rows are large."""
    return max(1, min(SHARD_ROWS, SHARD_BYTES // profile.row_bytes))


def _validators(spec: Spec, profile: SourceProfile, modality: Modality, generator: type[Generator]) -> list[Step]:
    """Return the validators in order: the spec's, or the modality's defaults."""
    if spec.validators is None:
        known = modality.marked_checks if profile.objects else modality.checks
        return [Step(name=name, params={}) for name in known if name not in generator.capabilities.skips]
    chosen = [Step(name=choice.name, params=choice.params) for choice in spec.validators]
    needed = modality.marked_needs if profile.objects else ()
    return chosen + [Step(name=name, params={}) for name in needed if all(step.name != name for step in chosen)]


def _strata(spec: Spec, profile: SourceProfile, generator: type[Generator]) -> list[Stratum]:
    if profile.objects:
        return _marked_strata(spec, profile, generator)
    named = stratum_names(tuple(key) for key, _ in profile.counts)
    keys = {named[tuple(key)]: (key, real) for key, real in profile.counts}
    _refuse_unclear(spec.balance.target, named)
    counts: Mapping[str, int] = {name: keys[name][1] for name in sorted(keys)}
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise SourceError(
            f"the source has one class only ({only!r} of {', '.join(spec.by)}): there is nothing to balance; "
            f"check source.label{_also(profile)}"
        ).naming(counts)
    names = profile.column(spec.by[0]).names if len(spec.by) == 1 else None
    targets = compute_targets(counts, _by_number(spec.balance.target, names or []), spec.balance.at_least)
    return [
        _stratum(spec, name, keys[name][0], real, targets[name], generator, generator.capabilities.min_chunk_rows)
        for name, real in counts.items()
    ]


def _refuse_unclear(target: Target, named: Mapping[Key, str]) -> None:
    """Raise SpecError for a name that several combinations of values share; each of them has a longer one."""
    for wanted in target if isinstance(target, Mapping) else ():
        meant = [name for key, name in named.items() if stratum_name(key) == wanted != name]
        if meant and wanted not in named.values():
            problem = f"{wanted!r} may be either of two classes: write {' or '.join(map(repr, meant))}"
            raise SpecError(Fault(("balance", "target", wanted), problem, names=(wanted, *meant)))


def _also(profile: SourceProfile) -> str:
    """Return a note on what of the files is in no row, which may explain missing classes."""
    return f" ({' '.join(profile.lost)})" if profile.lost else ""


def _by_number(target: Target, names: list[str]) -> Target:
    """Return the target with class names replaced by the numbers that the source gives the classes."""
    if not isinstance(target, Mapping):
        return target
    return {str(names.index(name)) if name in names else name: rows for name, rows in target.items()}


def _stratum(
    spec: Spec, name: str, key: list[Value], real: int, target: int, generator: type[Generator], least: int
) -> Stratum:
    rows = spec.generator.chunk_rows or chunk_rows(max(0, target - real), least, generator.capabilities.max_chunk_rows)
    return Stratum(name=name, key=key, real=real, target=target, chunk_rows=rows)


def _marked_strata(spec: Spec, profile: SourceProfile, generator: type[Generator]) -> list[Stratum]:
    """Return one stratum for all images of the same content; many strata are small, so chunks are small too."""
    if spec.balance.by:
        advice = Advice(("balance", "by"), None)
        problem = f"marked images are balanced by the classes of their boxes; {advice}"
        raise SpecError(Fault(advice.path, problem, "boxes-balanced-by", advice))
    images = {str(key[0]): real for key, real in profile.counts}
    images = {name: images[name] for name in sorted(images)}
    counts = box_counts(images)
    if not counts:
        raise SourceError(f"{profile.path}: no image has a box; check the annotations")
    targets = compute_targets(counts, spec.balance.target, spec.balance.at_least)
    planned = plan_images(images, targets, spec.balance.max_copies)
    return [
        _stratum(spec, name, [name], real, planned[name], generator, min(generator.capabilities.min_chunk_rows, _FEW))
        for name, real in images.items()
    ]


def _box_counts(spec: Spec, strata: list[Stratum]) -> dict[str, BoxCounts]:
    before, real, made = (box_counts({s.name: getattr(s, part) for s in strata}) for part in ("real", "keep", "make"))
    targets = compute_targets(before, spec.balance.target, spec.balance.at_least)
    return {
        name: BoxCounts(
            before=before[name],
            real=real[name],
            made=made[name],
            target=targets[name],
            reached=real[name] + made[name],
        )
        for name in before
    }


def _refuse_hopeless(plan: Plan) -> None:
    """Raise an error, before anything is trained, for what the generator cannot do."""
    if not any(stratum.target for stratum in plan.strata):
        raise SpecError(Fault(("balance", "target"), "asks for no rows at all; give at least one class some"))
    if not plan.makes_rows:
        return
    if not modelled(plan.profile):
        raise SourceError(
            f"there is no column to model beside {', '.join(plan.by)}: the others are constant or ids; "
            "say otherwise in source.types if that is wrong"
        )
    if refuse := modality_of(plan).refuse:
        load_part(refuse)(plan)
    least = generator_class(plan.generator.name).capabilities.min_class_rows
    small = [stratum for stratum in plan.strata if stratum.make and stratum.real < least]
    if small:
        listed = ", ".join(f"{stratum.name!r} ({stratum.real})" for stratum in small[:5])
        advice = Advice(("generator", "name"), "resample")
        raise SourceError(
            f"too few real rows for generator {plan.generator.name!r}, which needs {least} of a class: {listed}; "
            f"choose another generator ({advice} takes any), or set balance.target for these classes to what they have",
            code="few-rows",
            advice=advice,
        ).naming(stratum.name for stratum in small)


def fingerprint_spec(spec: Spec) -> str:
    """Return the SHA-256 of the keys of the spec that decide rows: no paths, limits, evaluation or hardware."""
    return json_hash(_deciding(spec))


def fingerprint_recipe(spec: Spec, beside: Mapping[str, str]) -> str:
    """Return the SHA-256 of all that decides how rows are made, but not their number or how they are written.

    `beside` holds hashes of what decides this outside the spec.
    """
    data = _deciding(spec)
    del data["name"], data["output"]
    data["balance"] = spec.by
    if beside:
        data["outside"] = dict(beside)
    return json_hash(data)


def _deciding(spec: Spec) -> dict[str, Any]:
    data = spec.whole()
    data["source"] = as_before(data["source"])
    del data["source"]["path"], data["output"]["path"], data["budget"], data["evaluate"]
    data["privacy"] = spec.privacy and spec.privacy.held_out  # limits do not decide rows, only their publication
    if data["output"].pop("encryption_key_env"):
        data["output"]["encrypted"] = True
    if versions := data["output"].pop("versions"):
        data["output"]["versions"] = {key: versions[key] for key in ("top_up", "refit_after")}
    if data["balance"]["at_least"] is None:
        del data["balance"]["at_least"]
    for key in ("actors", "cpus", "gpus", "deadline_seconds"):
        del data["generator"][key]
    return data
