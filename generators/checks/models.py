"""The promises of a generator as a model: its class, its seed, its side effects, and its saved files."""

import importlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from generators.checks.promises import (
    Promise,
    code_faults,
    import_faults,
    in_another_process,
    known_here_alone,
    params_faults,
    touch_faults,
)
from generators.checks.subject import Subject
from schemas.plan import SampleRequest
from schemas.privacy import BUDGET, PrivacyBudget
from schemas.spec import parse


def _params(subject: Subject) -> Iterator[str]:
    yield from params_faults(subject.generator)


def _touches(subject: Subject) -> Iterator[str]:
    yield from touch_faults(subject.generator)


def _importable(subject: Subject) -> Iterator[str]:
    yield from import_faults(subject.generator)


def _same_seed(subject: Subject) -> Iterator[str]:
    if not subject.observed.rows.equals(subject.fitted.sample(subject.request())):
        yield "other rows from a second model of the same seed; draw from the seed that fit is given alone"


def _random_state(subject: Subject) -> Iterator[str]:
    if subject.observed.changed:
        yield f"another state of {', '.join(subject.observed.changed)}; run it inside generators.random.seeded"


def _quiet(subject: Subject) -> Iterator[str]:
    if subject.observed.output:
        yield repr(subject.observed.output[:100])


def _reload(subject: Subject) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        loaded = subject.make()
        loaded.load(subject.saved(Path(scratch) / "model"), "cpu")
        if not loaded.sample(subject.request()).equals(subject.fitted.sample(subject.request())):
            yield "other rows"


def _reload_elsewhere(subject: Subject) -> Iterator[str]:
    if not known_here_alone(subject.generator):  # else the check `importable` reports it
        yield from filter(None, rows_elsewhere(subject))


def rows_elsewhere(*subjects: Subject) -> list[str]:
    """Return the faults of the rows that saved models give in another process; all share one process."""
    with tempfile.TemporaryDirectory() as scratch:
        models = [subject.saved(Path(scratch) / str(number)) for number, subject in enumerate(subjects)]
        expected = [subject.fitted.sample(subject.request()) for subject in subjects]
        asked = [_asked(subject, model) for subject, model in zip(subjects, models, strict=True)]
        code = "from generators.checks.models import sample_each; sample_each(*sys.argv[1:])"
        done = in_another_process(code, json.dumps(asked))
        if done.returncode:
            return [done.stderr.strip().rpartition("\n")[2] for _ in subjects]
        return [_other_rows(model, rows) for model, rows in zip(models, expected, strict=True)]


def _asked(subject: Subject, model: Path) -> list[Any]:
    """Return the data from which another process loads and samples a saved model."""
    cls, request = subject.generator, subject.request()
    known = [cls.__module__, cls.__qualname__, TypeAdapter(Any).dump_python(subject.params, mode="json")]
    return [*known, str(model), request.model_dump(mode="json")]


def _other_rows(model: Path, expected: pa.Table) -> str:
    made = pa.ipc.open_file(model.with_suffix(".arrow").read_bytes()).read_all()
    return "" if made.equals(expected) else "other rows; what is a set or a hash is in another order there"


def sample_each(asked: str) -> None:
    """Load saved models, and write each model's rows for a request into an Arrow file beside the model."""
    for module, name, params, model, request in json.loads(asked):
        cls = getattr(importlib.import_module(module), name)
        generator = cls(parse(cls.Params, params))
        generator.load(Path(model), "cpu")
        made = generator.sample(SampleRequest.model_validate(request))
        with pa.OSFile(f"{model}.arrow", "wb") as sink, pa.ipc.new_file(sink, made.schema) as writer:
            writer.write_table(made)


def _no_code(subject: Subject) -> Iterator[str]:
    yield from code_faults(subject.fitted.save, lambda folder: subject.make().load(folder, "cpu"))


def _budget(subject: Subject) -> Iterator[str]:
    if not subject.generator.capabilities.differentially_private:
        return
    if not callable(getattr(subject.generator, "check", None)):
        yield "no method check(schema, label, rows)"
    with tempfile.TemporaryDirectory() as scratch:
        file = subject.saved(Path(scratch) / "model") / BUDGET
        if not file.is_file():
            yield f"no file {BUDGET}"
        else:
            PrivacyBudget.model_validate_json(file.read_bytes())


MODEL_PROMISES: dict[str, Promise[Subject]] = {
    "params": Promise("`Params` is a pydantic model that names an unknown parameter", _params),
    "touches": Promise("a parameter that names a file, a model, an address or a key says so by its type", _touches),
    "importable": Promise(
        "another process can import the class, as module:Class, and loads no heavy library by that", _importable
    ),
    "same_seed": Promise("the same table, label and seed give the same model", _same_seed),
    "random_state": Promise("the global random state is left as it was", _random_state),
    "quiet": Promise("nothing is printed", _quiet),
    "reload": Promise("a saved model that is loaded gives the same rows", _reload),
    "reload_elsewhere": Promise("a saved model gives the same rows in another process", _reload_elsewhere),
    "no_code": Promise("no file of a saved model can run code when it is loaded", _no_code),
    "budget": Promise(
        "one that is differentially private checks beforehand what would void that, and saves the budget it spent",
        _budget,
    ),
}
"""Each promise by the name of its check."""
