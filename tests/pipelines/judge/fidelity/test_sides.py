"""The two sides that are compared: even, and no real row on both."""

from pipelines.judge.fidelity.sides import even_sides
from tests.pipelines.judge.fidelity.rows import people
from tests.pipelines.judge.tabular.test_figures import REAL, drawn


def test_sides_have_the_same_classes_and_share_no_real_row():
    _, rows = drawn()
    sides = even_sides(rows, 10_000, 5)
    for side in (sides.reference, sides.real, sides.made):
        counts = {one["values"]: one["counts"] for one in side["_stratum"].value_counts().to_pylist()}
        assert counts == {"high": 60, "low": 50}  # as many as made rows, or as half the real ones
    ids = [set(side["_id"].to_pylist()) for side in (sides.reference, sides.real, sides.made)]
    assert not ids[0] & ids[1]
    assert {one[:5] for one in ids[2]} == {"made-"}


def test_large_sides_are_cut_evenly():
    _, rows = drawn()
    sides = even_sides(rows, 80, 5)
    assert sorted(one["counts"] for one in sides.made["_stratum"].value_counts().to_pylist()) == [40, 40]


def test_classes_without_made_rows_are_left_out_and_parents_are_found():
    _, rows = drawn(people(30, seed=3, income="low"), parents=[400 + n % 7 for n in range(30)])
    assert set(rows.real["_stratum"].to_pylist()) == {"low"}
    assert sorted(rows.parents["_id"].to_pylist()) == [f"real-{n}" for n in range(400, 407)]
    assert rows.parents["age"].to_pylist() == REAL["age"].to_pylist()[400:407]
