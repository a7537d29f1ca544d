"""Reads the rows of a published dataset, a batch at a time. Knows nothing of what they are read for.

What decides rows or figures is read whole, and compared with the manifest's SHA-256 before it is used.
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
    """Yield these columns of all rows in the dataset's order, some thousands at a time.

    Raises OutputError where a shard is missing, cannot be read, or is not what the manifest says.
    """
    key = read_key(manifest.encryption_key_env)
    for shard in manifest.shards:
        with _explained(folder, shard):
            for batch in open_shard(folder, shard, key).iter_batches(BATCH_ROWS, columns=columns):
                yield pa.table(batch).select(columns)


def open_shard(folder: Folder, shard: Shard, key: Key | None) -> pq.ParquetFile:
    """Return a shard, whole in memory or mapped; raises OutputError if it is not there, or not what was written."""
    with _explained(folder, shard):
        data = folder.view(shard.path)
        if hashlib.sha256(memoryview(data)).hexdigest() != shard.sha256:
            raise OSError("it was changed, its SHA-256 is not the manifest's")
        return pq.ParquetFile(pa.BufferReader(data), decryption_properties=key.decryption() if key else None)


@contextmanager
def _explained(folder: Folder, shard: Shard) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        problem = f"{folder.shown}: {shard.path} cannot be read: {reason}"
        raise OutputError(f"{problem}; see what is wrong with makeweight verify {folder.shown}") from error
