"""Finds the column of texts of a source, and reads texts of blanks alone as null."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import NO_TEXT, Block, numbered
from pipelines.source.column import ColumnState
from pipelines.source.profile import profile_source
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.plan import Column, ImageProfile, SourceProfile
from schemas.spec import Source


@dataclass(frozen=True)
class TextReader:
    """Reads a column of texts; a text of blanks alone is null. See `pipelines.source.content.Reader`."""

    source: Source
    column: str
    profile: SourceProfile | None = None

    @property
    def drops(self) -> bool:
        """Whether rows without a text are left out."""
        return self.source.missing_text == "drop"

    def observe(self, block: Block) -> Block:
        """Return the block with nulls for blank texts, as `bring` does."""
        return self.bring(block)

    def bring(self, block: Block) -> Block:
        """Return the block with null for each text of blanks alone."""
        cells = block.cells
        if self.column not in cells.columns or not pa.types.is_string(cells.columns[self.column].type):
            return block
        array = cells.columns[self.column]
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(array)), numbered(0, 1)[0])
        columns = {**cells.columns, self.column: pc.if_else(blank, NO_TEXT, array)}
        return replace(block, cells=replace(cells, columns=columns))

    def finish(self) -> ImageProfile | None:
        """Return None, since the profile of texts is that of their column."""
        return None

    def refuse(self, path: str, states: Mapping[str, ColumnState], total: int) -> None:
        """Raise SourceError if all texts are empty, or if some are and the spec does not leave them out."""
        state, name = states[self.column], self.column
        if not state.rows:
            raise SourceError(f"{path}: all {total:,} texts of column {name!r} are empty; check source.text")
        if state.nulls:
            advice = Advice(("source", "missing_text"), "drop")
            raise SourceError(
                f"column {name!r}: {state.nulls:,} of {total:,} texts are empty; fill them in, or leave these rows "
                f"out with {advice}",
                code="missing-text",
                advice=advice,
            )


def profile_texts(source: Source, by: list[str]) -> SourceProfile:
    """Return the profile of a source of texts with its text column marked; raise SpecError if that is unclear."""
    if source.text is None:
        found = _text_column(profile_source(source, by), source)
        source = source.model_copy(update={"text": found})
    source = source.model_copy(update={"types": {**source.types, str(source.text): "string"}})
    profile = profile_source(source, by)
    columns = [_as_text(column) if column.name == source.text else column for column in profile.columns]
    return profile.model_copy(update={"columns": columns})


def _text_column(profile: SourceProfile, source: Source) -> str:
    """Return the only string column besides the class; raise SpecError with the candidates if there is not one."""
    others = [column for column in profile.columns if column.name not in (source.label, *profile.by)]
    texts = [column.name for column in others if column.type == "string" and column.role == "feature"]
    if len(texts) == 1:
        return texts[0]
    found = f"there are {', '.join(map(repr, texts))}" if texts else "there is none beside the class"
    raise SpecError(Fault(("source", "text"), f"which column holds the text? {found}; name it here"))


def _as_text(column: Column) -> Column:
    return column.model_copy(update={"role": "text", "categories": None})
