"""The plan: what a build will do, fixed before anything is sampled. Pure data, no behaviour beyond look-ups.

A plan is derived from the spec and the profile of the source alone, so that the same spec and source give the same
plan, and the same plan gives the same rows.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from schemas.base import Noun
from schemas.machine import Machine
from schemas.privacy import Privacy
from schemas.versions import Base

Role = Literal["feature", "id", "constant", "text", "image", "objects", "carried"]
Value = bool | int | float | str | None
_SELDOM = ("stored", "changed", "names", "form", "grid")


class IdForm(Noun):
    """How the longest ids of a column of text look, so that made ones look alike.

    `places` holds what may stand in each place, in the order of characters, and `most` and `least` are the last and the
    first of them in that order. `start` is where the digits begin that they end with, where that is so of all.
    """

    most: str
    least: str
    start: int | None
    places: list[str]


class Grid(Noun):
    """What numbers too long for doubles have in common: `step` and `rest`, in units of the last decimal, as text."""

    step: str
    rest: str


class Column(Noun):
    """One column of the source.

    `type` is the Arrow type by its name (`int64`, `double`, `string`, `bool`, `date32[day]`, `timestamp[us]`, or one
    of `schemas.arrow.NESTED`).
    `minimum` and `maximum` are of the real rows: numbers and booleans as they are, dates and times as ISO 8601 text.
    `categories` holds the distinct values of a text column that has few of them, else nothing. Of a `private` column
    no made row shows a value that few real rows hold. `stored` is the Arrow type that the column has in the source and
    in the dataset, where that is another one than it is computed with, by its name in `schemas.stored`; `changed` says
    what of the source's cells is different in the dataset. `names` are those of classes that the source numbers, as
    Hugging Face's ClassLabel does. `form` is how ids of text look, `grid` the step of numbers
    that are longer than a double.
    """

    name: str
    type: str
    role: Role = "feature"
    nulls: int = 0
    distinct: int | None = None
    minimum: Value = None
    maximum: Value = None
    categories: list[str] | None = None
    private: bool = False
    stored: str | None = None
    changed: str | None = None
    names: list[str] | None = None
    form: IdForm | None = None
    grid: Grid | None = None

    @model_serializer(mode="wrap")
    def _as_ever(self, plain: SerializerFunctionWrapHandler) -> Any:
        """Leave out what most columns lack, so that they are written, and hashed, as they always were."""
        return {name: value for name, value in plain(self).items() if value is not None or name not in _SELDOM}

    @property
    def constant(self) -> Value:
        """The one value of a constant column; None where all are missing."""
        return self.categories[0] if self.categories else self.minimum


class ImageProfile(Noun):
    """The images of a source, and what they become.

    `modes`, `formats` and `sizes` (`width x height`, the most frequent ones) count images as they were found; `least`
    and `most` are the extremes of width and height. `turned` by their EXIF data, `animated` and
    `unreadable` count images; `examples` names some unreadable ones with the reason. `faulty_boxes` were mended,
    `clipped` ones were cut by a pixel or less.
    `mode` is what all images become, `size` (width, height) too, or nothing where each keeps its own; `changed` are
    written anew for one reason or another, in `format`. `pixels` is the mean of an image as it was found. `levels` are
    the values of grey images of more than 8 bits that become black and white. `lists` are splits that the source lists,
    with their images, and that were not asked for: all images are taken. `wide` had 16 bits a colour. Of `unclear` ones
    with marks no size tells whether these are drawn on the image as it is stored or as it is seen.
    """

    modes: dict[str, int]
    formats: dict[str, int]
    sizes: dict[str, int]
    least: tuple[int, int]
    most: tuple[int, int]
    turned: int = 0
    animated: int = 0
    unreadable: int = 0
    faulty_boxes: int = 0
    examples: dict[str, str] = Field({})
    mode: Literal["RGB", "L"] = "RGB"
    size: tuple[int, int] | None = None
    changed: int = 0
    format: Literal["png", "jpeg", "webp"] = "png"
    pixels: int = 0
    levels: tuple[float, float] | None = None
    lists: dict[str, int] = Field({})
    wide: int = 0
    unclear: int = 0
    clipped: int = 0

    @model_serializer(mode="wrap")
    def _as_ever(self, plain: SerializerFunctionWrapHandler) -> Any:
        """Leave out what most images lack, so that they are written, and hashed, as they always were."""
        return {name: value for name, value in plain(self).items() if value or name != "clipped"}

    @property
    def uniform(self) -> bool:
        """Whether all images end with one size."""
        return self.size is not None or self.least == self.most

    @property
    def row_bytes(self) -> int:
        """Bytes that a made image takes, roughly: a PNG half its pixels, others an eighth."""
        pixels = self.size[0] * self.size[1] if self.size else self.pixels
        return pixels * (3 if self.mode == "RGB" else 1) // (2 if self.format == "png" else 8)


class Merged(Noun):
    """A class that several texts of a column stand for, as they are written in the source."""

    column: str
    value: Value
    spellings: list[str]


class SourceProfile(Noun):
    """What one streaming read of the source found.

    `counts` holds the rows of each combination of the `by` columns, as (values, rows) pairs in the order of first
    sight; rows whose `by` values hold a null are counted in `dropped` alone. `merged` lists classes that are written in
    several ways. `content` is a hash of the files' bytes alone, by which it is seen whether they are still the same.
    `written` says in words how delimited files are written, where that was not what their name says. `lost` says, in
    sentences, what of the files is in no row.
    """

    path: str
    format: str
    files: list[str]
    bytes: int
    rows: int
    dropped: int
    columns: list[Column]
    by: list[str]
    counts: list[tuple[list[Value], int]]
    fingerprint: str
    images: ImageProfile | None = None
    merged: list[Merged] = Field([])
    content: str = ""
    written: str = ""
    lost: list[str] = Field([])

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes, roughly, and not too few."""
        return max(1, self.bytes // max(1, self.rows), self.images.row_bytes if self.images else 0)

    @property
    def text(self) -> str | None:
        """The column that holds the text, of a source of texts."""
        return self._first("text")

    @property
    def image(self) -> str | None:
        """The column that holds the image, of a source of images."""
        return self._first("image")

    @property
    def objects(self) -> str | None:
        """The column that holds what is marked in the image, of a source of marked images."""
        return self._first("objects")

    def _first(self, role: Role) -> str | None:
        return next((column.name for column in self.columns if column.role == role), None)

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)


class Stratum(Noun):
    """One class, or one combination of the `by` columns, and the rows it is to have.

    `key` holds the values of the `by` columns, in their order, which identify it; `name`, by which people call it, is
    unique among the strata. The first `carried`
    chunks of its stream hold rows that an earlier version has made.
    """

    name: str
    key: list[Value]
    real: int
    target: int
    chunk_rows: int
    carried: int = 0

    @property
    def keep(self) -> int:
        """Real rows that stay."""
        return min(self.real, self.target)

    @property
    def make(self) -> int:
        """Synthetic rows that are needed."""
        return self.target - self.keep


class BoxCounts(Noun):
    """Boxes of one class: in the source, in the real images that are kept, in made ones, asked for, and reached."""

    before: int
    real: int
    made: int
    target: int
    reached: int


class Step(Noun):
    """A validator or generator by its registered name, with its checked parameters."""

    name: str
    params: dict[str, Any]


class Plan(Noun):
    """Everything that decides which rows a build publishes.

    `boxes` counts those of marked images, whose strata are what an image holds; `encoding` says how made images
    are written (see `schemas.arrow.IMAGE`). `key_env` names the environment variable with the key of the shards.
    `privacy` says which real rows the model does not learn from, and what made rows may give away. A `version` (a
    number), which may be `complete` already, may continue a `base`, and use its `model` (a fingerprint) again; `recipe`
    is a hash of how rows are made. `outside` holds the hash of what else decides them, a user's own code, model folders
    and word lists, by where the spec names it. `machine` is what the rows are made on, once that is known.
    """

    name: str
    seed: int
    modality: str
    label: str
    profile: SourceProfile
    strata: list[Stratum]
    generator: Step
    validators: list[Step]
    attempts_per_row: float
    fit_rows: int
    shard_rows: int
    splits: dict[str, float]
    spec_fingerprint: str
    boxes: dict[str, BoxCounts] | None = None
    encoding: dict[str, str] | None = None
    key_env: str | None = None
    privacy: Privacy | None = None
    version: int | None = None
    complete: bool = False
    base: Base | None = None
    model: str | None = None
    recipe: str | None = None
    outside: dict[str, str] = Field({})
    machine: Machine | None = None

    @property
    def by(self) -> list[str]:
        """The columns whose combinations are the strata."""
        return self.profile.by

    @property
    def continues(self) -> Base | None:
        """The version whose rows are kept; nothing if this one is a start."""
        return self.base if self.base and self.base.anew is None else None

    @property
    def class_values(self) -> dict[str, list[Value]]:
        """The values of each stratum in the `by` columns, by its name."""
        return {stratum.name: stratum.key for stratum in self.strata}

    @property
    def makes_rows(self) -> bool:
        """Whether any stratum needs synthetic rows."""
        return any(stratum.make for stratum in self.strata)

    def stratum(self, name: str) -> Stratum:
        """Return the stratum of that name."""
        return self.strata[self.numbers[name]]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each stratum in `strata`, by its name."""
        return {stratum.name: number for number, stratum in enumerate(self.strata)}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with these fields changed, which numbers its own strata."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("numbers", None)
        return copy


class SampleRequest(Noun):
    """Chunk `chunk` of the endless stream of candidates of one stratum: `rows` rows from `seed` alone."""

    stratum: str
    chunk: int
    rows: int
    seed: int
