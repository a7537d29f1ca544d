"""Reads the rows of a published dataset, a batch at a time. Does not know what they are read for.

Each shard is compared with the manifest's SHA-256 before its rows are used.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.encryption import Key, read_key
from pipelines.storage.folder import Folder
from schemas.errors import OutputError
from schemas.manifest import Manifest, Shard

BATCH_ROWS = 16_384


def dataset_batches(folder: Folder, manifest: Manifest, columns: list[str]) -> Iterator[pa.Table]:
    """Yield these columns of all rows in the dataset's order, some thousands of rows at a time.

    Raises OutputError if a shard is missing, cannot be read, or has another SHA-256 than the manifest says.

    Example: the labels of a published dataset::

        folder = Folder("tumours-balanced")
        for batch in dataset_batches(folder, read_manifest(folder), ["diagnosis"]):
            print(batch["diagnosis"].value_counts())
    """
    key = read_key(manifest.encryption_key_env)
    for shard in manifest.shards:
        with _explain_errors(folder, shard):
            for batch in open_shard(folder, shard, key).iter_batches(BATCH_ROWS, columns=columns):
                yield pa.table(batch).select(columns)


def open_shard(folder: Folder, shard: Shard, key: Key | None) -> pq.ParquetFile:
    """Open a shard; raises OutputError if it cannot be read, or has another SHA-256 than the manifest says."""
    with _explain_errors(folder, shard):
        data = folder.view(shard.path)
        if hashlib.sha256(memoryview(data)).hexdigest() != shard.sha256:
            raise OSError("it was changed, its SHA-256 is not the manifest's")
        return pq.ParquetFile(pa.BufferReader(data), decryption_properties=key.decryption() if key else None)


@contextmanager
def _explain_errors(folder: Folder, shard: Shard) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        problem = f"{folder.shown}: {shard.path} cannot be read: {reason}"
        raise OutputError(f"{problem}; see what is wrong with makeweight verify {folder.shown}") from error
