"""What a report is made from: the source's own columns, classes by size, and items cut in their middle."""

import pyarrow as pa

from pipelines.report.data import by_size, objects_column, source_columns, split_ends
from schemas.arrow import REASON
from schemas.plan import Column
from tests.pipelines.report.test_card import make_manifest


def test_columns_of_our_own_are_none_of_the_sources():
    table = pa.table({"a": [1], "_stratum": ["x"], "b": [2], REASON: ["schema"]})
    assert source_columns(table) == ["a", "b"]


def test_classes_with_the_most_source_rows_come_first_and_equal_ones_by_name():
    manifest = make_manifest()
    counts = dict.fromkeys(["b", "a", "new", "big"], next(iter(manifest.counts.values())))
    assert by_size(make_manifest(counts=counts, source_counts={"a": 5, "b": 5, "big": 9})) == ["big", "a", "b", "new"]


def test_what_is_marked_lies_in_the_column_of_that_role():
    assert objects_column(make_manifest()) is None
    columns = [Column(name="image", type="image", role="image"), Column(name="marks", type="objects", role="objects")]
    assert objects_column(make_manifest(columns=columns)) == "marks"


def test_items_are_left_out_in_the_middle():
    assert split_ends([1, 2, 3], 3) == ([1, 2, 3], [])
    assert split_ends([1, 2, 3, 4, 5, 6], 3) == ([1, 5, 6], [2, 3, 4])
