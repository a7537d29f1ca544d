"""Tells whether a source holds tables, texts or images, and which column is the text or the image.

Reads through `read` alone.
"""

from pipelines.plan.registry import generator_class
from pipelines.source import profile_source
from pipelines.source.files import PICTURES, Files, find_files
from pipelines.source.formats import columns_of
from pipelines.source.image.marks import BOXES, OBJECTS
from schemas.errors import Fault, SpecError
from schemas.plan import Column, SourceProfile
from schemas.spec import Modality, Source, Spec


def find_modality(spec: Spec) -> Modality:
    """Return the source's modality: the spec's, or that of what it names (a text column, a text's generator).

    A folder of class folders of .txt files is text, one of image files or with annotations is of images, and so is
    Parquet with an image column; any other source is tabular unless the spec says otherwise.
    """
    if spec.source.modality:
        return spec.source.modality
    if spec.source.image or spec.source.format in PICTURES:
        return "image"
    if spec.source.text or spec.source.format == "folders":
        return "text"
    if spec.generator.name and generator_class(spec.generator.name).capabilities.modalities == ("text",):
        return "text"
    files = find_files(spec.source)
    if files.format in PICTURES or (files.format == "parquet" and _images_among(files, spec.source)):
        return "image"
    return "text" if files.format == "folders" else "tabular"


def _images_among(files: Files, source: Source) -> list[str]:
    """Return the columns that hold images."""
    return [name for name, kind in (columns_of(files, source) or {}).items() if kind == "image"]


def profile_images(source: Source, by: list[str]) -> SourceProfile:
    """Return the profile of a source of images; raises where the image column cannot be told.

    Marked images are balanced by what they hold, which is the column `boxes`.
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
    """Refuse what would lose some of what is marked."""
    if source.images.size and kind != "objects":
        raise SpecError(Fault(("source", "images", "size"), "masks are not resized; leave it out"))
    if source.images.size and source.images.fit == "crop":
        raise SpecError(Fault(("source", "images", "fit"), "crop would cut boxes off; take pad or stretch"))


def profile_text(source: Source, by: list[str]) -> SourceProfile:
    """Return the profile of a source of texts, its text column marked; raises where none can be told."""
    if source.text is None:
        found = _text_column(profile_source(source, by), source)
        source = source.model_copy(update={"text": found})
    source = source.model_copy(update={"types": {**source.types, str(source.text): "string"}})
    profile = profile_source(source, by)
    columns = [_as_text(column) if column.name == source.text else column for column in profile.columns]
    return profile.model_copy(update={"columns": columns})


def _text_column(profile: SourceProfile, source: Source) -> str:
    """Return the only column of words beside the class, or raise with the candidates."""
    others = [column for column in profile.columns if column.name not in (source.label, *profile.by)]
    texts = [column.name for column in others if column.type == "string" and column.role == "feature"]
    if len(texts) == 1:
        return texts[0]
    found = f"there are {', '.join(map(repr, texts))}" if texts else "there is none beside the class"
    raise SpecError(Fault(("source", "text"), f"which column holds the text? {found}; name it here"))


def _as_text(column: Column) -> Column:
    return column.model_copy(update={"role": "text", "categories": None})
