"""The promises of a generator about its rows: they follow the request, are reproducible, and are like real ones."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from generators.checks.promises import Promise, refusal_fault
from generators.checks.subject import Subject
from generators.image.codec import Encoding, decode
from generators.image.rows import list_encoded
from schemas.arrow import IMAGE, PARENT_ROW
from schemas.errors import GeneratorError

_ORDERED = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal)


def _rows(subject: Subject) -> Iterator[str]:
    for stratum in subject.strata:
        for rows in (1, 37):
            made = subject.fitted.sample(subject.request(stratum, rows=rows))
            made.validate(full=True)
            yield from _row_faults(subject, made, subject.table, stratum, rows)


def _row_faults(subject: Subject, made: pa.Table, real: pa.Table, stratum: str, rows: int) -> Iterator[str]:
    if made.num_rows != rows:
        yield f"{made.num_rows} rows for {rows}"
    if subject.generator.capabilities.origin == "augmented":
        if PARENT_ROW not in made.column_names or made[PARENT_ROW].type != pa.int64() or made[PARENT_ROW].null_count:
            yield f"no int64 column {PARENT_ROW!r} without nulls"
            return
        parents = made[PARENT_ROW].to_numpy()
        if parents.min() < 0 or parents.max() >= len(real):
            yield f"a {PARENT_ROW} of {parents.max()}, in a table of {len(real)} rows"
        elif others := set(real[subject.label].take(made[PARENT_ROW]).to_pylist()) - {stratum}:
            yield f"a parent of class {min(others)!r} for {stratum!r}"
        made = made.drop_columns(PARENT_ROW)
    if made.schema != real.schema:
        yield f"columns {_columns(made.schema)} for {_columns(real.schema)}"
    elif wrong := set(made[subject.label].to_pylist()) - {stratum}:
        yield f"a row of class {min(wrong, key=str)!r} for {stratum!r}"


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _same_request(subject: Subject) -> Iterator[str]:
    first = subject.fitted.sample(subject.request())
    other = subject.fitted.sample(subject.request(chunk=1))
    subject.fitted.sample(subject.request(subject.strata[-1], rows=7))
    if not subject.fitted.sample(subject.request()).equals(first):
        yield "other rows the second time; draw from request.seed alone"
    if other.equals(first):
        yield "the same rows for another chunk with another seed"


def _small_class(subject: Subject) -> Iterator[str]:
    least = subject.generator.capabilities.min_class_rows
    table = subject.classes({"plenty": 120, "scanty": least})
    yield from _row_faults(
        subject, subject.learn(table).sample(subject.request("scanty", rows=20)), table, "scanty", 20
    )
    if least > 1:
        fewer = subject.classes({"plenty": 120, "scanty": least - 1})
        fault = refusal_fault(lambda: subject.learn(fewer), GeneratorError, "'scanty'")
        if fault:
            yield f"{fault} for a class 'scanty' of {least - 1}; call generators.classes.check_class_sizes"


def _one_class(subject: Subject) -> Iterator[str]:
    table = subject.classes({"only": 60})
    yield from _row_faults(subject, subject.learn(table).sample(subject.request("only", rows=20)), table, "only", 20)


def _unknown_class(subject: Subject) -> Iterator[str]:
    name = f"{subject.strata[0]} of no row"
    fault = refusal_fault(lambda: subject.fitted.sample(subject.request(name)), GeneratorError, repr(name))
    if fault:
        yield f"{fault} for {name!r}; call generators.classes.check_class_known"


def _no_rows(subject: Subject) -> Iterator[str]:
    fault = refusal_fault(lambda: subject.learn(subject.table.slice(0, 0)), GeneratorError, "")
    if fault:
        yield f"{fault}; call generators.classes.check_class_sizes"


def _few_columns(subject: Subject) -> Iterator[str]:
    if subject.modality != "tabular":
        return
    for columns in _selections(subject):
        table = subject.table.select(columns)
        made = subject.learn(table).sample(subject.request(rows=20))
        yield from _row_faults(subject, made, table, subject.strata[0], 20)


def _selections(subject: Subject) -> Iterator[list[str]]:
    """Yield selections of columns to learn from: only the class, or the class with a constant, nulls, or others."""
    features = [name for name in subject.table.column_names if name != subject.label]
    empty = [name for name in features if subject.table[name].null_count == len(subject.table)]
    constant = [name for name in features if len(pc.unique(subject.table[name])) == 1 and name not in empty]
    texts = [name for name in features if pa.types.is_string(subject.table[name].type)]
    gaps = [name for name in features if subject.table[name].null_count and name not in empty]
    yield [subject.label]
    yield from ([subject.label, *some[:1]] for some in (constant, empty, gaps) if some)
    yield from ([*some[:1], subject.label] for some in (features, texts) if some)


def _values(subject: Subject) -> Iterator[str]:
    made = subject.fitted.sample(subject.request(subject.strata[-1], rows=200))
    for name in subject.table.column_names:
        if name != subject.label:
            yield from _value_faults(subject.modality, name, subject.table[name], made[name])


def _value_faults(modality: str, name: str, real: pa.ChunkedArray, made: pa.ChunkedArray) -> Iterator[str]:
    if real.type == IMAGE:
        yield from _image_faults(name, real, made)
    elif modality == "text" and pa.types.is_string(real.type):
        if made.null_count or not all(text.strip() for text in made.to_pylist()):
            yield f"an empty text in {name!r}"
    elif any(is_kind(real.type) for is_kind in _ORDERED):
        low, high = pc.min_max(real).as_py().values()
        least, most = pc.min_max(made).as_py().values()
        if least is not None and (low is None or not low <= least <= most <= high):
            yield f"{least} to {most} in {name!r}, where the real ones are {low} to {high}"
    elif pa.types.is_string(real.type) and (new := set(made.to_pylist()) - set(real.to_pylist())):
        yield f"{min(new, key=str)!r} in {name!r}, which no real row holds"


def _image_faults(name: str, real: pa.ChunkedArray, made: pa.ChunkedArray) -> Iterator[str]:
    shapes = {decode(data).shape for data in list_encoded(real)}
    for data in list_encoded(made):
        if data[:4] != list_encoded(real[:1])[0][:4]:
            yield f"an image in {name!r} that is encoded in another way"
        elif len(shapes) == 1 and decode(data).shape not in shapes:
            yield f"an image of {decode(data).shape} in {name!r}, where the real ones are {shapes.pop()}"


def _encoding(subject: Subject) -> Iterator[str]:
    made = subject.fitted.sample(subject.request(rows=1)).schema
    for field in subject.table.schema:
        if field.type == IMAGE and Encoding.of(made.field(field.name).metadata) != Encoding.of(field.metadata):
            yield f"{made.field(field.name).metadata} for {field.metadata}"


ROW_PROMISES: dict[str, Promise[Subject]] = {
    "rows": Promise(
        "rows, columns, types and the class are exactly as asked, and an augmented row names its parent of that class",
        _rows,
    ),
    "same_request": Promise(
        "the same request gives the same rows, whatever was asked before, and another chunk gives others", _same_request
    ),
    "small_class": Promise(
        "a class of `min_class_rows` rows is learnt, and one of fewer is refused by its name", _small_class
    ),
    "one_class": Promise("one class alone is learnt", _one_class),
    "unknown_class": Promise("a class that was not in the table is refused by its name", _unknown_class),
    "no_rows": Promise("a table of no rows is refused", _no_rows),
    "few_columns": Promise("a table is learnt whatever its columns are, even none beside the class", _few_columns),
    "values": Promise(
        "values have the range and form of real ones, texts are not empty, images have the real size and format",
        _values,
    ),
    "encoding": Promise("the field of made images says how they are encoded, as that of real ones does", _encoding),
}
"""Each promise by the name of its check."""
