"""Tells whether a source holds tables or texts, and which of its columns is the text. Reads through `read` alone."""

from pipelines.read import profile_source
from pipelines.read.files import find_files
from pipelines.registry import generator_class
from schemas.errors import Fault, SpecError
from schemas.plan import Column, SourceProfile
from schemas.spec import Modality, Source, Spec

SUPPORTED = ("tabular", "text")


def find_modality(spec: Spec) -> Modality:
    """Return the source's modality: the spec's, or that of what it names (a text column, a text's generator).

    A folder of class folders of .txt files is text; any other source is tabular unless the spec says otherwise.
    """
    if spec.source.modality:
        if spec.source.modality not in SUPPORTED:
            problem = f"{spec.source.modality!r} is not supported; supported: {', '.join(SUPPORTED)}"
            raise SpecError(Fault(("source", "modality"), problem))
        return spec.source.modality
    if spec.source.text or spec.source.format == "folders":
        return "text"
    if spec.generator.name and generator_class(spec.generator.name).modalities == ("text",):
        return "text"
    return "text" if find_files(spec.source).format == "folders" else "tabular"


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
