import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from generators.tabular.frame import decode, encode
from schemas.errors import GeneratorError


def round_trip(table, **options):
    codec, frame = encode(table, "y", np.random.default_rng(0), **{"max_categories": 50, **options})
    assert not frame.isna().any().any()
    return decode(codec, frame, "a", np.random.default_rng(0)), frame


def column(values, type_=None):
    return pa.table({"x": pa.array(values, type_), "y": ["a"] * len(values)})


@pytest.mark.parametrize(
    "values",
    [
        pa.array([*range(60), None]),
        pa.array([0.1, 0.25, None] * 20 + [float(n) for n in range(40)]),
        pa.array(["007", "", None, "null", "other"] * 12),
        pa.array([True, False, None] * 20),
        pa.array([dt.date(1800, 1, 1) + dt.timedelta(days=n) for n in range(99)] + [None], pa.date32()),
        pa.array([dt.datetime(1700, 1, 1, 0, 0, 0, n) for n in range(99)] + [None], pa.timestamp("us")),
        pa.array([dt.datetime(2024, 1, 1, 0, 0, n) for n in range(30)] * 3, pa.timestamp("us", "UTC")),
        pa.array([2**62 + n for n in range(40)]),
        pa.array([-(2**62), 2**62] * 20),
        pa.nulls(30, pa.timestamp("us")),
        pa.array([1e300, -1e300, 1e-300] + [0.0] * 40),
    ],
    ids=lambda values: f"{values.type}-{len(values)}",
)
@pytest.mark.parametrize("smooth", [False, True])
def test_frames_lose_nothing(values, smooth):
    table = column(values)
    back, _ = round_trip(table, smooth=smooth)
    assert back.equals(table)


def test_rare_texts_share_a_category_and_come_back_from_the_class():
    table = pa.table({"x": ["top"] * 50 + [f"a{n}" for n in range(50)] + [f"b{n}" for n in range(50)]})
    table = table.append_column("y", pa.array(["a"] * 100 + ["b"] * 50))
    codec, frame = encode(table, "y", np.random.default_rng(0), max_categories=10)
    assert sorted(set(frame["c0"])) == ["0", "other"]
    made = decode(codec, frame, "b", np.random.default_rng(0))["x"].to_pylist()
    assert made[:50] == ["top"] * 50
    assert {text[0] for text in made[50:]} == {"b"}


def test_frequent_number_stands_apart_from_the_others():
    _, frame = round_trip(column([0] * 80 + list(range(100, 120))))
    assert frame["n0"].min() == 100  # where the spike was, another real value stands
    assert (frame["n0_kind"] == "spike").sum() == 80


def test_nan_is_a_null():
    back, _ = round_trip(column([float("nan"), *map(float, range(50))]))
    assert back["x"].null_count == 1


def test_model_that_gives_no_numbers_is_named():
    codec, frame = encode(column(list(range(50))), "y", np.random.default_rng(0), max_categories=9)
    broken = pd.DataFrame({"label": frame["label"], "n0": np.nan})
    with pytest.raises(GeneratorError, match="column 'x': the model gives no number for 50 of 50 rows"):
        decode(codec, broken, "a", np.random.default_rng(0))


def test_numbers_are_rounded_and_clipped_as_the_real_ones():
    codec, frame = encode(column([n / 4 for n in range(50)]), "y", np.random.default_rng(0), max_categories=9)
    frame["n0"] = np.linspace(-5, 50, 50)
    made = decode(codec, frame, "a", np.random.default_rng(0))["x"]
    assert pc.min_max(made).as_py() == {"min": 0.0, "max": 12.25}
    assert pc.round(made, 2).equals(made)


def test_a_codec_is_the_same_from_its_files(tmp_path):
    from generators.tabular.frame_file import load_codec, save_codec
    from tests.generators.test_contract import LABEL, TABLE

    for number, columns in enumerate(
        [TABLE.column_names, [LABEL], [LABEL, "nothing"], [LABEL, "many"], [LABEL, "gaps"]]
    ):
        codec, _ = encode(TABLE.select(columns), LABEL, np.random.default_rng(0), max_categories=20)
        (tmp_path / str(number)).mkdir()
        save_codec(codec, tmp_path / str(number))
        kept = load_codec(tmp_path / str(number))
        assert kept == codec
        assert [type(value) for value in numbers_of(kept)] == [type(value) for value in numbers_of(codec)]
        assert kept.schema.equals(codec.schema, check_metadata=True)


def numbers_of(codec):
    return [getattr(column, name, None) for column in codec.columns for name in ("low", "high", "spike", "decimals")]
