"""Example rows for the checks of validators: a table like Adult, messages, real images of digits, and their plans."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.source.fingerprint import row_hashes
from pipelines.source.object_counts import contents
from pipelines.validate.base import Batch
from schemas.arrow import IMAGE, NESTED, OBJECTS
from schemas.plan import Column, ImageProfile, Plan, Role, SourceProfile, Step, Stratum


@dataclass(frozen=True)
class Examples:
    """Real rows, and candidates of the same kind, the last of which are copies of real rows.

    `label` is the column of the class; `text` is the column of texts, if rows are texts.
    """

    real: pa.Table
    fresh: pa.Table
    label: str
    text: str | None = None


def tables() -> Examples:
    """Return rows like those of Adult."""
    real = adult_like(3000)
    return Examples(real, pa.concat_tables([adult_like(400, seed=1), real.slice(100, 40)]), "income")


def texts() -> Examples:
    """Return messages like SMS."""
    real = sms_like(1500)
    return Examples(real, pa.concat_tables([sms_like(200, seed=1), real.slice(100, 30)]), "label", "text")


def images() -> Examples:
    """Return images of digits; the candidates are by other writers than the real rows."""
    return Examples(digits_of(0, 400), pa.concat_tables([digits_of(1000, 150), digits_of(100, 30)]), "label")


def marked_images() -> Examples:
    """Return the same digits with a box around each."""
    plain = images()
    return Examples(marked(plain.real), marked(plain.fresh), "boxes")


EXAMPLES: dict[str, Callable[[], Examples]] = {
    "tabular": tables, "text": texts, "image": images, "marked image": marked_images,
}  # fmt: skip
"""Examples of each modality."""


def _column(name: str, values: pa.ChunkedArray, role: Role | None) -> Column:
    nested: dict[pa.DataType, Role] = {IMAGE: "image", OBJECTS: "objects"}
    if values.type in nested:
        kind = next(known for known, kept in NESTED.items() if kept == values.type)
        return Column(name=name, type=kind, role=nested[values.type])
    text = pa.types.is_string(values.type)
    ranged = not text and not pa.types.is_boolean(values.type)
    low, high = pc.min_max(values).as_py().values() if ranged else (None, None)
    plain: list[Any] = [v.isoformat() if isinstance(v, date) else v for v in (low, high)]
    return Column(
        name=name,
        type=str(values.type),
        role=role or ("id" if name == "id" else "feature"),
        nulls=values.null_count,
        minimum=plain[0],
        maximum=plain[1],
        categories=sorted(values.drop_null().unique().to_pylist()) if text and role != "text" else None,
    )


def _image_profile(table: pa.Table) -> ImageProfile | None:
    """Return the profile of images that all have the mode and size of the first."""
    column = next((name for name in table.column_names if table.column(name).type == IMAGE), None)
    if column is None or not len(table):
        return None
    height, width, channels = decode(table.column(column)[0].as_py()["bytes"]).shape
    mode: Literal["L", "RGB"] = "L" if channels == 1 else "RGB"
    rows, size = len(table), (width, height)
    return ImageProfile(
        modes={mode: rows}, formats={"PNG": rows}, sizes={f"{width}x{height}": rows}, least=size, most=size, mode=mode
    )


def plan_of_table(table: pa.Table, label: str, steps: list[Step] | None = None, text: str | None = None) -> Plan:
    """Return a plan for texts if `text` names their column, for images if the table has any, else for a table."""
    columns = [_column(name, table.column(name), "text" if name == text else None) for name in table.column_names]
    counts = [([pair["values"]], pair["counts"]) for pair in table.column(label).value_counts().to_pylist()]
    profile = SourceProfile(
        path="adult.csv", format="csv", files=["adult.csv"], bytes=1, rows=len(table), dropped=0, columns=columns,
        by=[label], counts=counts, fingerprint="0", images=_image_profile(table),
    )  # fmt: skip
    modality = "text" if text else "image" if profile.image else "tabular"
    strata = [Stratum(name=str(key[0]), key=key, real=n, target=n, chunk_rows=8) for key, n in counts]
    return Plan(
        name="test", seed=0, modality=modality, label=label, profile=profile, strata=strata,
        generator=Step(name="resample", params={}), validators=steps or [], attempts_per_row=20, fit_rows=1000,
        shard_rows=1000, splits={"train": 1.0}, spec_fingerprint="0",
    )  # fmt: skip


def batch_of_table(table: pa.Table) -> Batch:
    """Return a table as one batch without a stratum."""
    names = [name for name in table.column_names if name != "id"]
    return Batch(table, row_hashes(table.select(names)), "")


def adult_like(rows: int, seed: int = 0) -> pa.Table:
    """Return a table like Adult, with numbers, texts, dates and nulls, and two classes."""
    rng = np.random.default_rng(seed)
    rich = rng.random(rows) < 0.25
    age = np.where(rich, rng.normal(48, 8, rows), rng.normal(30, 8, rows)).round()
    job = np.where(rich & (rng.random(rows) < 0.9), "manager", rng.choice(["clerk", "cook", "driver"], rows))
    days = [date(2020, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 900, rows)]
    columns: dict[str, Any] = {
        "id": pa.array(np.arange(rows)),
        "age": pa.array(age.astype(np.int64)),
        "capital-gain": pa.array(np.where(rich, rng.exponential(5000, rows), 0), mask=rng.random(rows) < 0.1),
        "weight": pa.array(rng.normal(70, 10, rows)),
        "job": pa.array(job.tolist()),
        "married": pa.array((rng.random(rows) < 0.5).tolist(), mask=rng.random(rows) < 0.05),
        "hired": pa.array(days),
        "income": pa.array(np.where(rich, ">50K", "<=50K").tolist()),
    }
    return pa.table(columns)


def sms_like(rows: int, seed: int = 0) -> pa.Table:
    """Return messages of two classes that share half of their words."""
    rng = np.random.default_rng(seed)
    common = [f"{a}{b}" for a in ("mor", "ten", "la", "vis", "ko") for b in ("ning", "der", "ter", "on", "ma", "li")]
    own = {"ham": [f"{word}y" for word in common], "spam": [f"win{word}" for word in common]}
    labels = np.where(rng.random(rows) < 0.3, "spam", "ham").tolist()
    texts = []
    for label in labels:
        words = rng.choice(common + own[label], int(rng.integers(4, 20)))
        texts.append(f"{' '.join(words).capitalize()}{rng.choice(['.', '!', '?', '...'])}")
    return pa.table({"id": pa.array(np.arange(rows)), "label": labels, "text": texts})


def image_array(images: Sequence[Pixels]) -> pa.Array:
    """Return the images encoded as PNG."""
    return pa.array([{"bytes": encode(image, Encoding()), "path": None} for image in images], IMAGE)


def digits_of(first: int, rows: int) -> pa.Table:
    """Return some of scikit-learn's 1,797 digits (8 x 8, grey)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images[first : first + rows] * (255 / 16)).astype(np.uint8)[..., None]
    labels = [f"digit {label}" for label in digits.target[first : first + rows]]
    return pa.table({"image": image_array(images), "label": labels})


def marked(table: pa.Table) -> pa.Table:
    """Return the table of digits with a box around each digit."""
    objects = [[{"bbox": [0.5, 0.0, 7.0, 8.0], "category": label}] for label in table.column("label").to_pylist()]
    column = pa.array(objects, OBJECTS)
    return pa.table({"image": table.column("image"), "objects": column, "boxes": contents(column)})
