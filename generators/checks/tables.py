"""Small made-up tables to fit generators on in checks, with every type and many odd values. The seeds are fixed."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from generators.image.codec import Encoding, encode
from schemas.arrow import IMAGE, STRATUM

COUNTS = {"common": 380, "middle": 150, "rare": 12}
"""The classes of each table, and their rows."""
PHRASE = "free win cash prize call now claim your the a to you see later home ok what time we go soon"
WORDS = PHRASE.split()
RANGED = ("whole", "gaps", "huge", "price", "born", "seen", "utc")
"""Columns of the table whose values have an order."""
LISTED = ("colour", "digits", "many", "constant", "one or null", "nothing", "no day")
"""Columns of the table whose made values must all be among the real ones."""


def messy_table(counts: Mapping[str, int] = COUNTS) -> pa.Table:
    """Return a table of all types, with nulls, a constant, extremes, and columns of nulls alone."""
    rng = np.random.default_rng(3)
    classes = np.repeat(list(counts), list(counts.values()))
    rows = len(classes)
    day = dt.date(1950, 1, 1)
    now = dt.datetime(1969, 12, 30, 12, 30, 15, 123456)
    days = [day + dt.timedelta(days=int(d)) for d in rng.integers(0, 30_000, rows)]
    times = [now + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**8, rows)]
    columns: dict[str, Any] = {
        "whole": pa.array(rng.integers(-50, 50, rows)),
        "gaps": pa.array(rng.integers(0, 10**6, rows), mask=rng.random(rows) < 0.4),
        "huge": pa.array(rng.integers(-(2**63), 2**63 - 1, rows)),
        STRATUM: pa.array(classes.tolist()),
        "price": pa.array(np.round(rng.normal(100, 20, rows), 2), mask=rng.random(rows) < 0.1),
        "spike": pa.array(np.where(rng.random(rows) < 0.8, 0, rng.integers(1, 5000, rows))),
        "yes": pa.array(rng.random(rows) < 0.3, mask=rng.random(rows) < 0.4),
        "colour": pa.array(rng.choice(["red", "green", "blue"], rows), mask=rng.random(rows) < 0.4),
        "digits": pa.array(rng.choice(["007", "1e5", "", "null"], rows)),
        "many": pa.array([f"user {n}" for n in range(rows)]),
        "born": pa.array(days, pa.date32(), mask=rng.random(rows) < 0.4),
        "seen": pa.array(times, pa.timestamp("us")),
        "utc": pa.array(times, pa.timestamp("us", "UTC"), mask=rng.random(rows) < 0.4),
        "constant": pa.array(["same"] * rows),
        "one or null": pa.array([7] * rows, mask=rng.random(rows) < 0.4),
        "nothing": pa.nulls(rows, pa.float64()),
        "no day": pa.nulls(rows, pa.date32()),
    }
    return pa.table(columns)


def text_table(counts: Mapping[str, int] = COUNTS) -> pa.Table:
    """Return a table of common and odd texts; no code can guess the name of their column."""
    rng = np.random.default_rng(4)
    odd = ["今天天气很好。", "!?", "x", "e\u0301te\u0301 https://a.org/b?c=1", " two  spaces ", "long " * 300]
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(sum(counts.values()))]
    texts[: len(odd)] = odd[: len(texts)]
    return pa.table({STRATUM: np.repeat(list(counts), list(counts.values())).tolist(), "what was said": texts})


def image_table(counts: Mapping[str, int] = COUNTS) -> pa.Table:
    """Return a table of small RGB images, a colour for each class; no code can guess the name of their column."""
    rng = np.random.default_rng(5)
    encoding = Encoding("png")
    images = []
    for number, rows in enumerate(counts.values()):
        pixels = rng.integers(0, 100, (rows, 12, 12, 3), np.uint8)
        pixels[..., number % 3] += 100
        images += [{"bytes": encode(image, encoding), "path": None} for image in pixels]
    seen = pa.field("what was seen", IMAGE, metadata=encoding.metadata())
    classes = np.repeat(list(counts), list(counts.values())).tolist()
    return pa.table([images, classes], pa.schema([seen, pa.field(STRATUM, pa.string())]))


TABLES: dict[str, Callable[[], pa.Table]] = {"tabular": messy_table, "text": text_table, "image": image_table}
"""A table of each modality."""


def with_classes(table: pa.Table, label: str, counts: Mapping[str, int]) -> pa.Table:
    """Return the table's first rows, repeated if needed, relabelled to have these counts of each class."""
    names = np.repeat(list(counts), list(counts.values())).tolist()
    rows = table.take(pa.array(np.arange(len(names)) % len(table)))
    number = table.schema.get_field_index(label)
    return rows.set_column(number, table.schema.field(number), pa.array(names, pa.string()))
