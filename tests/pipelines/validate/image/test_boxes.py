from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, encode
from pipelines.source.object_counts import contents
from pipelines.validate.base import Batch
from pipelines.validate.image.boxes import Boxes, BoxesParams
from schemas.arrow import IMAGE, MASKED_OBJECTS, OBJECTS
from schemas.errors import SpecError

Marked = list[tuple[str, list[float] | None]]


def table_of_objects(rows: list[Marked], promised: list[str] | None = None, kind: pa.DataType = OBJECTS) -> pa.Table:
    """Images of 20 x 10 pixels with objects."""
    image = encode(np.zeros((10, 20, 3), np.uint8), Encoding())
    objects: list[list[dict[str, Any]]] = [[{"category": name, "bbox": box} for name, box in row] for row in rows]
    column = pa.array(objects, kind)
    return pa.table(
        {
            "image": pa.array([{"bytes": image, "path": None}] * len(rows), IMAGE),
            "objects": column,
            "boxes": contents(column) if promised is None else promised,
        }
    )


def check(plan_of, table: pa.Table, **params: Any) -> Any:
    validator = Boxes(BoxesParams(**params), plan_of(table_of_objects([[]]), "boxes"))
    validator.fit([])
    return validator.check(Batch(table, np.zeros(len(table), np.uint64), ""))


def test_boxes_lie_in_their_image_and_have_an_area(plan_of) -> None:
    rows: list[Marked] = [
        [("a", [0, 0, 20, 10]), ("b", [3.5, 2, 1, 1])],
        [],
        [("a", [0, 0, 20.5, 10])],
        [("a", [1, 1, 2, 2]), ("a", [-1, 0, 5, 5])],
        [("a", [1, 1, 0.5, 0.5])],
        [("a", [1, 1, -3, -3])],
        [("a", [1, 1, 3, 3]), ("a", None)],
    ]
    verdict = check(plan_of, table_of_objects(rows))
    assert verdict.keep.tolist() == [True, True, False, False, False, False, False]
    assert verdict.details == {"box outside the image": 3, "box of less than 1 square pixels": 2}
    assert check(plan_of, table_of_objects(rows), min_area=0.1).keep.tolist()[4]


def test_what_the_stratum_promises_is_there(plan_of) -> None:
    box = [1.0, 1.0, 4.0, 4.0]
    rows: list[Marked] = [[("a", box), ("b", box)], [("a", box)], [("a", box), ("b", box)], [("c", box)], []]
    verdict = check(plan_of, table_of_objects(rows, ["a=1, b=1", "a=2", "b=1", "d=1", "none"]))
    assert verdict.keep.tolist() == [True, False, False, False, True]
    assert verdict.details == {"lost a box": 2, "other boxes than asked for": 1}


def test_strata_by_other_columns_promise_nothing(plan_of) -> None:
    table = table_of_objects([[("a", [1, 1, 4, 4])]], ["b=1"]).append_column("site", [["x"]])
    validator = Boxes(BoxesParams(), plan_of(table, "site"))
    assert validator.check(Batch(table, np.zeros(1, np.uint64), "")).keep.all()


def test_masked_objects_have_boxes_too(plan_of) -> None:
    table = table_of_objects([[("a", [1, 1, 4, 4])], [("a", [18, 1, 4, 4])]], kind=MASKED_OBJECTS)
    assert check(plan_of, table).keep.tolist() == [True, False]


def test_whole_images_have_no_boxes(plan_of, digits) -> None:
    with pytest.raises(SpecError, match="boxes: the source has no boxes, only whole images; leave boxes out"):
        Boxes(BoxesParams(), plan_of(digits, "label"))
