"""Reads tables: CSV, TSV, JSON Lines and Parquet, one file or a folder of them, on any filesystem that pyarrow opens.

`files` finds and fingerprints, `formats` streams raw cells (`delimited`, `jsonl`, `parquet`), `infer` knows cell types,
`column` and `classes` gather what a profile says, `profile` and `table` are the two public functions; `strata` names
classes, `ingest` keeps the typed copy that a build reads. Nothing here knows balancing or models. A source is never
held in memory: a block at a time is.
"""

from pipelines.source.profile import profile_source
from pipelines.source.table import read_source

__all__ = ["profile_source", "read_source"]
