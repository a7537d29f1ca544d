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
    """The form of the longest ids of a column of text, which made ids follow.

    `places` holds the characters that may stand at each position, in the order of characters; `most` and `least` are
    the last and the first id in that order. `start` is the position of the final digits, if all ids end with digits.
    """

    most: str
    least: str
    start: int | None
    places: list[str]


class Grid(Noun):
    """The common `step` and `rest` of numbers too long for doubles, in units of the last decimal, as text."""

    step: str
    rest: str


class Column(Noun):
    """One column of the source.

    `type` is the name of the Arrow type (`int64`, `double`, `string`, `bool`, `date32[day]`, `timestamp[us]`, or one of
    `schemas.arrow.NESTED`). `minimum` and `maximum` are of the real rows; dates and times are ISO 8601 text.
    `categories` holds the distinct values of a text column if they are few, else None. If the column is `private`, no
    made row shows a value that few real rows have. `stored` is the Arrow type of the column in the source and in the
    dataset, by its name in `schemas.stored`, if it differs from `type`. `changed` describes how the cells of the
    dataset differ from the source's. `names` are the names of classes that the source numbers, as Hugging Face's
    ClassLabel does. `form` is the form of ids that are text, `grid` the step of numbers too long for a double.
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
        """Leave out fields that most columns lack, so that the bytes and hashes of older plans stay the same."""
        return {name: value for name, value in plain(self).items() if value is not None or name not in _SELDOM}

    @property
    def constant(self) -> Value:
        """The only value of a constant column; None if all values are missing."""
        return self.categories[0] if self.categories else self.minimum


class ImageProfile(Noun):
    """The images of a source, and what they become.

    `modes`, `formats` and `sizes` (`width x height`, the most frequent ones) count the images of the source; `least`
    and `most` are the extremes of width and height. `turned` (by their EXIF data), `animated` and `unreadable` count
    images; `examples` names some unreadable ones with the reason. `faulty_boxes` counts boxes that were mended,
    `clipped` boxes that were cut by a pixel or less.
    All images get `mode` and `size` (width, height); if `size` is None, each keeps its own. `changed` images are
    written again, in `format`. `pixels` is the mean number of pixels of a source image. `levels` are the values of grey
    images of more than 8 bits that become black and white. `lists` counts the images of splits that the source lists
    but the spec does not choose: all images are taken. `wide` counts images with 16 bits a colour, `unclear` marked
    images whose size does not show whether boxes refer to the image as stored or as seen.
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
        """Leave out fields that most images lack, so that the bytes and hashes of older plans stay the same."""
        return {name: value for name, value in plain(self).items() if value or name != "clipped"}

    @property
    def uniform(self) -> bool:
        """Whether all images of the dataset have one size."""
        return self.size is not None or self.least == self.most

    @property
    def row_bytes(self) -> int:
        """The approximate bytes of a made image: half of its pixels' bytes for PNG, an eighth for other formats."""
        pixels = self.size[0] * self.size[1] if self.size else self.pixels
        return pixels * (3 if self.mode == "RGB" else 1) // (2 if self.format == "png" else 8)


class Merged(Noun):
    """A class that the source writes in several ways, and these texts."""

    column: str
    value: Value
    spellings: list[str]


class SourceProfile(Noun):
    """The result of one streaming read of the source.

    `counts` holds the rows of each combination of the `by` columns, as (values, rows) pairs in the order of first
    occurrence; rows with a null in a `by` column are counted only in `dropped`. `merged` lists classes that are written
    in several ways. `content` is a hash of the files' bytes alone, which shows whether they have changed. `written`
    describes the format of delimited files if it differs from what their names say. `lost` describes, in sentences,
    what of the files is in no row.
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
        """The approximate bytes of a row, rather too many than too few."""
        return max(1, self.bytes // max(1, self.rows), self.images.row_bytes if self.images else 0)

    @property
    def text(self) -> str | None:
        """The column of texts, or None."""
        return self._first("text")

    @property
    def image(self) -> str | None:
        """The column of images, or None."""
        return self._first("image")

    @property
    def objects(self) -> str | None:
        """The column of the objects that are marked in images, or None."""
        return self._first("objects")

    def _first(self, role: Role) -> str | None:
        return next((column.name for column in self.columns if column.role == role), None)

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)


class Stratum(Noun):
    """One class, or one combination of the `by` columns, and the rows it is to have.

    `key` holds the values of the `by` columns, in their order, and identifies the stratum. `name` is unique among the
    strata, and is what messages show. The first `carried` chunks of the stream hold rows of an earlier version.
    """

    name: str
    key: list[Value]
    real: int
    target: int
    chunk_rows: int
    carried: int = 0

    @property
    def keep(self) -> int:
        """The number of real rows that stay."""
        return min(self.real, self.target)

    @property
    def make(self) -> int:
        """The number of synthetic rows that are needed."""
        return self.target - self.keep


class BoxCounts(Noun):
    """The boxes of one class: in the source, in kept real images, in made images, asked for, and reached."""

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

    `boxes` counts the boxes of marked images, whose strata are contents of images; `encoding` says how made images are
    written (see `schemas.arrow.IMAGE`). `key_env` names the environment variable with the key of the shards. `privacy`
    says which real rows the model does not learn from, and what made rows may reveal. `version` is the number of a
    version, which may be `complete` already, may continue a `base`, and may use its `model` (a fingerprint) again.
    `recipe` is a hash of how rows are made. `outside` holds hashes of what else decides rows (a user's own code, model
    folders, word lists), by where the spec names each. `machine` is the kind that makes the rows, once it is known.
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
        """The version whose rows are kept, or None."""
        return self.base if self.base and self.base.anew is None else None

    @property
    def class_values(self) -> dict[str, list[Value]]:
        """The values of the `by` columns in each stratum, by the stratum's name."""
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
        """The position of each stratum in `strata`, by its name."""
        return {stratum.name: number for number, stratum in enumerate(self.strata)}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with these fields changed and with its own `numbers`."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("numbers", None)
        return copy


class SampleRequest(Noun):
    """A request for chunk `chunk` of the endless stream of a stratum's candidates: `rows` rows, decided by `seed`."""

    stratum: str
    chunk: int
    rows: int
    seed: int
