"""The spec, in which a user asks for a dataset, as pydantic models. Knows nothing of files, data or libraries.

An unknown key is refused with the nearest known key. `parse_spec` adds the line of the YAML to each fault.
"""

import codecs
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from schemas.base import Part, ReadPlace
from schemas.errors import Fault, SpecError, nearest
from schemas.evaluation import Evaluate
from schemas.output import Output
from schemas.privacy import Privacy
from schemas.secrets import all_redacted

NULL_TOKENS = ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL")

Modality = Literal["tabular", "text", "image"]
SourceFormat = Literal["csv", "tsv", "jsonl", "parquet", "folders", "images", "voc", "coco", "yolo", "listed"]
ColumnType = Literal["integer", "number", "boolean", "date", "timestamp", "string", "category", "id"]
Side = Annotated[int, Field(ge=1, le=16_384)]


def _encoding(name: str | None) -> str | None:
    try:
        known = name is None or codecs.lookup(name)._is_text_encoding
    except LookupError:
        known = False
    if not known:
        raise ValueError(f"no encoding of that name is known, got {name!r}; utf-8, cp1252 and utf-16 are some")
    return name


def _size(size: Any) -> Any:
    """Read a single number as the side of a square."""
    return [size, size] if isinstance(size, int) and not isinstance(size, bool) else size


class Images(Part):
    """How images are read, and how they are written where they cannot stay as they are."""

    size: Annotated[tuple[Side, Side] | None, BeforeValidator(_size)] = Field(
        None, description="Width and height that all images are brought to, or one number for both."
    )
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop", description="What gives where the sides are in another proportion: edges, black bars, or the shape."
    )
    mode: Literal["RGB", "L"] | None = Field(
        None, description="Colour or grey; left out: grey if all images are, else colour."
    )
    format: Literal["png", "jpeg", "webp"] | None = Field(
        None,
        description="Of made images, and of those written anew; left out: jpeg where most images are JPEG and larger"
        " than 128 pixels, else png.",
    )
    quality: int = Field(95, ge=1, le=100, description="Of jpeg and webp.")
    unreadable: Literal["refuse", "skip"] = Field(
        "refuse", description="What to do with images that are missing, empty, broken or too large."
    )
    animated: Literal["refuse", "skip", "first"] = Field(
        "refuse", description="What to do with images of several frames; first takes the first frame."
    )
    max_pixels: int = Field(100_000_000, ge=1, description="An image of more pixels is too large.")


class Source(Part):
    """Where the real rows are, and which column is the class."""

    path: ReadPlace = Field(
        description="A file, packed or not, a folder of files, class folders of texts or images, or a URI that pyarrow"
        " can open (s3://…)."
    )
    label: str = Field(
        "label", min_length=1, description="The class column; in class folders and images with boxes it has a name."
    )
    modality: Modality | None = Field(None, description="What the rows are; inferred when left out.")
    format: SourceFormat | None = Field(None, description="How the rows are stored; inferred from names when left out.")
    text: str | None = Field(None, description="The text column of a source of texts; inferred when left out.")
    image: str | None = Field(None, description="The image column of a Parquet source; inferred when left out.")
    images: Images = Field(Images(), description="How images are read, and written where they must be changed.")
    annotations: str | list[str] | None = Field(
        None, description="The COCO file, or a list of them, relative to path; left out: the only one of a folder."
    )
    faulty_boxes: Literal["refuse", "mend"] = Field(
        "refuse", description="What to do with boxes outside their image; mend cuts them, and drops those without area."
    )
    split: str | None = Field(
        None,
        min_length=1,
        description="Which split of a source the rows come from, where folders or files are named train, valid, test;"
        " all takes every one, none says that these names mean no splits. Left out, such a source is refused, unless"
        " there is none but train.",
    )
    marked_on: Literal["stored", "upright"] | None = Field(
        None,
        description="Which image boxes and masks lie in where EXIF data turn it; left out: the size that its annotation"
        " declares tells.",
    )
    header: list[str] | None = Field(None, description="Column names of a delimited file that has no header row.")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="What stands between cells; found out when left out."
    )
    quote: str | None = Field(
        None, max_length=1, description='What cells are quoted with; "" where nothing is. Found out when left out.'
    )
    escape: Literal["\\", ""] | None = Field(
        None, description='"\\" where it stands before a quotation mark in a cell; found out when left out.'
    )
    decimal: Literal[".", ","] | None = Field(None, description="The decimal mark; found out when left out.")
    thousands: str | None = Field(
        None, min_length=1, max_length=1, description="What stands between thousands; found out when left out."
    )
    comment: str | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="What lines that are no rows begin with; left out: # before the header, and nowhere else.",
    )
    encoding: Annotated[str | None, AfterValidator(_encoding)] = Field(
        None, description="How text files are encoded; UTF-8 when left out."
    )
    nulls: list[str] = Field(list(NULL_TOKENS), description="Cell texts that stand for a missing value.")
    missing_label: Literal["refuse", "drop"] = Field(
        "refuse", description="What to do with rows whose class is missing."
    )
    missing_text: Literal["refuse", "drop"] = Field("refuse", description="What to do with empty texts.")
    types: dict[str, ColumnType] = Field({}, description="Column types that override what is inferred.")
    columns: list[str] | None = Field(
        None, min_length=1, description="The columns that are read, beside the class; all when left out."
    )
    drop: list[str] = Field([], description="Columns that are not read.")
    carry: list[str] = Field(
        [], description="Columns that are no feature: real rows keep them as they are, made rows have none."
    )
    private: list[str] = Field(
        [], description="Columns of a table whose rare values no made row shows; autoregressive can do that."
    )

    @model_validator(mode="after")
    def _read_or_not(self) -> "Source":
        for name in self.drop:
            if name in (self.label, self.text, self.image) or name in self.carry or name in (self.columns or []):
                raise ValueError(f"column {name!r} is in drop, and is needed or named elsewhere; take it out of one")
        if {self.label, self.text, self.image} & set(self.carry):
            raise ValueError("the class, the text and the image cannot be carried along; take them out of carry")
        return self

    def reads(self, name: str) -> bool:
        """Whether a column of that name is read."""
        named = {self.label, self.text, self.image, *self.carry}
        return name not in self.drop and (self.columns is None or name in self.columns or name in named)


LATER = (
    "columns", "drop", "carry", "delimiter", "quote", "escape", "decimal", "thousands", "comment", "encoding",
    "marked_on", "split",
)  # fmt: skip
"""Newer settings of a source, which are left out of fingerprints if they have their default."""


def as_before(source: dict[str, Any]) -> dict[str, Any]:
    """Return dumped settings of a source without newer keys that are unset, so that old fingerprints stay valid."""
    unset = Source.model_construct(path="-").model_dump(mode="json", include=set(LATER))
    return {name: value for name, value in source.items() if name not in unset or value != unset[name]}


def _by_name(steps: Any) -> Any:
    """Read `[schema, label_agreement: {min_probability: 0.5}]` as a list of names with parameters."""
    if not isinstance(steps, list):
        return steps
    named: list[Any] = []
    for step in steps:
        if isinstance(step, str):
            named.append({"name": step})
        elif isinstance(step, Mapping) and len(step) == 1 and "name" not in step:
            [(name, params)] = step.items()
            named.append({"name": name, "params": params or {}})
        else:
            named.append(step)
    return named


def _rows(rows: Any) -> bool:
    return isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0


def _target(target: Any) -> Any:
    """Check a target and describe all it may be in one message, not in one for each branch of the union."""
    if isinstance(target, Mapping):
        wrong = {name: rows for name, rows in target.items() if not _rows(rows)}
        if wrong:
            raise ValueError(f"each class must have a whole number of rows, 0 or more; got {wrong!r}")
        return {value_name(name): rows for name, rows in target.items()}
    if not _rows(target) and target not in ("largest", "smallest"):
        raise ValueError(f"must be largest, smallest, a whole number of rows or {{class: number}}; got {target!r}")
    return target


def value_name(value: Any) -> str:
    """Return the name of a class value: booleans are `true` and `false` as in YAML, times are ISO 8601."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


class Balance(Part):
    """How many rows each class shall have."""

    target: Annotated[Literal["largest", "smallest"] | int | dict[str, int], BeforeValidator(_target)] = Field(
        "largest",
        description="Rows of each class: as many as the largest or smallest has, a number, or a number by class, where"
        " classes that are not named keep their rows.",
    )
    at_least: int | None = Field(
        None, ge=1, description="In target's place: rows that each class has at least; classes with more keep them all."
    )
    by: list[str] | None = Field(
        None,
        min_length=1,
        description="Columns whose combinations are balanced, as in `<=50K | Male`; the label alone when left out.",
    )
    max_copies: int | None = Field(
        None, ge=1, description="Of boxes: rows made of one image at most; any number when left out."
    )

    @model_validator(mode="after")
    def _one_aim(self) -> "Balance":
        if self.at_least is not None and self.target != "largest":
            raise ValueError("at_least stands in target's place; give one of them")
        return self


class GeneratorChoice(Part):
    """Which model makes the rows, and what it runs on."""

    name: str | None = Field(
        None, description="The modality's default when left out; `module:Class` for one of your own."
    )
    params: dict[str, Any] = Field({}, description="The generator's own parameters.")
    actors: int | None = Field(
        None, ge=1, description="Processes that hold the model; as many as the resources allow when left out."
    )
    cpus: float = Field(1, gt=0, description="CPUs that each actor takes.")
    gpus: float | None = Field(
        None, ge=0, description="Share of a GPU that each actor takes; 0 without GPUs when left out."
    )
    chunk_rows: int | None = Field(None, ge=1, description="Candidates in one request; by need when left out.")
    fit_rows: int | None = Field(
        None,
        ge=1,
        description="Real rows that the model is fitted on, at most; small classes stay whole. Left out: a million,"
        " of images 100,000.",
    )
    deadline_seconds: float = Field(
        1800,
        gt=0,
        description="Seconds that an actor may work on one request, with the loading of the model before its first;"
        " one that takes longer is killed, and the request given out anew.",
    )


class ValidatorChoice(Part):
    """One check that each candidate row must pass."""

    name: str = Field(description="The validator's name, or `module:Class` for one of your own.")
    params: dict[str, Any] = Field({}, description="The validator's own parameters.")


class Budget(Part):
    """When to give up."""

    attempts_per_row: float = Field(20, ge=1, description="Candidates drawn for each row that is needed, at most.")


_WHOLE = {"whole": True}


class Spec(Part):
    """What to build. The name, the source and the output are needed; the rest may stay as it is."""

    name: str = Field(
        pattern=r"^[\w][\w.-]{0,99}$", description="Names the dataset: letters, digits, '.', '_' and '-'."
    )
    source: Source = Field(description="Where the real rows are, and which column is the class.")
    output: Output = Field(description="Where the dataset goes, and how it is cut.")
    balance: Balance = Field(Balance(), description="How many rows each class shall have.")
    generator: GeneratorChoice = Field(
        GeneratorChoice(), description="Which model makes the rows, and what it runs on."
    )
    validators: Annotated[list[ValidatorChoice], BeforeValidator(_by_name)] | None = Field(
        None,
        alias="validate",
        description="Checks that each made row must pass, in order; the modality's defaults if left out.",
    )
    budget: Budget = Field(Budget(), description="When to give up.")
    privacy: Privacy | None = Field(None, description="What made rows may give away, at most; left out: not measured.")
    evaluate: Evaluate | None = Field(
        None, description="Whether the dataset helps a classifier, on real rows that the build never sees."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Another seed makes other rows; the same one the same rows.")

    @model_serializer(mode="wrap", when_used="json")
    def _without_credentials(self, plain: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Dump without the credentials of URIs, since Prefect stores a flow's parameters; reading them is refused."""
        return plain(self) if info.context is _WHOLE else all_redacted(plain(self))

    def whole(self, *, by_alias: bool = False, exclude_unset: bool = False) -> dict[str, Any]:
        """Return the whole spec in JSON types with its credentials; for comparing and hashing, not to show or store.

        Without the credentials, constraints or prompts that quote different URIs would be equal.
        """
        return self.model_dump(mode="json", by_alias=by_alias, exclude_unset=exclude_unset, context=_WHOLE)

    @property
    def by(self) -> list[str]:
        """The columns whose combinations are the strata."""
        return self.balance.by or [self.source.label]


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], data: Any, path: tuple[str | int, ...] = ()) -> Model:
    """Read `data` as a record of `model`; `path` holds the keys that lead to it from the top of the spec.

    Raises SpecError with every fault; for an unknown key, with the nearest known one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(model, detail, path) for detail in error.errors(include_url=False)]
        raise SpecError(*dict.fromkeys(faults)) from None


def _fault(model: type[BaseModel], detail: Any, path: tuple[str | int, ...]) -> Fault:
    loc, code = _known_part(detail["loc"]), str(detail["type"]).replace("_", "-")
    if detail["type"] == "extra_forbidden":
        above, key = _known_part(detail["loc"][:-1]), str(detail["loc"][-1])  # a key may look like a branch
        return Fault((*path, *above, key), f"unknown key {key[:80]!r}{nearest(key, _keys_at(model, above))}", code)
    if detail["type"] == "missing":
        return Fault((*path, *loc[:-1]), f"the key {loc[-1]!r} is missing", code)
    got = detail.get("input")
    problem = detail["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(got, dict | list | BaseModel) else f", got {got!r}"
    return Fault((*path, *loc), problem[:1].lower() + problem[1:] + ("" if "got" in problem else shown), code)


def _known_part(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Drop the names that pydantic adds for the branches of a union (names with a bracket, or names of types)."""
    branches = {"int", "str", "float", "bool", "constrained-int"}
    return tuple(part for part in loc if isinstance(part, int) or not ("[" in part or part in branches))


def _keys_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the part of `model` at `loc` knows."""
    for part in loc:
        field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
        nested = list(_models_in(field.annotation)) if field else []
        model = nested[0] if nested else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the pydantic models that a type annotation mentions, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
