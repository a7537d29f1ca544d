"""Defines the reader of a column whose cells are the content of a row (texts, images), one for each such modality."""

from collections.abc import Mapping
from typing import Protocol

from pipelines.modality import content_column, find_named_content, load_part, modality_of_columns
from pipelines.source.cells import Block
from pipelines.source.column import ColumnState
from schemas.plan import ImageProfile, SourceProfile
from schemas.spec import Source


class Reader(Protocol):
    """Reads the content column `column` of a source: `observe` profiles it, `bring` converts it as the profile says."""

    column: str

    @property
    def drops(self) -> bool:
        """Whether rows in which the column is null are left out."""

    def observe(self, block: Block) -> Block:
        """Add a block, and return it as the profile of the other columns should see it."""

    def finish(self) -> ImageProfile | None:
        """Return the profile of the images, or None for texts, after all blocks."""

    def refuse(self, path: str, states: Mapping[str, ColumnState], total: int) -> None:
        """Raise SourceError if the content that was read cannot be used."""

    def bring(self, block: Block) -> Block:
        """Return the block with its content converted to the profile's form."""


def reader_of(source: Source, profile: SourceProfile | None = None) -> Reader | None:
    """Return the reader of the content column that the source or its profile names; None for tables."""
    if profile is None:
        named = find_named_content(source)
        modality, column = named or (None, None)
    else:
        modality, column = modality_of_columns(profile.columns), content_column(profile.columns)
    if modality is None or column is None or modality.reader is None:
        return None
    reader: Reader = load_part(modality.reader)(source, column, profile)
    return reader
