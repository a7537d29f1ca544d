"""Publishes sample rows on Prefect's page of a build: real rows beside made ones. Reads shards, not the source."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect.artifacts import create_markdown_artifact

from pipelines.modality import MODALITIES, load_part
from pipelines.report.sample_page import Page, Rows
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError
from schemas.manifest import Manifest

_BATCH = 32  # rows that are read at a time


def artifact_key(name: str, what: str) -> str:
    """Return the key of a Prefect artifact, which is unique for the dataset's name.

    >>> artifact_key("tumours", "report")
    'tumours-report'
    """
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    suffix = "" if plain == name else f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{plain}{suffix}-{what}".lstrip("-")


def publish_samples(output: Folder, manifest: Manifest) -> None:
    """Publish some rows as a Prefect artifact, as their modality shows them; none of an encrypted dataset."""
    if manifest.encryption_key_env or not manifest.rows:
        return
    with suppress(MakeweightError, pa.ArrowException, OSError):  # the dataset is there, whether it can be shown or not
        page: Page = load_part(MODALITIES[manifest.modality].samples)(manifest, partial(_draw_rows, output, manifest))
        create_markdown_artifact(page.markdown, key=artifact_key(manifest.name, page.key), description=page.title)


def _draw_rows(output: Folder, manifest: Manifest, names: list[str], most: int, looked_at: int) -> tuple[Rows, Rows]:
    """Return some real and some made rows as dicts of these columns, of one class if there is one with both."""
    there = [manifest.label] if manifest.label in {column.name for column in manifest.columns} else []
    rows = pa.Table.from_batches(
        _read_batches(output, manifest, list(dict.fromkeys([*names, *there, "_origin"])), looked_at)
    )
    is_real = pc.equal(rows["_origin"], "real")
    real, made = rows.filter(is_real), rows.filter(pc.invert(is_real))
    if there and made.num_rows:
        same = real.filter(pc.is_in(real[there[0]], made[there[0]].slice(0, most)))
        real = same if same.num_rows else real
    return real.slice(0, most).to_pylist(), made.slice(0, most).to_pylist()


def _read_batches(output: Folder, manifest: Manifest, names: list[str], most: int) -> Iterator[pa.RecordBatch]:
    """Yield the first rows of the dataset, about `most`. Rows are shuffled, so made ones are among them."""
    seen = 0
    for shard in manifest.shards:
        with output.filesystem.open_input_file(output.inner(shard.path)) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH, columns=names):
                yield batch
                seen += batch.num_rows
                if seen >= most:
                    return
