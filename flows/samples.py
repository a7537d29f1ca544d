"""Rows to look at, which a build leaves with Prefect: real ones beside made ones. Knows shards, no source."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect.artifacts import create_markdown_artifact

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.report.data import image_column
from pipelines.report.image.thumbnails import resize
from pipelines.report.wording import cell
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError
from schemas.manifest import Manifest

ROWS, COLUMNS, TEXT = 4, 12, 160
"""Rows of each origin, columns of a row, and characters of a cell that are shown, at most."""
ACROSS, TILE, GAP = 8, 64, 2
"""Images in one row of a contact sheet; the side of each, and what is between them, in pixels."""
LOOKED_AT, LOOKED_AT_IMAGES = 2_000, 200
"""Rows, and images, that are read in search of made ones: they are shuffled, so made ones come soon or are rare."""


def artifact_key(name: str, what: str) -> str:
    """Return Prefect's key of what builds of one dataset leave, so that its history is that dataset's alone."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    told_apart = "" if plain == name else f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{plain}{told_apart}-{what}".lstrip("-")


def show_samples(output: Folder, manifest: Manifest) -> None:
    """Leave some rows with Prefect: a contact sheet of images, or a table; nothing of an encrypted dataset."""
    if manifest.encryption_key_env or not manifest.rows:
        return
    image = image_column(manifest)
    with suppress(MakeweightError, pa.ArrowException, OSError):  # the dataset is there, whether it can be shown or not
        if image is None:
            _show_rows(output, manifest)
        else:
            _show_images(output, manifest, image)


def _show_rows(output: Folder, manifest: Manifest) -> None:
    names = [column.name for column in manifest.columns][:COLUMNS]
    real, made = _drawn(output, manifest, names, ROWS)
    more = len(manifest.columns) - len(names)
    lines = [
        f"Some rows of **{_plain(manifest.name)}**, {manifest.origin} ones below real ones.",
        "",
        _line(["origin", *names]),
        _line(["---"] * (len(names) + 1)),
        *(_line(["real", *(cell(row[name], TEXT).text for name in names)]) for row in real),
        *(_line([manifest.origin, *(cell(row[name], TEXT).text for name in names)]) for row in made),
        *(["", f"{more:,} more columns are not shown."] if more > 0 else []),
    ]
    title = f"{manifest.name}: some real and {manifest.origin} rows"
    create_markdown_artifact("\n".join(lines), key=artifact_key(manifest.name, "rows"), description=title)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(one) for one in cells)} |"


def _plain(text: str) -> str:
    """Return the text as Markdown shows it as it is: a source's text is no markup here."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$^=:@.-])", r"\\\1", text) if text != "---" else text


def _show_images(output: Folder, manifest: Manifest, image: str) -> None:
    real, made = _drawn(output, manifest, [image], 2 * ACROSS)
    sheet = contact_sheet([_tiles(side, image) for side in (real, made) if side])
    uri = f"data:image/png;base64,{base64.b64encode(encode(sheet, Encoding('png'))).decode('ascii')}"
    below = f", {manifest.origin} ones below real ones" if real and made else ""
    title = f"{manifest.name}: some images{below}"
    # Prefect's own kind for images writes the whole URI out below the picture
    key = artifact_key(manifest.name, "contact-sheet")
    create_markdown_artifact(f"![some images]({uri})", key=key, description=title)


def _tiles(rows: Sequence[dict[str, Any]], image: str) -> list[Pixels]:
    return [_square(decode(row[image]["bytes"])) for row in rows if row[image]]


def _square(pixels: Pixels) -> Pixels:
    """Return the image in a tile, whole and in its own proportion, in colour."""
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    small = resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


def contact_sheet(groups: Sequence[Sequence[Pixels]]) -> Pixels:
    """Return one picture of groups of tiles, each group in rows of its own below the last, with a wider gap between."""
    step = TILE + GAP
    heights = [-(-len(group) // ACROSS) * step for group in groups]
    sheet = np.full((sum(heights) + 4 * GAP * (len(groups) - 1), ACROSS * step, 3), 255, np.uint8)
    top = 0
    for group, height in zip(groups, heights, strict=True):
        for number, tile in enumerate(group):
            y, x = top + number // ACROSS * step, number % ACROSS * step
            sheet[y : y + TILE, x : x + TILE] = tile
        top += height + 4 * GAP
    return sheet


def _drawn(output: Folder, manifest: Manifest, names: list[str], most: int) -> tuple[list[Any], list[Any]]:
    """Return some real rows and some made ones, as dicts of these columns; of one class, where one has both."""
    there = [manifest.label] if manifest.label in {column.name for column in manifest.columns} else []
    rows = pa.Table.from_batches(_batches(output, manifest, list(dict.fromkeys([*names, *there, "_origin"]))))
    is_real = pc.equal(rows["_origin"], "real")
    real, made = rows.filter(is_real), rows.filter(pc.invert(is_real))
    if there and made.num_rows:
        same = real.filter(pc.is_in(real[there[0]], made[there[0]].slice(0, most)))
        real = same if same.num_rows else real
    return real.slice(0, most).to_pylist(), made.slice(0, most).to_pylist()


def _batches(output: Folder, manifest: Manifest, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the first rows of the dataset, not more than are looked at."""
    seen, most = 0, LOOKED_AT_IMAGES if image_column(manifest) else LOOKED_AT
    for shard in manifest.shards:
        with output.filesystem.open_input_file(output.inner(shard.path)) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=4 * ACROSS, columns=names):
                yield batch
                seen += batch.num_rows
                if seen >= most:
                    return
