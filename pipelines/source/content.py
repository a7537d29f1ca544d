"""How the column that holds a whole row (a text, an image) is read: each modality that has one has a reader of it."""

from collections.abc import Mapping
from typing import Protocol

from pipelines.modality import content_column, find_named_content, load_part, modality_of_columns
from pipelines.source.cells import Block
from pipelines.source.column import ColumnState
from schemas.plan import ImageProfile, SourceProfile
from schemas.spec import Source


class Reader(Protocol):
    """Reads the column `column` of a source: `observe` as it is profiled, `bring` as the profile says."""

    column: str

    @property
    def drops(self) -> bool:
        """Whether rows in which it is null are left out."""

    def observe(self, block: Block) -> Block:
        """Take in a block, and return it as the profile shall see it."""

    def finish(self) -> ImageProfile | None:
        """Return what was seen, once all blocks were."""

    def refuse(self, path: str, states: Mapping[str, ColumnState], total: int) -> None:
        """Raise SourceError for what cannot be used of all that was seen."""

    def bring(self, block: Block) -> Block:
        """Return the block in the form that the profile says."""


def reader_of(source: Source, profile: SourceProfile | None = None) -> Reader | None:
    """Return the reader of what the source names, or of what its profile says; None of tables."""
    if profile is None:
        named = find_named_content(source)
        modality, column = named or (None, None)
    else:
        modality, column = modality_of_columns(profile.columns), content_column(profile.columns)
    if modality is None or column is None or modality.reader is None:
        return None
    reader: Reader = load_part(modality.reader)(source, column, profile)
    return reader
