"""The promises of every validator, and the check of each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from generators.checks.promises import Promise, code_faults, import_faults, params_faults, touch_faults
from pipelines.validate.base import Sketching
from pipelines.validate.checks.examples import batch_of_table
from pipelines.validate.checks.subject import Subject, split_table


def _name(subject: Subject) -> Iterator[str]:
    name = getattr(subject.validator, "name", None)
    if not (isinstance(name, str) and name):
        yield repr(name)


def _params(subject: Subject) -> Iterator[str]:
    yield from params_faults(subject.validator)


def _touches(subject: Subject) -> Iterator[str]:
    yield from touch_faults(subject.validator)


def _importable(subject: Subject) -> Iterator[str]:
    yield from import_faults(subject.validator)


def _verdict(subject: Subject) -> Iterator[str]:
    keep, rows = np.asarray(subject.verdict.keep), len(subject.examples.fresh)
    if keep.dtype != np.bool_ or keep.shape != (rows,):
        yield f"{keep.dtype} of shape {keep.shape} for {rows} rows"
    elif not keep.any():
        yield "all rejected, though most are of the same kind as the real ones"


def _details(subject: Subject) -> Iterator[str]:
    details, rejected = subject.verdict.details, int((~subject.verdict.keep).sum())
    if any(count < 1 for count in details.values()):
        yield f"{min(details.values())} rows for {min(details, key=lambda one: details[one])!r}"
    elif sum(details.values()) > rejected:
        yield f"{sum(details.values())} reasons for {rejected} rejected rows"


def _batches(subject: Subject) -> Iterator[str]:
    parts = [subject.fitted.check(batch).keep for batch in split_table(subject.examples.fresh, 33)]
    differ = int((np.concatenate(parts) != subject.verdict.keep).sum())
    if differ:
        yield f"{differ} other verdicts in batches of 33"


def _order(subject: Subject) -> Iterator[str]:
    real = subject.examples.real
    shuffled = real.take(np.random.default_rng(2).permutation(len(real)))
    other = subject.learn(split_table(shuffled, max(1, len(real) // 4))).check(subject.fresh).keep
    differ = int((other != subject.verdict.keep).sum())
    if differ:
        yield f"{differ} other verdicts after real rows in another order and in four batches"


def _reload(subject: Subject) -> Iterator[str]:
    loaded = subject.make()
    with tempfile.TemporaryDirectory() as scratch:
        loaded.load(subject.saved(Path(scratch) / "saved"))
    after = loaded.check(subject.fresh)
    if (after.keep != subject.verdict.keep).any() or after.details != subject.verdict.details:
        yield f"other verdicts: {after.details} for {subject.verdict.details}"
    sketches = [one.sketch(subject.fresh) for one in (loaded, subject.fitted) if isinstance(one, Sketching)]
    if len(sketches) == 2 and not np.array_equal(sketches[0], sketches[1]):
        yield "other sketches"


def _same_bytes(subject: Subject) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        first, second = subject.saved(Path(scratch) / "one"), Path(scratch) / "two"
        second.mkdir()
        subject.learn([batch_of_table(subject.examples.real)]).save(second)
        before, after = _contents(first), _contents(second)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"other bytes of {name!r} the second time"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _no_code(subject: Subject) -> Iterator[str]:
    yield from code_faults(subject.fitted.save, lambda folder: subject.make().load(folder))


def _left_alone(subject: Subject) -> Iterator[str]:
    batch = batch_of_table(subject.examples.fresh)
    before = batch.fingerprints.copy()
    validator = subject.learn([batch])
    validator.check(batch)
    if isinstance(validator, Sketching):
        validator.novelty().admit(validator.sketch(batch))
    if not np.array_equal(batch.fingerprints, before):
        yield "other fingerprints in the batch"


def _no_rows(subject: Subject) -> Iterator[str]:
    empty = batch_of_table(subject.examples.real.slice(0, 0))
    validator = subject.learn([empty, batch_of_table(subject.examples.real)])
    shapes = [validator.check(empty).keep.shape]
    if isinstance(validator, Sketching):
        shapes.append(validator.novelty().admit(validator.sketch(empty)).shape)
    if any(shape != (0,) for shape in shapes):
        yield f"a verdict of shape {shapes[-1]} on no rows"


def _sketches(subject: Subject) -> Iterator[str]:
    if isinstance(subject.fitted, Sketching):
        sketches = subject.fitted.sketch(subject.fresh)
        if sketches.dtype != np.uint64 or sketches.ndim not in (1, 2) or len(sketches) != len(subject.examples.fresh):
            yield f"{sketches.dtype} of shape {sketches.shape} for {len(subject.examples.fresh)} rows"


def _novelty(subject: Subject) -> Iterator[str]:
    unfitted = subject.make()
    if not (isinstance(subject.fitted, Sketching) and isinstance(unfitted, Sketching)):
        return
    sketches, novelty = subject.fitted.sketch(subject.fresh), unfitted.novelty()
    if novelty.admit(sketches[:0]).shape != (0,):
        yield "an answer on no sketches"
    if not novelty.admit(sketches).any():
        yield "no new row among the first"
    if (again := novelty.admit(sketches)).any():
        yield f"{int(again.sum())} rows that were new once more"


VALIDATOR_PROMISES: dict[str, Promise[Subject]] = {
    "name": Promise("`name` is the text that begins the reason of a rejected row", _name),
    "params": Promise("`Params` is a pydantic model that names an unknown parameter", _params),
    "touches": Promise("a parameter that names a file, a model, an address or a key says so by its type", _touches),
    "importable": Promise(
        "another process can import the class, as module:Class, and loads no heavy library by that", _importable
    ),
    "verdict": Promise("`keep` is a bool for each candidate, true for some that are like the real rows", _verdict),
    "details": Promise("details count rejected rows, each once at most", _details),
    "batches": Promise("the verdict on a row does not depend on the rows around it", _batches),
    "order": Promise("the verdict does not depend on the order and the batches of the real rows", _order),
    "reload": Promise("one that was saved and loaded gives the same verdicts and sketches", _reload),
    "same_bytes": Promise("the same real rows give the same saved bytes", _same_bytes),
    "no_code": Promise("no saved file can run code when it is loaded", _no_code),
    "left_alone": Promise("real and candidate rows are left as they are", _left_alone),
    "no_rows": Promise("a batch of no rows is as good as any", _no_rows),
    "sketches": Promise("sketches are uint64, one of fixed width for each candidate", _sketches),
    "novelty": Promise("a novelty, also of an unfitted validator, admits what is new and refuses it again", _novelty),
}
"""Each promise by the name of its check."""
