import logging
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from pipelines.validate.tabular.schema import SchemaParams, SchemaValidator
from schemas.errors import SpecError
from schemas.plan import Step

REAL = pa.table(
    {
        "id": [1, 2, 3],
        "age": pa.array([20, 30, 40]),
        "gain": pa.array([0.0, None, 10.0]),
        "born": [date(1980, 1, 1), date(1990, 1, 1), date(2000, 1, 1)],
        "seen": pa.array([datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)], pa.timestamp("us", "UTC")),
        "job": ["cook", "clerk", None],
        "income": ["low", "low", "high"],
    }
)


def _verdict(plan_of, batch_of, table, **params):
    validator = SchemaValidator(SchemaParams(**params), plan_of(REAL, "income"))
    return validator.check(batch_of(table))


def _with(name: str, values: list) -> pa.Table:
    place = REAL.column_names.index(name)
    return REAL.set_column(place, REAL.schema.field(name), pa.array(values, REAL.schema.field(name).type))


def test_real_rows_pass(plan_of, batch_of) -> None:
    verdict = _verdict(plan_of, batch_of, REAL)
    assert verdict.keep.all()
    assert verdict.details == {}


@pytest.mark.parametrize(
    ("name", "values", "detail"),
    [
        ("age", [20, 41, 40], "range of age"),
        ("age", [20, None, 40], "missing age"),
        ("gain", [0.0, -0.1, None], "range of gain"),
        ("born", [date(1980, 1, 1), date(1979, 12, 31), date(2000, 1, 1)], "range of born"),
        ("seen", [datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)] * 1 + [None], None),
        ("job", [None, "baker", "cook"], "unseen job"),
        ("income", ["low", "middle", "high"], "unseen income"),
    ],
)
def test_one_wrong_value(plan_of, batch_of, name, values, detail) -> None:
    verdict = _verdict(plan_of, batch_of, _with(name, values))
    if detail is None:
        assert verdict.details == {"missing seen": 1, "range of seen": 1}
    else:
        assert verdict.keep.tolist() == [True, False, True]
        assert verdict.details == {detail: 1}


def test_nan_is_missing_and_ids_are_free(plan_of, batch_of) -> None:
    assert _verdict(plan_of, batch_of, _with("gain", [float("nan"), 1.0, 2.0])).keep.all()
    assert _verdict(plan_of, batch_of, _with("id", [None, 99, -1])).keep.all()


def test_any_range(plan_of, batch_of) -> None:
    assert _verdict(plan_of, batch_of, _with("age", [-5, 500, 40]), ranges="any").keep.all()


def test_a_row_is_counted_once(plan_of, batch_of) -> None:
    table = _with("age", [99, 30, 40]).set_column(5, "job", pa.array(["baker", "baker", "cook"]))
    verdict = _verdict(plan_of, batch_of, table, constraints=["age < 90"])
    assert verdict.details == {"range of age": 1, "unseen job": 1}


def test_wrong_types_and_columns_reject_all(plan_of, batch_of) -> None:
    verdict = _verdict(plan_of, batch_of, REAL.set_column(1, "age", pa.array([1.0, 2.0, 3.0])))
    assert verdict.details == {"type of age: double, not int64": 3}
    assert not verdict.keep.any()
    assert _verdict(plan_of, batch_of, REAL.drop_columns(["job"])).details == {"no column job": 3}


def test_real_rows_that_break_a_constraint_are_reported(plan_of, batch_of, caplog) -> None:
    validator = SchemaValidator(SchemaParams(constraints=["age > 20", "gain >= 0"]), plan_of(REAL, "income"))
    with caplog.at_level(logging.WARNING):
        validator.fit([batch_of(REAL), batch_of(REAL)])
    assert [record.getMessage() for record in caplog.records] == [
        "2 real rows break the constraint `age > 20`; no synthetic row will"
    ]
    verdict = validator.check(batch_of(REAL))
    np.testing.assert_array_equal(verdict.keep, [False, True, True])
    assert verdict.details == {"constraint age > 20": 1}


def test_all_faulty_constraints_are_named_with_their_place(plan_of) -> None:
    plan = plan_of(REAL, "income", [Step(name="duplicates", params={}), Step(name="schema", params={})])
    with pytest.raises(SpecError) as caught:
        SchemaValidator(SchemaParams(constraints=["aeg > 1", "age > 1", "age >"]), plan)
    first, second = str(caught.value).splitlines()
    assert first.startswith("validate[1].schema.constraints[0]: unknown column 'aeg'; did you mean 'age'?")
    assert second.startswith("validate[1].schema.constraints[2]: cannot be read")
