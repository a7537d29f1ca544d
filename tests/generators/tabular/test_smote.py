import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from generators.tabular.smote import SMOTE
from schemas.plan import SampleRequest


def blobs():
    """Return a class of two far blobs, each with a colour of its own, in another class's cloud."""
    rng = np.random.default_rng(1)
    near, far, cloud = rng.normal(0, 1, 30), rng.normal(100, 1, 30), rng.normal(50, 40, 200)
    return pa.table(
        {
            "x": np.concatenate([near, far, cloud]),
            "colour": ["red"] * 30 + ["blue"] * 30 + ["green"] * 200,
            "y": ["two"] * 60 + ["cloud"] * 200,
        }
    )


def draw(generator, stratum, rows=500, seed=4):
    return generator.sample(SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=seed))


def fitted(table, **params):
    generator = SMOTE(SMOTE.Params(**params))
    generator.fit(table, "y", 1)
    return generator


def test_numbers_lie_between_neighbours_and_categories_are_theirs():
    made = draw(fitted(blobs()), "two").to_pandas()
    assert not made["x"].between(10, 90).any()  # between the blobs there are no neighbours
    assert (made["colour"] == np.where(made["x"] < 50, "red", "blue")).all()
    assert made["x"].nunique() > 490


def test_numbers_alone_and_categories_alone():
    made = draw(fitted(blobs().select(["x", "y"])), "two")["x"].to_numpy()
    assert not ((made > 10) & (made < 90)).any()
    nominal = draw(fitted(blobs().select(["colour", "y"])), "two")
    assert set(nominal["colour"].to_pylist()) == {"red", "blue"}


def test_no_column_outweighs_the_rest():
    """Neighbours are of the same blob although another column is a million times as wide."""
    table = blobs()
    wide = pa.array(np.random.default_rng(2).uniform(0, 1e9, table.num_rows))
    made = draw(fitted(table.append_column("wide", wide)), "two")["x"].to_numpy()
    assert not ((made > 10) & (made < 90)).any()


def test_nulls_are_those_of_the_real_row():
    table = blobs()
    holes = np.random.default_rng(3).random(table.num_rows) < 0.25
    table = table.append_column("gap", pa.array(np.arange(table.num_rows), mask=holes))
    table = table.append_column("word", pa.array(["a"] * table.num_rows, mask=holes))
    made = draw(fitted(table), "cloud", rows=2000)
    assert abs(made["gap"].null_count / 2000 - holes[60:].mean()) < 0.04
    assert made["gap"].is_null().equals(made["word"].is_null())


def test_large_classes_are_cut():
    generator = fitted(blobs(), max_class_rows=40)
    assert {name: len(near) for name, near in generator._neighbors.items()} == {"cloud": 40, "two": 40}
    assert draw(generator, "two").num_rows == 500


@pytest.mark.parametrize("k", [1, 5, 500])
def test_neighbours_are_as_many_as_there_are(k):
    generator = fitted(blobs(), k_neighbors=k)
    assert generator._neighbors["two"].shape == (60, min(k, 59))
    assert pc.all(pc.is_valid(draw(generator, "two")["x"])).as_py()
