"""Classes as numbers: by first sight as rows stream by, by value once all are known; -1 for what is none."""

import numpy as np
import pyarrow as pa

from pipelines.validate.classes import Classes, agreement_verdict, class_codes


def labels(*values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def test_numbers_are_given_by_first_sight_and_kept():
    classes = Classes(pa.string())
    assert classes.number(labels("b", "a", "b")).tolist() == [0, 1, 0]
    assert classes.number(labels("c", "a")).tolist() == [2, 1]
    assert classes.ordered().to_pylist() == ["a", "b", "c"]


def test_nulls_and_unknown_labels_are_no_class_of_any_type():
    assert class_codes(labels("a", None, "z"), pa.array(["z", "a"])).tolist() == [1, -1, 0]
    assert class_codes(labels(True, None, False), pa.array([False, True])).tolist() == [1, -1, 0]
    assert class_codes(labels(3, 4), pa.array([3])).tolist() == [0, -1]


def test_rows_of_no_class_and_unlikely_ones_are_counted_apart():
    verdict = agreement_verdict(np.array([0, -1, 1, 1]), np.array([0.9, 0.9, 0.1, 0.5]), 0.5)
    assert verdict.keep.tolist() == [True, False, False, True]
    assert verdict.details == {"not a class of the real rows": 1, "unlikely class": 1}
    assert agreement_verdict(np.array([0]), np.array([1.0]), 0.5).details == {}
