"""Tells of which modality a source is, by what the spec names or by the files: the one decision before any plan."""

from pipelines.modality import MODALITIES, Modality, find_named_content, load_part
from pipelines.plan.registry import generator_class
from pipelines.source.files import find_files
from schemas.spec import Spec


def find_modality(spec: Spec) -> Modality:
    """Return the source's modality: the spec's, or that of what it names (a column, a format, a generator).

    Else the files tell it: a format of one modality alone, as class folders of .txt files are text, or what is in them,
    as Parquet with a column of images. Any other source is a table.
    """
    if spec.source.modality:
        return MODALITIES[spec.source.modality]
    if found := find_named_content(spec.source):
        return found[0]
    table, *others = MODALITIES.values()
    if told := next((one for one in others if spec.source.format in one.formats), None):
        return told
    if told := _of_generator(spec):
        return told
    files = find_files(spec.source)
    known = (
        one
        for one in others
        if files.format in one.formats or (one.recognise and load_part(one.recognise)(files, spec.source))
    )
    return next(known, table)


def _of_generator(spec: Spec) -> Modality | None:
    """Return the only modality whose rows the generator makes, where files would not tell it."""
    made = generator_class(spec.generator.name).capabilities.modalities if spec.generator.name else ()
    only = MODALITIES.get(made[0]) if len(made) == 1 else None
    return only if only and only.key and not only.recognise else None
