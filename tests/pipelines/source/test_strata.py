"""Strata are known by their values: no two ever share a name, and every name stays what it was if it can."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.plan.planning import make_plan
from pipelines.source.strata import quoted_name, stratum_column, stratum_names
from schemas.errors import SpecError
from schemas.plan import Plan
from schemas.spec import Spec, parse


def plan_of(tmp_path, table, **parts):
    pa.csv.write_csv(table, tmp_path / "rows.csv")
    data = {
        "name": "rows",
        "source": {"path": str(tmp_path / "rows.csv"), "label": table.column_names[0]},
        "generator": {"name": "resample"},
        "output": {"path": str(tmp_path / "out")},
    }
    return make_plan(parse(Spec, data | parts))


def clash():
    """9 rows of ("a | b", "c") and 5 of ("a", "b | c"), whose joined names are one; and 3 of a third class."""
    ones, others = ["a | b"] * 9 + ["a"] * 5 + ["z"] * 3, ["c"] * 9 + ["b | c"] * 5 + ["z"] * 3
    return pa.table({"one": ones, "other": others, "x": np.arange(17) / 7})


def test_names_are_the_joined_values_unless_they_would_clash():
    assert stratum_names([("a", 1, True), ("b | c", 2, False)]) == {
        ("a", 1, True): "a | 1 | true",
        ("b | c", 2, False): "b | c | 2 | false",
    }
    assert stratum_names([("a | b", "c"), ("a", "b | c"), ("d", "e")]) == {
        ("a | b", "c"): '"a | b" | "c"',
        ("a", "b | c"): '"a" | "b | c"',
        ("d", "e"): "d | e",
    }


def test_no_values_are_so_odd_that_two_strata_share_a_name():
    words = ["a", "b", "a | b", '"a', '"a"', 'b" | "c"', "", " ", "|", " | ", "null", "None", "1", "1.0", "true", "\\"]
    keys = [(one, other) for one in words for other in words]
    keys += [(quoted_name(key), "") for key in keys[:40]]
    names = stratum_names(keys)
    assert len(set(names.values())) == len(set(keys)) == len(names)


def test_rows_of_clashing_names_are_told_apart(tmp_path):
    plan = plan_of(tmp_path, clash(), balance={"by": ["one", "other"], "target": "largest"})
    assert {tuple(s.key): s.real for s in plan.strata} == {("a | b", "c"): 9, ("a", "b | c"): 5, ("z", "z"): 3}
    column = stratum_column(clash(), plan.by, plan.class_values)
    assert [plan.stratum(name).key for name in column.to_pylist()] == [
        list(key) for key in zip(*clash().select(["one", "other"]).to_pydict().values(), strict=True)
    ]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_target_finds_its_class_by_the_name_that_the_plan_shows(tmp_path):
    target = {'"a | b" | "c"': 12, "z | z": 4}
    plan = plan_of(tmp_path, clash(), balance={"by": ["one", "other"], "target": target})
    assert {s.name: s.target for s in plan.strata} == {'"a | b" | "c"': 12, '"a" | "b | c"': 5, "z | z": 4}


def test_a_target_that_two_classes_answer_to_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"may be either of two classes: write '\"a \| b\" \| \"c\"' or '\"a\" \| \"b"):
        plan_of(tmp_path, clash(), balance={"by": ["one", "other"], "target": {"a | b | c": 12}})


def test_values_that_no_stratum_has_get_a_name_that_none_has():
    table = pa.table({"one": ["a | b", "a"], "other": ["c", "b | c"]})
    names = stratum_column(table, ["one", "other"], {"a | b | c": ["a", "b | c"]})
    assert names.to_pylist() == ['"a | b" | "c"', "a | b | c"]


def test_times_zeros_and_truths_are_the_classes_that_the_plan_counted(tmp_path):
    when = np.array(["2024-01-01T10:00", "2024-01-02T00:00"], "M8[us]").repeat([6, 3])
    table = pa.table({"when": when, "flag": [True, False, False] * 3, "n": [0.0, -0.0, 1.5] * 3, "x": np.arange(9) / 7})
    target = {"2024-01-02T00:00:00 | true | 0.0": 8}
    plan = plan_of(tmp_path, table, balance={"by": ["when", "flag", "n"], "target": target})
    typed = table.set_column(0, "when", table["when"].cast(pa.timestamp("us")))
    column = stratum_column(typed, plan.by, plan.class_values)
    assert {one["values"]: one["counts"] for one in column.value_counts().to_pylist()} == {
        s.name: s.real for s in plan.strata
    }
    assert {s.target for s in plan.strata if s.name in target} == {8}


def test_nine_columns_of_two_hundred_values_are_strata_too(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"by{number}" for number in range(9)]
    table = pa.table({name: [f"v{value}" for value in rng.permutation(400) % 200] for name in names})
    table = table.append_column("x", pa.array(np.arange(400) / 7))
    plan = plan_of(tmp_path, table, balance={"by": names, "target": 1})
    assert len(plan.strata) == 400
    assert sorted(stratum_column(table, names, plan.class_values).to_pylist()) == sorted(plan.class_values)
