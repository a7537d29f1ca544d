"""The modalities: one record each for tables, texts and images, which names the parts that the steps need for them.

Read this module first. The folders beside it are the route of a build, from `source` to `report`. Code for a single
modality is in a folder of its name within the step. Shared code uses the record, and names no modality. A new modality
is an entry here, and a folder in each step that it has parts in; CONTRIBUTING.md says which.

A part is written `module:name`, as generators are. It is imported when it is used, so that `plan` starts fast.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from generators import GENERATORS
from schemas.errors import CheckError
from schemas.plan import Column, Plan, Role
from schemas.spec import Source

_ROOMS = ("pipelines.", "generators.")


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One kind of data, and the parts that the steps of a build have for it.

    Fields with a default suit any kind of data. The others, such as `view` and `width`, differ for each.

    Example: `MODALITIES["text"].generator` is "edit".
    """

    name: str
    """Its name in specs and manifests."""
    called: str
    """What a source of it is called in a sentence."""
    unit: str = "rows"
    """What its rows are called."""
    content: Role | None = None
    """The role of the column that holds a whole row (a text, an image); a table has none."""
    key: str | None = None
    """The key of `source` in a spec that names this column."""
    learnt: frozenset[Role] = frozenset({"feature"})
    """The roles of the columns that generators learn and make."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """Its formats by name, each a `pipelines.source.formats.Format`. Files of tables may hold other modalities too."""

    generator: str
    """The default generator."""
    validators: Mapping[str, str] = field(default_factory=dict)
    """All validators by the name that a spec gives them."""
    checks: Sequence[str] = ()
    """The default validators; `marked_checks` are those for rows with marked objects."""
    marked_checks: Sequence[str] = ()
    marked_needs: Sequence[str] = ()
    """The validators that marked rows pass in any case: their strata hold only if objects are counted again."""
    classifiers: Mapping[str, str] = field(default_factory=dict)
    """The classifiers that an evaluation trains, by name: `(lesson) -> Predict`."""
    remedies: Sequence[str] = ()
    """The remedies that an evaluation compares a build with, the cheapest first."""
    augmentation: str | None = None
    """The generator of the remedy `augmentation`, which changes real rows."""

    fit_rows: int = 1_000_000
    """The default limit of real rows that a model is fitted on."""
    shown_rows: int = 20_000
    """The most real rows, and the most made ones, that the report reads."""
    private_rows: tuple[int, int] = (10_000, 5_000)
    """The most learnt and the most held-out rows, of all classes together, that the privacy gate compares."""
    secret_tells: bool = False
    """Whether features that tell made rows from real ones quote real rows; an encrypted dataset leaves them out."""

    recognise: str | None = None
    """`(files, source) -> bool`: whether files of a shared format hold this modality."""
    guess: str | None = None
    """`(looked, label) -> column`: the column that `init` takes for the content, or None."""
    profile: str = "pipelines.source:profile_source"
    """`(source, by) -> SourceProfile`."""
    reader: str | None = None
    """`(source, column, profile) -> pipelines.source.content.Reader`: reads the column with the content."""
    hashes: str = "pipelines.source.fingerprint:row_hashes"
    """`(rows) -> uint64`: a hash of each row, equal for equal rows; any content is the first column."""

    encoding: str | None = None
    """`(spec, profile) -> dict`: how made rows are written."""
    notes: str | None = None
    """`(profile) -> list[str]`: notes for the user on the source's rows, and on those that are left out."""
    refuse: str | None = None
    """`(plan) -> None`: raises SpecError if the plan cannot be built."""
    width: str
    """`(profile) -> int`: the width of a row (columns, bytes, pixels), by which its time is estimated."""

    view: str
    """`(plan, raw) -> View`: the rows as features for the classifiers."""
    fidelity: str
    """`(manifest, drawn, sides, choice, seed) -> Fidelity`."""
    fidelity_rows: str | None = None
    """`(manifest, choice) -> int`: how many real and how many made rows the figures of fidelity use."""
    fidelity_whole: bool = False
    """Whether the figures of fidelity also use real rows of classes without made rows."""
    points: str
    """`(real, plan, seed) -> Encode`: encodes rows as points, whose distances the privacy gate compares."""
    items: str | None = None
    """`(plan) -> (rows -> Items)`: the items of a row that may be rare, such as values or words."""

    croissant: str | None = None
    """The type of the content in a dataset's Croissant file, if it is the `bytes` of a struct."""
    sections: Sequence[str] = ()
    """The report's sections that show rows, in order: `(data) -> Section | None`."""
    samples: str = "pipelines.report.sample_page:row_page"
    """`(manifest, draw) -> Page`: some rows, on Prefect's page of a build."""


MODALITIES: dict[str, Modality] = {
    "tabular": Modality(
        name="tabular",
        called="a table",
        formats={
            "csv": "pipelines.source.tabular.delimited:FORMAT",
            "tsv": "pipelines.source.tabular.delimited:FORMAT",
            "jsonl": "pipelines.source.tabular.jsonl:FORMAT",
            "parquet": "pipelines.source.tabular.parquet:FORMAT",
        },
        generator="autoregressive",
        validators={
            "schema": "pipelines.validate.tabular.schema:SchemaValidator",
            "duplicates": "pipelines.validate.duplicates:Duplicates",
            "near_duplicates": "pipelines.validate.tabular.near_duplicates:NearDuplicates",
            "label_agreement": "pipelines.validate.tabular.label_agreement:LabelAgreement",
        },
        checks=["schema", "duplicates", "label_agreement"],
        classifiers={
            "gradient boosting": "pipelines.judge.tabular.learning:fit_trees",
            "logistic regression": "pipelines.judge.tabular.learning:fit_logistic",
        },
        remedies=["raw", "class_weights", "threshold", "over_sampling", "smote"],
        width="pipelines.plan.tabular:row_width",
        refuse="pipelines.plan.tabular:refuse_texts",
        view="pipelines.judge.tabular.learning:view",
        fidelity="pipelines.judge.tabular.fidelity:fidelity",
        points="pipelines.judge.tabular.points:points",
        items="pipelines.judge.tabular.points:items",
        sections=[
            "pipelines.report.tabular.distributions:distribution_section",
            "pipelines.report.tabular.distributions:association_section",
            "pipelines.report.samples:sample_section",
            "pipelines.report.samples:rejected_section",
        ],
    ),
    "text": Modality(
        name="text",
        called="texts",
        content="text",
        key="text",
        learnt=frozenset({"text"}),
        formats={"folders": "pipelines.source.text.folders:FORMAT"},
        generator="edit",
        augmentation="edit",
        validators={
            "text": "pipelines.validate.text.quality:TextQuality",
            "duplicates": "pipelines.validate.duplicates:Duplicates",
            "near_duplicates": "pipelines.validate.text.near_duplicates:NearDuplicates",
            "label_agreement": "pipelines.validate.text.label_agreement:LabelAgreement",
            "memorised": "pipelines.validate.text.memorised:Memorised",
            "pii": "pipelines.validate.text.pii:Pii",
            "inappropriate": "pipelines.validate.text.inappropriate:Inappropriate",
        },
        checks=["text", "duplicates", "near_duplicates", "label_agreement"],
        classifiers={"logistic regression": "pipelines.judge.text.learning:fit_terms"},
        remedies=["raw", "class_weights", "threshold", "over_sampling", "augmentation"],
        secret_tells=True,
        profile="pipelines.source.text.reading:profile_texts",
        guess="pipelines.plan.text:guess",
        reader="pipelines.source.text.reading:TextReader",
        width="pipelines.plan.text:row_width",
        view="pipelines.judge.text.learning:view",
        fidelity="pipelines.judge.text.fidelity:fidelity",
        points="pipelines.judge.text.points:points",
        items="pipelines.judge.text.points:items",
        sections=[
            "pipelines.report.text.section:text_section",
            "pipelines.report.text.section:text_sample_section",
            "pipelines.report.samples:rejected_section",
        ],
    ),
    "image": Modality(
        name="image",
        called="images",
        unit="images",
        content="image",
        key="image",
        learnt=frozenset({"image", "objects"}),
        formats={
            "images": "pipelines.source.image.class_folders:FORMAT",
            "voc": "pipelines.source.image.voc:FORMAT",
            "coco": "pipelines.source.image.coco:FORMAT",
            "listed": "pipelines.source.image.image_tables:FORMAT",
            "yolo": "pipelines.source.image.yolo:FORMAT",
        },
        generator="augment",
        augmentation="augment",
        validators={
            "image": "pipelines.validate.image.quality:ImageQuality",
            "duplicates": "pipelines.validate.duplicates:Duplicates",
            "near_duplicates": "pipelines.validate.image.near_duplicates:NearDuplicates",
            "label_agreement": "pipelines.validate.image.label_agreement:LabelAgreement",
            "memorised": "pipelines.validate.image.memorised:Memorised",
            "boxes": "pipelines.validate.image.boxes:Boxes",
        },
        checks=["image", "duplicates", "near_duplicates", "label_agreement"],
        marked_checks=["image", "duplicates", "boxes"],
        marked_needs=["boxes"],
        classifiers={"small ResNet": "pipelines.judge.image.learning:fit_network"},
        remedies=["raw", "class_weights", "threshold", "over_sampling", "augmentation"],
        fit_rows=100_000,
        shown_rows=1_000,
        private_rows=(2_000, 1_000),
        recognise="pipelines.source.image.reading:holds_images",
        profile="pipelines.source.image.reading:profile_images",
        reader="pipelines.source.image.reading:ImageReader",
        hashes="pipelines.validate.image.pixels:row_pixel_hashes",
        encoding="pipelines.plan.image:encoding",
        notes="pipelines.plan.image:notes",
        refuse="pipelines.plan.image:refuse_unfit",
        width="pipelines.plan.image:row_width",
        view="pipelines.judge.image.learning:view",
        fidelity="pipelines.judge.image.fidelity:fidelity",
        fidelity_rows="pipelines.judge.image.fidelity:rows_looked_at",
        fidelity_whole=True,
        points="pipelines.judge.image.points:points",
        sections=[
            "pipelines.report.image.section:image_section",
            "pipelines.report.image.figures:image_figure_section",
            "pipelines.report.image.section:rejected_image_section",
        ],
        samples="pipelines.report.image.sheet:contact_page",
        croissant="sc:ImageObject",
    ),
}
"""All modalities by name. A source that no other modality recognises is of the first one."""


@cache
def load_part(reference: str) -> Any:
    """Import the part that a record names as `module:name`, and return it.

    Example: `load_part(modality_of(plan).view)(plan, raw)`.
    """
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def check_modality(one: Modality) -> None:
    """Check that all parts of a modality can be loaded, and that they fit together.

    Raises CheckError with a sentence for each fault.

    >>> check_modality(MODALITIES["tabular"])
    """
    problems = [problem for name, reference in _references(one) if (problem := _describe_missing(name, reference))]
    validators, generators = set(one.validators), {one.generator, *filter(None, [one.augmentation])}
    checks = {*one.checks, *one.marked_checks, *one.marked_needs}
    named = {"checks": checks - validators, "generator": generators - GENERATORS.keys()}
    problems += [
        f"{key} names {sorted(unknown)}, which are not registered" for key, unknown in named.items() if unknown
    ]
    if (one.content is None) != (one.key is None) or (one.content is None) != (one.reader is None):
        problems.append("content, key and reader belong together: all three, or none of them")
    if problems:
        raise CheckError("\n".join(f"modality {one.name!r}: {problem}" for problem in problems))


def _references(one: Modality) -> Iterator[tuple[str, str]]:
    """Yield the parts of a record as `module:name`, each with the key that holds it."""
    for key in fields(one):
        value = getattr(one, key.name)
        several = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        yield from ((key.name, part) for part in several if isinstance(part, str) and part.startswith(_ROOMS))


def _describe_missing(name: str, reference: str) -> str | None:
    try:
        load_part(reference)
    except (ImportError, AttributeError) as error:
        return f"{name} names {reference!r}, which cannot be loaded: {error}"
    return None


def modality_of(plan: Plan) -> Modality:
    """Return the modality of a plan."""
    return MODALITIES[plan.modality]


def modality_notes(plan: Plan) -> list[str]:
    """Return notes on a plan's source in sentences: on its rows, and on files that are in no row."""
    notes = modality_of(plan).notes
    return [*(load_part(notes)(plan.profile) if notes else []), *plan.profile.lost]


def modality_of_columns(columns: Iterable[Column]) -> Modality:
    """Return the modality of a dataset by the roles of its columns."""
    roles = {column.role for column in columns}
    first, *others = MODALITIES.values()
    return next((one for one in others if one.content in roles), first)


def content_column(columns: Iterable[Column]) -> str | None:
    """Return the name of the column that holds a whole row; None for a table."""
    columns = list(columns)
    role = modality_of_columns(columns).content
    return next((column.name for column in columns if role and column.role == role), None)


def find_named_content(source: Source) -> tuple[Modality, str] | None:
    """Return the modality and the column of the content that a spec's source names; None if it names none.

    Example: `source: {path: sms.csv, label: label, text: message}` gives the texts' modality and `message`.
    """
    for one in reversed(MODALITIES.values()):
        if one.key and (column := getattr(source, one.key)):
            return one, column
    return None
