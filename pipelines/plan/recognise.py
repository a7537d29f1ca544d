"""Finds the modality of a source, from the spec or from the files. Every plan begins with this decision."""

from pipelines.modality import MODALITIES, Modality, find_named_content, load_part
from pipelines.plan.registry import generator_class
from pipelines.source.files import find_files
from schemas.spec import Spec


def find_modality(spec: Spec) -> Modality:
    """Return the modality that the spec names, or that of the column, format or generator that it names.

    Otherwise the files decide: by a format that only one modality has (class folders of .txt files are texts), or by
    their content (Parquet with a column of images). Any other source is a table.
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
    """Return the only modality of the generator's rows, if files cannot show this modality."""
    made = generator_class(spec.generator.name).capabilities.modalities if spec.generator.name else ()
    only = MODALITIES.get(made[0]) if len(made) == 1 else None
    return only if only and only.key and not only.recognise else None
