"""Plans images: how made ones are written, how real ones change, and what cannot be built."""

from collections.abc import Mapping, Sequence

from generators.image.codec import Encoding
from pipelines.plan.registry import generator_class
from pipelines.source.formats import format_named
from schemas.errors import Advice, Fault, SpecError
from schemas.plan import ImageProfile, Plan, SourceProfile
from schemas.spec import Spec

_KEPT = ("PNG", "JPEG", "WEBP")
_MODES = {"RGB": "in colour", "L": "grey"}


def notes(profile: SourceProfile) -> list[str]:
    """Return sentences on the images of a source and how they change; the first is about all images."""
    if profile.images is None:
        return []
    unclear = profile.images.unclear if format_named(profile.format).declared else 0
    told = (
        f"Images with marks that EXIF data turn, and whose declared size fits before and after: {unclear:,}; marks are"
        " taken to lie in the image as it is stored (source.marked_on: upright says otherwise)."
    )
    return [*image_notes(profile.images), *([told] if unclear else [])]


def row_width(profile: SourceProfile) -> int:
    """Return the pixels of an image."""
    if profile.images is None:
        return 1
    size = profile.images.size
    return max(1, size[0] * size[1] if size else profile.images.pixels)


def encoding(spec: Spec, profile: SourceProfile) -> dict[str, str] | None:
    """Return how made images are written (see `schemas.arrow.IMAGE`)."""
    return Encoding(profile.images.format, spec.source.images.quality).metadata() if profile.images else None


def refuse_unfit(plan: Plan) -> None:
    """Raise SpecError if the generator cannot make the source's boxes, or needs images of one size."""
    images, able = plan.profile.images, generator_class(plan.generator.name).capabilities
    if images is None:
        return
    if plan.profile.objects and not able.makes_objects:
        advice = Advice(("generator", "name"), "augment")
        problem = f"{plan.generator.name!r} makes no boxes; set {advice} (or resample)"
        raise SpecError(Fault(advice.path, problem, "makes-no-boxes", advice))
    if able.needs_one_size and not images.uniform:
        listed = ", ".join(f"{size} ({number:,})" for size, number in list(images.sizes.items())[:3])
        width, height = next(iter(images.sizes)).split(" x ")
        advice = Advice(("source", "images", "size"), (int(width), int(height)))
        problem = f"{plan.generator.name!r} learns from images of one size, and these have several: {listed} …"
        raise SpecError(Fault(advice.path, f"{problem}; set {advice}", "several-sizes", advice))


def image_notes(images: ImageProfile) -> list[str]:
    """Return sentences on images and how they change; the first is about all images."""
    size = f"{images.size[0]} x {images.size[1]}" if images.size else _extent(images)
    notes = [f"Images are {size} pixels, {_MODES[images.mode]}.", *_written_anew(images)]
    if images.size:
        resized = sum(number for size_, number in images.sizes.items() if size_ != size)
        notes.append(f"Resized to {size}: {resized:,} or more of the images." if resized else f"All were {size}.")
    if images.turned:
        notes.append(f"Turned upright by their EXIF data: {images.turned:,}.")
    if images.animated:
        notes.append(f"Animated: {images.animated:,}; of these the first frame was taken, or none, as the spec says.")
    if images.unreadable:
        examples = ", ".join(f"{path} ({reason})" for path, reason in images.examples.items())
        told = "such as " * (images.unreadable > len(images.examples))
        notes.append(f"Left out since they cannot be read: {images.unreadable:,}, {told}{examples}.")
    if images.lists:
        listed = ", ".join(f"{name} {number:,}" for name, number in images.lists.items())
        notes.append(f"The source lists splits ({listed} images), and all are taken; source.split takes one.")
    if images.faulty_boxes:
        notes.append(f"Boxes that did not lie in their images, cut or dropped: {images.faulty_boxes:,}.")
    if images.clipped:
        notes.append(f"Boxes that crossed the edge of their image by a pixel or less, cut to it: {images.clipped:,}.")
    return notes


def _written_anew(images: ImageProfile) -> list[str]:
    """Describe the change of images whose mode, depth or format differs from the dataset's."""
    notes = []
    if listed := _listed(images.modes, (images.mode,)):
        notes.append(f"Brought to {images.mode}: {listed}.")
    if images.levels:
        low, high = images.levels
        notes.append(f"Of images of more than 8 bits, {low:,.6g} becomes black and {high:,.6g} white.")
    if images.wide:
        notes.append(f"Of images of 16 bits a colour, the upper 8 bits are kept: {images.wide:,}.")
    if listed := _listed(images.formats, _KEPT):
        notes.append(f"Written anew as {images.format.upper()}: {listed}.")
    return notes


def _listed(counts: Mapping[str, int], without: Sequence[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if name not in without)


def _extent(images: ImageProfile) -> str:
    least, most = (f"{width} x {height}" for width, height in (images.least, images.most))
    return least if least == most else f"{least} to {most}"
