"""Finds the column of images of a source, and reads images in one form."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.source.cells import Block
from pipelines.source.column import ColumnState
from pipelines.source.files import Files, find_files
from pipelines.source.formats import columns_of
from pipelines.source.image.boxes import BOXES, OBJECTS
from pipelines.source.image.survey import Gallery, brought
from pipelines.source.profile import profile_source
from schemas.errors import Advice, Fault, SpecError
from schemas.plan import ImageProfile, SourceProfile
from schemas.spec import Source


@dataclass
class ImageReader:
    """Reads a column of images and converts them to one form. See `pipelines.source.content.Reader`."""

    source: Source
    column: str
    profile: SourceProfile | None = None

    def __post_init__(self) -> None:
        self._gallery = Gallery(self.source, self.column)

    @property
    def drops(self) -> bool:
        """True, since rows without an image are left out, if the spec did not refuse them."""
        return True

    def observe(self, block: Block) -> Block:
        """Add a block to the profile; return it with nulls for images that cannot be read."""
        return self._gallery.observe(block)

    def finish(self) -> ImageProfile | None:
        """Return the profile of the images and their target form; raise SourceError for images the spec refuses."""
        return self._gallery.finish()

    def bring(self, block: Block) -> Block:
        """Return the block with each image converted to the profile's form."""
        images = self.profile.images if self.profile else None
        return brought(block, self.source, self.column, images) if images else block

    def refuse(self, path: str, states: Mapping[str, ColumnState], total: int) -> None:
        """Do nothing, since `finish` has already refused images that cannot be read."""


def holds_images(files: Files, source: Source) -> bool:
    """Whether a Parquet file has a column of images."""
    return files.format == "parquet" and "image" in (columns_of(files, source) or {}).values()


def profile_images(source: Source, by: list[str]) -> SourceProfile:
    """Return the profile of a source of images; raise SpecError if the image column is unclear.

    Annotated images are balanced by the column `boxes`, which counts their objects by class.
    """
    files = find_files(source)
    known = columns_of(files, source) or {}
    found = [name for name, kind in known.items() if kind == "image"]
    if source.image is None and len(found) != 1:
        told = f"there are {', '.join(map(repr, found))}" if found else f"{files.path} has none"
        advice = "name it here" if found else "a column of images is a struct of bytes and path"
        raise SpecError(Fault(("source", "image"), f"which column holds the images? {told}; {advice}"))
    source = source.model_copy(update={"image": source.image or found[0]})
    if OBJECTS in known:
        _refuse_resizing(source, known[OBJECTS])
        source, by = source.model_copy(update={"label": BOXES}), [BOXES]
    profile = profile_source(source, by)
    if files.lists and profile.images:
        return profile.model_copy(update={"images": profile.images.model_copy(update={"lists": dict(files.lists)})})
    return profile


def _refuse_resizing(source: Source, kind: str) -> None:
    """Raise SpecError for a resizing that would lose masks or parts of boxes."""
    if source.images.size and kind != "objects":
        advice = Advice(("source", "images", "size"), None)
        raise SpecError(Fault(advice.path, f"masks are not resized; {advice}", "masks-resized", advice))
    if source.images.size and source.images.fit == "crop":
        advice = Advice(("source", "images", "fit"), "pad")
        problem = f"crop would cut boxes off; set {advice} (or stretch)"
        raise SpecError(Fault(advice.path, problem, "boxes-cropped", advice))
