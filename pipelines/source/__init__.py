"""Reads tables: CSV, TSV, JSON Lines and Parquet, one file or a folder of them, on any filesystem that pyarrow opens.

`files` finds and fingerprints files, `formats` streams raw cells (`delimited`, `jsonl`, `parquet`), `infer` finds cell
types, `column` and `classes` collect what a profile says, `profile` and `table` hold the two public functions; `strata`
names classes, `ingest` keeps the typed copy that a build reads. Nothing here knows balancing or models. Only a block of
a source is in memory at a time.
"""

from pipelines.source.profile import profile_source
from pipelines.source.table import read_source

__all__ = ["profile_source", "read_source"]
