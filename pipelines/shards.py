"""Reads the rows of a published dataset, a batch at a time. Knows nothing of what they are read for."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.encryption import read_key
from pipelines.storage import Folder
from schemas.errors import OutputError
from schemas.manifest import Manifest

BATCH_ROWS = 16_384


def dataset_batches(folder: Folder, manifest: Manifest, columns: list[str]) -> Iterator[pa.Table]:
    """Yield these columns of all rows in the dataset's order, some thousands at a time.

    Raises OutputError where a shard is missing or cannot be read.
    """
    key = read_key(manifest.encryption_key_env)
    for shard in manifest.shards:
        try:
            with folder.filesystem.open_input_file(folder.inner(shard.path)) as source:
                file = pq.ParquetFile(source, decryption_properties=key.decryption() if key else None)
                for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                    yield pa.table(batch).select(columns)
        except (OSError, KeyError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            problem = f"{folder.shown}: {shard.path} cannot be read: {reason}"
            raise OutputError(f"{problem}; see what is wrong with makeweight verify {folder.shown}") from error
