"""What the autoregressive generator promises beside the contract of all generators."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from generators.tabular.autoregressive import Autoregressive
from generators.tabular.codes import encode, learn_columns
from generators.tabular.zeros import find_zeros
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

QUICK = {"epochs": 2, "min_steps": 300, "hidden": 32, "tail_weight": 1.0, "learning_rate": 0.01}


def fitted(table, **params):
    generator = Autoregressive(Autoregressive.Params(**QUICK | params))
    generator.fit(table, "y", 7)
    return generator


def rows_of(generator, stratum="rare", rows=600):
    return generator.sample(SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=11))


@pytest.fixture(scope="module")
def table():
    """1,500 rows, 60 of them rare: `colour` follows the class, `shade` follows `colour`, `gain` is mostly 0."""
    rng = np.random.default_rng(1)
    label = np.where(np.arange(1500) % 25 == 0, "rare", "common")
    colour = np.where(label == "rare", rng.choice(["red", "blue"], 1500), rng.choice(["red", "green"], 1500))
    gain = np.where(rng.random(1500) < 0.9, 0, rng.choice([7688, 15024, 99999], 1500))
    return pa.table(
        {
            "y": label,
            "colour": colour,
            "shade": [f"{name} {n}" for name, n in zip(colour, rng.integers(2, size=1500), strict=True)],
            "gain": gain,
            "weight": np.round(rng.normal(80, 9, 1500), 3),
        }
    )


@pytest.fixture(scope="module")
def model(table):
    return fitted(table)


def test_columns_follow_the_class_and_one_another(model):
    made = rows_of(model)
    assert pc.mean(pc.equal(made["colour"], "green")).as_py() < 0.05
    assert 0.3 < pc.mean(pc.equal(made["colour"], "blue")).as_py() < 0.7
    shades = (shade.split()[0] for shade in made["shade"].to_pylist())
    agreed = sum(colour == shade for colour, shade in zip(made["colour"].to_pylist(), shades, strict=True))
    assert agreed > 0.98 * len(made)


def test_numbers_are_real_ones_and_spikes_keep_their_share(model, table):
    made = rows_of(model, "common", 2000)
    assert set(made["gain"].to_pylist()) <= {0, 7688, 15024, 99999}
    assert set(made["weight"].to_pylist()) <= set(table["weight"].to_pylist())
    assert abs(pc.mean(pc.equal(made["gain"], 0)).as_py() - 0.9) < 0.04
    assert abs(pc.mean(made["weight"]).as_py() - 80) < 1


def test_a_value_that_fills_a_bin_has_its_own():
    cells = np.concatenate([np.full(300, 40.0), np.linspace(0, 100, 700)])
    column = learn_columns(pa.table({"y": ["a"] * 1000, "x": cells}), "y", max_bins=10, max_categories=9)[0]
    codes = column.encode(pa.array(cells))
    assert set(cells[codes == codes[0]]) == {40.0}
    assert column.decode(codes[:5], np.random.default_rng(0)).to_pylist() == [40.0] * 5


def test_every_cell_has_a_code_that_is_decoded_to_its_bin(table):
    with_nulls = table.set_column(4, "weight", pc.if_else(pc.greater(table["weight"], 90), None, table["weight"]))
    columns = learn_columns(with_nulls, "y", max_bins=16, max_categories=50)
    codes = encode(columns, with_nulls)
    for place, column in enumerate(columns):
        back = column.decode(codes[:, place], np.random.default_rng(0))
        assert np.array_equal(column.encode(back), codes[:, place])
        assert back.null_count == with_nulls[column.field.name].null_count


def test_what_never_stands_together_is_not_made():
    codes = np.array([[0, a, b] for a in range(3) for b in range(3) if (a, b) != (1, 2)] * 40)
    assert find_zeros(codes, [1, 3, 3], [False, False, False])[1, 2].nonzero() == ([1], [2])
    assert find_zeros(codes[:32], [1, 3, 3], [False] * 3) == {}, "too few rows to tell"
    assert find_zeros(codes, [1, 3, 3], [False, True, True]) == {}, "bins of numbers"


def test_given_values_are_in_every_row_and_the_others_go_with_them(table):
    made = rows_of(fitted(table, given={"shade": "green 1"}), "common")
    assert pc.unique(made["shade"]).to_pylist() == ["green 1"]
    assert pc.mean(pc.equal(made["colour"], "green")).as_py() > 0.97


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colr": "red"}, "given: the table has no column 'colr' to model; did you mean 'colour'"),
        ({"gain": "much"}, "given: column 'gain' is of type int64, got 'much'"),
        ({"colour": "pink"}, "given: column 'colour' never holds 'pink'"),
    ],
)
def test_what_cannot_be_given_is_refused(table, given, message):
    with pytest.raises(GeneratorError, match=message):
        fitted(table, given=given)


def test_rare_values_of_a_private_column_are_not_shown(table):
    rng = np.random.default_rng(2)
    names = np.where(np.arange(1500) % 100 == 3, [f"only {n}" for n in range(1500)], "many")
    pay = np.concatenate([rng.integers(1000, 2000, 1498), [5, 10**6]])
    private = {b"private": b"true"}
    fields = [pa.field("name", pa.string(), metadata=private), pa.field("pay", pa.int64(), metadata=private)]
    source = pa.table([table["y"], names, pay], pa.schema([pa.field("y", pa.string()), *fields]))
    made = rows_of(fitted(source), "common", 2000)
    assert pc.unique(made["name"]).to_pylist() == ["many"]
    assert 1000 <= pc.min(made["pay"]).as_py() <= pc.max(made["pay"]).as_py() < 2000
    assert not set(made["pay"].to_pylist()) <= set(pay.tolist()), "numbers between real ones are made, too"
    open_to_all = source.cast(pa.schema([field.remove_metadata() for field in source.schema]))
    assert set(rows_of(fitted(open_to_all), "common", 2000)["pay"].to_pylist()) <= set(pay.tolist())
