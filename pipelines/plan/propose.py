"""Proposes a spec for a source: looks at it, finds its class column, and tries the plan. Knows no model.

What the plan refuses and a key of the spec mends is mended and said; so what is proposed can be planned as it is.
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
    """A spec that can be planned: its text, the plan that it gives, and what there is to say about it.

    `candidates` are the other columns that may be the class `label`.
    """

    text: str
    file: str
    label: str
    plan: Plan
    candidates: list[Seen]
    notes: list[str]

    @property
    def classes(self) -> dict[str, int]:
        """Rows of each class in the source; of marked images, boxes."""
        return class_counts(self.plan)


def propose(
    path: str, label: str | None = None, out: str = "spec.yaml", given: Mapping[str, Any] | None = None
) -> Proposal:
    """Return a proposed spec for the source at `path`, to be written to the file `out`.

    `given` are other keys of the source (its format, its split) that are not to be found out. Of a source with splits
    the training rows are proposed.

    Raises SpecError, with the candidates, where no class column can be told and no `label` says which it is, and
    SourceError for a source that cannot be read or balanced.
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
    """Return the keys with the split of the training rows, if the source has one and none is given, and say so."""
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
    except (SourceError, SpecError):  # it is met again, and mended if it can be, where the files are looked at
        return given, []
    return given, []


def write_proposal(proposal: Proposal) -> None:
    """Write the proposed spec; raises OutputError if there is a file of that name already."""
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
    """Return the error for a file that is there already."""
    return OutputError(f"{out} exists already and is not overwritten; give another --out, or remove it")


def _absolute(path: str) -> str:
    """Return the source's path, absolute unless it is a URI; a URI with credentials is refused."""
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
    """Return the keys of the source, the other candidates for its class, and what there is to say."""
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
    """Return the error that lists what may be the class, or all columns where nothing seems to be."""
    if candidates:
        lines = "\n".join(f"  {line}" for line in listed(candidates))
        return SpecError(Fault((), f"{files.path}: which column is the class? name it with --label:\n{lines}"))
    shown = ", ".join(repr(name) for name in names[:20])
    problem = f"no column has a few values that repeat, as a class has; there are {shown}; name the class with --label"
    return SpecError(Fault((), f"{files.path}: {problem}"))


def mended(draft: dict[str, Any], attempt: Callable[[dict[str, Any]], T]) -> tuple[dict[str, Any], T, list[str]]:
    """Return a spec, what an attempt made of it, and notes; does what a refusal advises, and says why."""
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
    """Return the files of a source, and what `_source` finds in them."""
    asked = parse(Source, {"label": label or "label", **draft["source"]}, ("source",))
    files = find_files(asked)
    return files, *_source(files, asked, label)


def _plan(draft: dict[str, Any]) -> Plan:
    return make_plan(parse(Spec, draft))


def class_counts(plan: Plan) -> dict[str, int]:
    """Return the rows of each class, of marked images the boxes, the largest first."""
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
    """Return the form of a spec; what is filled in is YAML already."""
    from jinja2 import Environment, StrictUndefined

    engine = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 (no HTML)
    return engine.from_string(_FORM.read_text(encoding="utf-8"))


def _serves(name: str, plan: Plan) -> bool:
    """Whether a generator is another choice for the plan."""
    cls = generator_class(name)
    return name != plan.generator.name and (not plan.profile.objects or cls.capabilities.makes_objects)


def _from_spec(path: str, out: str) -> str:
    """Return the path as it is written in the spec: one that is relative here is made relative to the spec's folder."""
    if is_uri(path) or os.path.isabs(os.path.expanduser(path)):
        return path
    return os.path.relpath(path, os.path.dirname(out) or ".")


def _test_split(path: str, out: str, source: Mapping[str, Any]) -> str | None:
    """Return the folder of the test split, where one of the others was taken from the source."""
    place = os.path.expanduser(path)
    if source.get("split") is None or is_uri(path) or not os.path.isdir(place):
        return None
    found = [name for name in sorted(os.listdir(place)) if kind_of(name) == "test"]
    folders = [name for name in found if os.path.isdir(os.path.join(place, name)) and name != source["split"]]
    return _from_spec(os.path.join(path, folders[0]), out) if folders else None


def _held_out(path: str, out: str) -> str:
    """Return the file or folder of held-out rows beside the source, or what it might be called."""
    folder, name = os.path.split(path.rstrip("/"))
    beside = os.path.join(folder, name.replace("train", "test"))
    found = beside != path.rstrip("/") and not is_uri(path) and os.path.exists(os.path.expanduser(beside))
    return _from_spec(beside, out) if found else "held-out" + os.path.splitext(name)[1]


def _stem(files: Files) -> str:
    """Return what the source is called: its file or folder, or one above where that says no more than `train`."""
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
