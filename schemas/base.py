"""The two kinds of record: parts of the spec, which a user writes, and records that makeweight writes to disk."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.access import Touch
from schemas.secrets import refuse_redacted
from schemas.uri import refuse_unclear, refuse_unkept


def _refuse_nul(path: str) -> str:
    """Return the path; raises ValueError if it holds NUL, which no system allows in a name."""
    if "\0" in path:
        raise ValueError(f"holds NUL, which no file's name may hold, got {path!r}")
    return path


Place = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_refuse_nul),
    AfterValidator(refuse_redacted),
    AfterValidator(refuse_unclear),
    AfterValidator(refuse_unkept),
]
"""A path or a URI; refused if it is unclear, or if it was stored without its credentials."""
ReadPlace = Annotated[Place, Touch("read")]
"""A path or a URI that is read."""
ModelPlace = Annotated[Place, Touch("models")]
"""The folder of a model, or its id on a hub."""


class Part(BaseModel):
    """A part of the spec: frozen, refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Noun(BaseModel):
    """A frozen, typed record that is written to disk as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)
