"""The manifest describes a published dataset. It is written last, so its existence means "complete"."""

from typing import Annotated

from pydantic import Field

from schemas.base import Noun
from schemas.machine import Machine
from schemas.plan import BoxCounts, Column, ImageProfile, Value
from schemas.privacy import PrivacyBudget, PrivacyFindings
from schemas.versions import Base

MANIFEST = "manifest.json"
CARD, REPORT, CROISSANT, DATA = "README.md", "report.html", "croissant.json", "data"
"""The other contents of a dataset's folder; the last is the folder of shards."""
FORMAT = 1
ShardPath = Annotated[str, Field(pattern=rf"^{DATA}/[^/\\\x00-\x1f]+\.parquet$")]
"""The path of a shard: a Parquet file directly in the dataset's data folder, and nowhere else."""


class ClassCounts(Noun):
    """Rows of one stratum in the published dataset."""

    real: int
    synthetic: int
    target: int


class Shard(Noun):
    """One Parquet file; `path` is relative to the dataset's folder, `sha256` is of the file's bytes."""

    path: ShardPath
    split: str
    rows: int
    bytes: int
    sha256: str


class Manifest(Noun):
    """What was built, from what, how, and how to check it.

    `counts` is by the name of each class; `class_values` holds each class's values in the `by` columns, which identify
    it (older manifests lack them). `content_hash` is of all rows in order and independent of the file format.
    `rejections` and `attempts` count the candidates up to the last accepted one of each stratum, so they do not depend
    on the speed of actors. `outside` holds the hashes of what decides rows beside spec, source and library `versions`.
    `machine` is the kind that made the rows (None if none were made, or it was not recorded). `origin` says whether
    made rows are `synthetic` or `augmented` from a real row each. `differential_privacy` is the budget that the model's
    training spent; it covers only made rows, since real rows are in the dataset unchanged. Rows that were kept of a
    `base` count as synthetic, but not as attempts. `files` holds the SHA-256 of the card and the Croissant file, and
    `seal` that of all other fields (older manifests lack both).
    """

    format: int = FORMAT
    name: str
    spec_fingerprint: str
    source_fingerprint: str
    seed: int
    modality: str
    by: list[str]
    label: str
    generator: str
    origin: str
    model_fingerprint: str | None
    columns: list[Column]
    counts: dict[str, ClassCounts]
    class_values: dict[str, list[Value]] | None = None
    source_counts: dict[str, int]
    rejections: dict[str, dict[str, int]]
    attempts: dict[str, int]
    shards: list[Shard]
    content_hash: str
    versions: dict[str, str]
    files: dict[str, str] = Field({})
    outside: dict[str, str] = Field({})
    machine: Machine | None = None
    boxes: dict[str, BoxCounts] | None = None
    encryption_key_env: str | None = None
    images: ImageProfile | None = None
    privacy: PrivacyFindings | None = None
    differential_privacy: PrivacyBudget | None = None
    version: int | None = None
    base: Base | None = None
    seal: str | None = None

    @property
    def rows(self) -> int:
        """The number of rows of the whole dataset."""
        return sum(shard.rows for shard in self.shards)
