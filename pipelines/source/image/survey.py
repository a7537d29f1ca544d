"""Profiles the images of a source block by block, refuses those that the spec does not allow, and converts the rest.

This module knows blocks of cells, single images (`pixels`) and their boxes (`boxes`), but no files and no classes.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, cast

import pyarrow as pa

from pipelines.source.cells import Block
from pipelines.source.image import boxes
from pipelines.source.image.boxes import BOXES, OBJECTS
from pipelines.source.image.pixels import DEEP, Look, Mode, bring, examine, levels_of
from schemas.arrow import IMAGE
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.plan import ImageProfile
from schemas.spec import Images, Source

EXAMPLES, LISTED_SIZES = 20, 10
LARGE = 128 * 128
"""The number of pixels above which an image is large."""
DARK = 63
"""If no pixel is brighter than this (of 255), 16-bit images come from cameras of 14 bits or fewer."""
_SIZES_CAP = 10_000
_NAMED = 3
R = TypeVar("R")


@dataclass
class Gallery:
    """The profile of the images after the blocks seen so far."""

    source: Source
    column: str
    total: int = 0
    looks: Counter[tuple[str, str]] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pixels: int = 0
    extremes: list[int] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    animated: list[str] = field(default_factory=list)
    deep: list[str] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    fractions: bool = False
    wide: list[str] = field(default_factory=list)
    upper: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    faulty: dict[str, str] = field(default_factory=dict)

    def observe(self, block: Block) -> Block:
        """Add a block to the profile; return it with nulls for images that are left out, and with its boxes counted."""
        data, paths = _cells(block, self.column)
        looks = _in_threads(lambda one: examine(one, self.source.images), data)
        for path, look in zip(paths, looks, strict=True):
            self._count(path, look)
        self.total += len(data)
        usable = [_usable(look, self.source.images) for look in looks]
        return self._marked(_with_images(block, self.column, data, usable), usable, paths)

    def _count(self, path: str, look: Look | str) -> None:
        if isinstance(look, str):
            self._note(self.unreadable, "unreadable", path, look)
            return
        for name in ("turned", "animated", "deep"):
            if getattr(look, name):
                self.numbers[name] += 1
                getattr(self, name).extend([path] * (len(getattr(self, name)) < EXAMPLES))
        self._measure(path, look)
        self.looks[look.format, look.mode] += 1
        self.pixels += look.size[0] * look.size[1]
        if look.size in self.sizes or len(self.sizes) < _SIZES_CAP:
            self.sizes[look.size] += 1
        low, high = (self.extremes[:2], self.extremes[2:]) if self.extremes else (look.size, look.size)
        self.extremes = [*map(min, low, look.size), *map(max, high, look.size)]

    def _measure(self, path: str, look: Look) -> None:
        """Record the range of values of an image of more than 8 bits."""
        if look.levels:
            self.levels = [min([*self.levels[:1], look.levels[0]]), max([*self.levels[1:], look.levels[1]])]
            self.fractions |= look.mode == "F"
        if look.upper is not None:
            self.numbers["wide"] += 1
            self.wide.extend([path] * (len(self.wide) < EXAMPLES))
            self.upper = max(self.upper, look.upper)

    def _note(self, where: dict[str, str], name: str, path: str, reason: str) -> None:
        self.numbers[name] += 1
        if len(where) < EXAMPLES:
            where[path] = reason

    def _marked(self, block: Block, looks: Sequence[Look | None], paths: list[str]) -> Block:
        if OBJECTS not in block.cells.columns:
            return block
        sizes = [look.size if look else (0, 0) for look in looks]
        objects, faults, little = boxes.mend(block.cells.columns[OBJECTS], sizes)
        marked = objects.value_lengths().to_pylist()
        self.numbers["unclear"] += sum(
            1 for look, many in zip(looks, marked, strict=True) if look and many and look.unclear
        )
        self.numbers["clipped"] += sum(1 for row in little if looks[row])
        for row, reason in faults:
            if looks[row]:
                self._note(self.faulty, "faulty", paths[row], reason)
        return _with(block, {OBJECTS: objects, BOXES: boxes.contents(objects)})

    def finish(self) -> ImageProfile:
        """Return the profile of all images; raise SourceError or SpecError for images that the spec does not allow."""
        self._refuse()
        mode: Mode = self.source.images.mode or ("L" if {m for _, m in self.looks} <= {"L", "1"} else "RGB")
        formats, modes = Counter[str](), Counter[str]()
        for (kind, found), rows in self.looks.items():
            formats[kind] += rows
            modes[found] += rows
        return ImageProfile(
            modes=dict(sorted(modes.items())),
            formats=dict(sorted(formats.items())),
            sizes={f"{w} x {h}": n for (w, h), n in sorted(self.sizes.items(), key=_most_first)[:LISTED_SIZES]},
            least=(self.extremes[0], self.extremes[1]),
            most=(self.extremes[2], self.extremes[3]),
            turned=self.numbers["turned"],
            animated=self.numbers["animated"],
            unreadable=self.numbers["unreadable"],
            faulty_boxes=self.numbers["faulty"],
            clipped=self.numbers["clipped"],
            examples=self.unreadable,
            mode=mode,
            size=self.source.images.size,
            changed=self._changed(mode),
            format=self.source.images.format or self._format(),
            pixels=self.pixels // self.looks.total(),
            levels=levels_of(*self.levels, whole=not self.fractions) if self.levels else None,
            wide=self.numbers["wide"],
            unclear=self.numbers["unclear"] if self.source.marked_on is None else 0,
        )

    def _format(self) -> Literal["png", "jpeg"]:
        """Return png, which is lossless, unless most images are large JPEGs, which it would make many times larger."""
        photographs = sum(rows for (kind, _), rows in self.looks.items() if kind == "JPEG") * 2 > self.looks.total()
        return "jpeg" if photographs and self.pixels > LARGE * self.looks.total() else "png"

    def _changed(self, mode: Mode) -> int:
        """Return the least number of images that are encoded anew because of their format, mode or size."""
        size = self.source.images.size
        resized = sum(n for found, n in self.sizes.items() if size not in (None, found))
        other = sum(n for (kind, found), n in self.looks.items() if not Look(kind, found, (0, 0)).fits(mode, None))
        return max(resized, other, self.numbers["turned"])

    def _refuse(self) -> None:
        rules = self.source.images
        if rules.mode == "L" and rules.format == "webp":
            advice = _advice("format", "png")
            problem = f"webp holds no grey images; set {advice} (or jpeg)"
            raise SpecError(Fault(advice.path, problem, "grey-webp", advice))
        if self.unreadable and rules.unreadable == "refuse":
            skip = _advice("unreadable", "skip")
            said = self._told("unreadable", self.unreadable, "cannot be read", f"{skip} leaves them out")
            raise SourceError(said, code="unreadable-images", advice=skip)
        if self.animated and rules.animated == "refuse":
            named = dict.fromkeys(self.animated, "several frames")
            first = _advice("animated", "first")
            does = f"{first} takes the first frame, skip leaves them out"
            said = self._told("animated", named, "are animated", does)
            raise SourceError(said, code="animated-images", advice=first)
        if not self.looks:
            raise SourceError(f"none of {self.total:,} images can be read; check source.path")
        if self.deep and rules.mode is None:
            grey = {mode for _, mode in self.looks} <= {"L", "1", *DEEP}
            mode, other = _advice("mode", "L" if grey else "RGB"), "RGB" if grey else "L"
            named = dict.fromkeys(self.deep, "16 bits or more")
            does = f"{mode} (or {other}) brings them to 8 bits"
            said = self._told("deep", named, "are deeper than 8 bits", does)
            raise SourceError(said, code="deep-images", advice=mode)
        if self.wide and self.upper <= DARK:
            raise SourceError(
                f"{self.numbers['wide']:,} of {self.total:,} images have 16 bits a channel, and use the lower"
                f" {8 + self.upper.bit_length()} alone, so that they would be nearly black in 8 bits:"
                f" {', '.join(self.wide[:_NAMED])}{' …' * (len(self.wide) > _NAMED)}; write them in 8 bits, or so that"
                " white is 65,535"
            )
        if self.faulty and self.source.faulty_boxes == "refuse":
            mend = Advice(("source", "faulty_boxes"), "mend")
            raise SourceError(
                f"{self.numbers['faulty']:,} boxes do not lie in their images: {_listed(self.faulty)}; mend the"
                f" annotations, or set {mend}, which cuts boxes to the image and drops empty ones",
                code="faulty-boxes",
                advice=mend,
            )

    def _told(self, name: str, some: dict[str, str], what: str, does: str) -> str:
        count = f"{self.numbers[name]:,} of {self.total:,} images {what}"
        return f"{count}: {_listed(some)}; mend them, or say so in the spec: {does}"


def _advice(key: str, value: str) -> Advice:
    return Advice(("source", "images", key), value)


def _most_first(item: tuple[tuple[int, int], int]) -> tuple[int, tuple[int, int]]:
    return -item[1], item[0]


def _listed(some: dict[str, str]) -> str:
    named = [f"{path} ({reason})" for path, reason in list(some.items())[:_NAMED]]
    return ", ".join(named) + (" …" if len(some) > _NAMED else "")


def _usable(look: Look | str, rules: Images) -> Look | None:
    """Return the look of an image that is kept, or None for one that is left out."""
    if isinstance(look, str) or (look.animated and rules.animated != "first"):
        return None
    return look


def brought(block: Block, source: Source, column: str, profile: ImageProfile) -> Block:
    """Return the block with every image converted to the profile's form, and nulls for images that are left out."""
    rules = source.images.model_copy(update={"size": profile.size, "format": profile.format})

    def one(data: bytes | None) -> tuple[Look | None, bytes | None]:
        look = examine(data, rules)
        usable = _usable(look, rules)
        levels = (profile.levels,) if profile.levels else ()
        return usable, bring(cast(bytes, data), usable, profile.mode, rules, *levels) if usable else None

    data, _ = _cells(block, column)
    made = _in_threads(one, data)
    looks = [look for look, _ in made]
    block = _with_images(block, column, [image for _, image in made], looks)
    if OBJECTS not in block.cells.columns:
        return block
    objects, _, _ = boxes.mend(block.cells.columns[OBJECTS], [look.size if look else (0, 0) for look in looks])
    moved = boxes.move(objects, [look.size if look else (1, 1) for look in looks], rules)
    return _with(block, {OBJECTS: moved, BOXES: boxes.contents(objects)})


def _cells(block: Block, column: str) -> tuple[list[bytes | None], list[str]]:
    images = block.cells.columns[column]
    names = images.field("path").to_pylist()
    paths = [name or block.place(row) for row, name in enumerate(names)]
    return images.field("bytes").to_pylist(), paths


def _with_images(block: Block, column: str, data: Sequence[bytes | None], looks: Sequence[Look | None]) -> Block:
    known = block.cells.columns[column].field("path")
    bytes_ = pa.array([one if look else None for one, look in zip(data, looks, strict=True)], pa.binary())
    missing = pa.array([look is None for look in looks])
    images = pa.StructArray.from_arrays([bytes_, known], fields=list(IMAGE), mask=missing)
    return _with(block, {column: images})


def _with(block: Block, columns: dict[str, pa.Array]) -> Block:
    return replace(block, cells=replace(block.cells, columns={**block.cells.columns, **columns}))


def _in_threads(function: Callable[[bytes | None], R], items: Sequence[bytes | None]) -> list[R]:
    """Return the results in order; threads help since Pillow and OpenCV release the GIL while they decode."""
    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, items, chunksize=64))
