"""Rows as a classifier takes them, for each modality. What is learned of the rows is learned of the raw ones alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.evaluate.held_out import feature_columns
from pipelines.validate.image.learning import View as Pixels
from pipelines.validate.tabular.features import encode, learn_features
from pipelines.validate.text.words import as_texts
from schemas.plan import Plan

_SIDE = 32


@dataclass(frozen=True)
class View:
    """`rows` returns a table's rows as an array, one item of its first axis each.

    Of tables that is a matrix of numbers and codes (`categorical` tells which), NaN for missing; of texts they
    themselves; of images pixels (uint8), `side` x `side`.
    """

    rows: Callable[[pa.Table], NDArray[Any]]
    categorical: list[bool]


def make_view(plan: Plan, raw: pa.Table) -> View:
    """Return the view of a plan's rows."""
    return _VIEWS[plan.modality](plan, raw)


def _table_view(plan: Plan, raw: pa.Table) -> View:
    features = learn_features(raw, [column.name for column in feature_columns(plan)])
    return View(lambda table: encode(table, features), [feature.categories is not None for feature in features])


def _text_view(plan: Plan, _raw: pa.Table) -> View:
    return View(lambda table: np.array(as_texts(table[plan.profile.text]), dtype=object), [])


def _image_view(plan: Plan, _raw: pa.Table) -> View:
    return View(Pixels.of(plan, _SIDE, "evaluate").pixels, [])


_VIEWS = {"tabular": _table_view, "text": _text_view, "image": _image_view}
