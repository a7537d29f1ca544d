"""A contact sheet for Prefect's page of a build: some real images, and made ones below, as one picture."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.modality import content_column
from pipelines.report.image.thumbnails import resize
from pipelines.report.sample_page import Draw, Page
from schemas.manifest import Manifest

ACROSS, TILE, GAP, LOOKED_AT = 8, 64, 2, 200
"""Images in one row of a sheet; the side of each, and what is between them, in pixels; images that are read for it."""


def contact_page(manifest: Manifest, draw: Draw) -> Page:
    """Return a page with a contact sheet."""
    image = str(content_column(manifest.columns))
    real, made = draw([image], 2 * ACROSS, LOOKED_AT)
    sheet = contact_sheet([_make_tiles(side, image) for side in (real, made) if side])
    uri = f"data:image/png;base64,{base64.b64encode(encode(sheet, Encoding('png'))).decode('ascii')}"
    below = f", {manifest.origin} ones below real ones" if real and made else ""
    # Prefect's own kind for images writes the whole URI out below the picture
    return Page(f"![some images]({uri})", "contact-sheet", f"{manifest.name}: some images{below}")


def _make_tiles(rows: Sequence[dict[str, Any]], image: str) -> list[Pixels]:
    return [_to_tile(decode(row[image]["bytes"])) for row in rows if row[image]]


def _to_tile(pixels: Pixels) -> Pixels:
    """Return the image in a square tile, whole and in its own proportion, in colour."""
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    small = resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


def contact_sheet(groups: Sequence[Sequence[Pixels]]) -> Pixels:
    """Return one picture of groups of tiles: each group has its own rows, with a wider gap between groups."""
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
