"""Where a dataset goes, how it is cut, and how its versions follow one another."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from schemas.access import Touch
from schemas.base import Part, Place
from schemas.secrets import variable_name


class Versions(Part):
    """A dataset that is built again and again: each build is a new version beside the old ones, in a folder of its own.

    A version tops the one before it up, where the source has only grown and rows are made as they were then: what was
    made stays, as far as it still passes the validators, and only what is missing is made.
    """

    top_up: bool = Field(True, description="Keep what the version before has made; false makes all anew.")
    refit_after: float = Field(
        0.2,
        ge=0,
        description="The model is fitted anew once the source has grown by more than this share since it was fitted.",
    )
    keep: int = Field(3, ge=1, description="Newest versions that stay; older ones are removed after a build.")
    keep_days: float = Field(0, ge=0, description="Versions that are younger than so many days stay too.")


class Output(Part):
    """Where the dataset goes, and how it is cut."""

    path: Annotated[Place, Touch("write")] = Field(
        description="A folder or URI; it must be empty or hold the same build."
    )
    versions: Versions | None = Field(
        None, description="Publish versions v00001, v00002, … below path; left out: one dataset, at path itself."
    )
    shard_rows: int | None = Field(
        None, ge=1, description="Rows in one Parquet file, at most; left out: 50,000, of images as many as make 256 MB."
    )
    splits: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = Field(
        {"train": 1.0}, description="Share of every class that each split takes; the shares add up to 1."
    )
    encryption_key_env: Annotated[str | None, Touch("keys"), BeforeValidator(variable_name)] = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable with the key (16, 24 or 32 bytes in hexadecimal or base64) that the"
        " shards are encrypted with; left out: they are not.",
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> "Output":
        if abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"splits: the shares must add up to 1, got {sum(self.splits.values()):g}")
        for name in self.splits:
            if not re.fullmatch(r"\w+(\.\w+)*", name):
                raise ValueError(f"splits: a split is named with letters, digits, '_' and '.', got {name!r}")
        return self
