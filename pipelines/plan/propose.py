"""Proposes a spec for a source: reads the source, finds its class column, and tries the plan. Knows no model.

If the plan is refused and a key of the spec mends that, the key is set and a note says so. A proposed spec can
therefore be planned as it is.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from pipelines.modality import modality_of
from pipelines.plan.label_candidates import Seen, choose, content_keys, guessed_header, listed, look, told
from pipelines.plan.planning import make_plan
from pipelines.plan.registry import generator_class, generators_for
from pipelines.source.files import Files, find_files
from pipelines.source.formats import format_of
from pipelines.source.splits import SeveralSplitsError, kind_of
from pipelines.storage.folder import is_uri
from schemas.errors import Advice, Fault, OutputError, SourceError, SpecError, nearest
from schemas.plan import Plan
from schemas.secrets import redacted
from schemas.spec import Source, Spec, parse

if TYPE_CHECKING:
    from jinja2 import Template

_FORM = Path(__file__).parent / "proposed.yaml"
T = TypeVar("T")
_USUAL_NAME = re.compile(r"(?i)train|training|data|dataset|all|full|images|annotations")


@dataclass(frozen=True)
class Proposal:
    """A spec that can be planned: its text, its plan, and notes on it.

    `candidates` are the columns other than `label` that may be the class.
    """

    text: str
    file: str
    label: str
    plan: Plan
    candidates: list[Seen]
    notes: list[str]

    @property
    def classes(self) -> dict[str, int]:
        """The rows of each class in the source, or the boxes if images are marked."""
        return class_counts(self.plan)


def propose(
    path: str, label: str | None = None, out: str = "spec.yaml", given: Mapping[str, Any] | None = None
) -> Proposal:
    """Return a proposed spec for the source at `path`, to be written to the file `out`.

    `given` holds other keys of the source (its format, its split), which are taken as they are. If a source has splits,
    its training rows are proposed.

    Raises SpecError, with the candidates, if there is no `label` and no column is clearly the class, and SourceError
    for a source that cannot be read or balanced.
    """
    place = _absolute(path)
    given, split = _with_split(place, dict(given or {}))
    draft, looked, read = mended({"source": {"path": place, **given}}, partial(_look, label))
    files, source, candidates, notes = looked
    name = f"{_stem(files)}-balanced"
    draft = {"name": name, "source": {**draft["source"], **source}, "output": {"path": f"out/{name}"}}
    draft, plan, fitted = mended(draft, _plan)
    listed = [f"the source lists the splits {', '.join(files.lists)}; source.split takes one, else all are taken"]
    notes = [*split, *read, *(listed if files.lists else []), *notes, *fitted]
    return Proposal(_render(draft, plan, path, out, notes), out, source["label"], plan, candidates, notes)


def _with_split(place: str, given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys with the split of the training rows if there is one and none is given, and a note on it."""
    try:
        find_files(parse(Source, {"path": place, "label": "label", **given}))
    except SeveralSplitsError as error:
        if error.advice is None:
            fault = replace(error.faults[0], path=(), problem=f"{error.faults[0].problem} (--split)")
            raise SpecError(fault) from error
        chosen = str(error.advice.value)
        others = ", ".join(name for name in error.splits.files if name != chosen)
        note = f"the source has splits, and {chosen} was chosen ({error.advice.key}); {others or 'the rest'} stays out"
        return {**given, "split": chosen}, [note]
    except (SourceError, SpecError):  # it is raised again, and mended if possible, when the files are read
        return given, []
    return given, []


def write_proposal(proposal: Proposal) -> None:
    """Write the proposed spec; raises OutputError if the file exists already."""
    try:
        with open(proposal.file, "x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError:
        raise taken(proposal.file) from None
    except OSError as error:
        raise OutputError(
            f"{proposal.file}: may not be written ({error.strerror or error}); give another --out"
        ) from error


def taken(out: str) -> OutputError:
    """Return the error for a file that exists already."""
    return OutputError(f"{out} exists already and is not overwritten; give another --out, or remove it")


def _absolute(path: str) -> str:
    """Return the source's absolute path, or its URI; raises an error for a URI with credentials."""
    if not is_uri(path):
        return os.path.abspath(os.path.expanduser(path))
    if redacted(path) != path:
        problem = (
            f"{path} holds credentials, which would stand in the spec; take them out of the URI, and give them in the"
            " environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
        raise SpecError(Fault((), problem))
    return path


def _source(files: Files, source: Source, label: str | None) -> tuple[dict[str, Any], list[Seen], list[str]]:
    """Return the keys of the source, the other candidates for its class, and notes."""
    if fixed := format_of(files).label(files, source):
        return {"label": label or fixed}, [], []
    looked = look(files, source, label)
    headless = format_of(files).headless(files, source)
    header = guessed_header(looked, headless) if format_of(files).delimited and label not in looked.names else None
    if header:
        looked = look(files, source.model_copy(update={"header": header}), label)
    if label is not None and label not in looked.names:
        hint, advice = format_of(files).advice(files, source)
        hint = hint if advice else ""
        problem = f"--label {label}: the source has no such column{nearest(label, looked.names)}{hint}"
        raise SpecError(Fault((), problem, "unknown-column", advice))
    chosen = looked.column(label) if label is not None else choose(looked)
    if chosen is None:
        raise _undecided(files, looked.candidates, looked.names)
    keys: dict[str, Any] = {"label": chosen.name}
    keys |= {"header": header} if header else {}
    keys |= content_keys(looked, chosen.name)
    notes = ["the first row looks like data, so the names in source.header are made up"] if header else []
    notes += [f"the file is written with {how}" for how in [format_of(files).written(files, source)] if how]
    notes += [f"other columns were counted in the first {looked.rows:,} rows only"] if looked.more else []
    return keys, [one for one in looked.candidates if one != chosen], notes


def _undecided(files: Files, candidates: list[Seen], names: list[str]) -> SpecError:
    """Return the error that lists the columns that may be the class, or all columns if none may."""
    if candidates:
        lines = "\n".join(f"  {line}" for line in listed(candidates))
        return SpecError(Fault((), f"{files.path}: which column is the class? name it with --label:\n{lines}"))
    shown = ", ".join(repr(name) for name in names[:20])
    problem = f"no column has a few values that repeat, as a class has; there are {shown}; name the class with --label"
    return SpecError(Fault((), f"{files.path}: {problem}"))


def mended(draft: dict[str, Any], attempt: Callable[[dict[str, Any]], T]) -> tuple[dict[str, Any], T, list[str]]:
    """Return a spec after all advised changes, the result of an attempt at it, and a note on each change."""
    done: list[Advice] = []
    notes: list[str] = []
    while True:
        try:
            return draft, attempt(draft), notes
        except (SourceError, SpecError) as error:
            advice = error.advice
            if advice is None or advice in done:
                raise
            done.append(advice)
            draft = advice.applied(draft)
            notes.append(f"{advice.key} was set, since {' '.join(str(error).split())}")


def _look(label: str | None, draft: dict[str, Any]) -> tuple[Files, dict[str, Any], list[Seen], list[str]]:
    """Return the files of a source, and the results of `_source` for them."""
    asked = parse(Source, {"label": label or "label", **draft["source"]}, ("source",))
    files = find_files(asked)
    return files, *_source(files, asked, label)


def _plan(draft: dict[str, Any]) -> Plan:
    return make_plan(parse(Spec, draft))


def class_counts(plan: Plan) -> dict[str, int]:
    """Return the rows of each class (the boxes if images are marked), the largest class first."""
    found = {one.name: one.real for one in plan.strata}
    if plan.boxes:
        found = {name: boxes.before for name, boxes in plan.boxes.items()}
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _render(draft: Mapping[str, Any], plan: Plan, path: str, out: str, notes: list[str]) -> str:
    modality = modality_of(plan)
    checks = modality.marked_checks if plan.profile.objects else modality.checks
    return _template().render(
        yaml=_scalar,
        file=_scalar(os.path.basename(out)),
        notes=notes,
        name=draft["name"],
        path=_from_spec(path, out),
        source=draft["source"],
        modality=plan.modality,
        classes=told(class_counts(plan)),
        generator=plan.generator.name,
        generators=[name for name in generators_for(plan.modality) if _serves(name, plan)],
        checks=checks,
        more_checks=[name for name in modality.validators if name not in checks],
        test=_test_split(path, out, draft["source"]) or _held_out(path, out),
        output=draft["output"]["path"],
    )


def _template() -> "Template":
    """Return the template of a spec; its variables are YAML already."""
    from jinja2 import Environment, StrictUndefined

    engine = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 (no HTML)
    return engine.from_string(_FORM.read_text(encoding="utf-8"))


def _serves(name: str, plan: Plan) -> bool:
    """Whether a generator is an alternative for the plan."""
    cls = generator_class(name)
    return name != plan.generator.name and (not plan.profile.objects or cls.capabilities.makes_objects)


def _from_spec(path: str, out: str) -> str:
    """Return the path as the spec writes it; a relative path is made relative to the spec's folder."""
    if is_uri(path) or os.path.isabs(os.path.expanduser(path)):
        return path
    return os.path.relpath(path, os.path.dirname(out) or ".")


def _test_split(path: str, out: str, source: Mapping[str, Any]) -> str | None:
    """Return the folder of the test split if another split was chosen, or None."""
    place = os.path.expanduser(path)
    if source.get("split") is None or is_uri(path) or not os.path.isdir(place):
        return None
    found = [name for name in sorted(os.listdir(place)) if kind_of(name) == "test"]
    folders = [name for name in found if os.path.isdir(os.path.join(place, name)) and name != source["split"]]
    return _from_spec(os.path.join(path, folders[0]), out) if folders else None


def _held_out(path: str, out: str) -> str:
    """Return the file or folder of held-out rows beside the source, or a likely name for it."""
    folder, name = os.path.split(path.rstrip("/"))
    beside = os.path.join(folder, name.replace("train", "test"))
    found = beside != path.rstrip("/") and not is_uri(path) and os.path.exists(os.path.expanduser(beside))
    return _from_spec(beside, out) if found else "held-out" + os.path.splitext(name)[1]


def _stem(files: Files) -> str:
    """Return the name of the source's file or folder, or of the folder above if the name is only `train`."""
    single = len(files.names) == 1 and not format_of(files).together
    parts = re.split(r"[/\\]+", f"{files.root}/{files.names[0]}" if single else files.root)
    for part in reversed(parts):
        stem = re.sub(r"[^\w-]+", "-", part.split(".")[0]).strip("-_")
        if stem and not _USUAL_NAME.fullmatch(stem):
            return stem[:80]
    return "data"


def _scalar(value: Any) -> str:
    """Return a value as one line of YAML, whatever characters it holds."""
    plain = isinstance(value, str) and not value.isprintable()
    text: str = yaml.safe_dump(
        [value],
        default_flow_style=True,
        width=math.inf,
        allow_unicode=not plain,
        default_style='"' if plain else None,
        sort_keys=False,
    )
    return text.strip()[1:-1]
