"""SDMetrics' figures are those of a direct call; sides are even; the same rows give the same figures."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.judge.fidelity.measure import measure_fidelity
from pipelines.judge.fidelity.sides import draw, even_sides
from pipelines.judge.tabular.figures import frame, measured_columns, reports, table_figures
from schemas.fidelity import Fidelity, FidelityChoice
from tests.pipelines.judge.fidelity.rows import columns_of, manifest_of, people, shards, source

REAL = pa.concat_tables([people(400), people(100, seed=1, income="low")])
MADE = pa.concat_tables([people(60, seed=2, rich=3000), people(300, seed=3, income="low")])


def drawn(made=MADE, rows=10_000, parents=None):
    manifest = manifest_of(REAL, "income")
    return manifest, draw(manifest, source(REAL), shards(REAL, made, parents), rows, 5, whole=False)


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


def test_the_figures_are_those_of_sdmetrics():
    from sdmetrics.reports import QualityReport

    manifest, rows = drawn()
    sides = even_sides(rows, 10_000, 5)
    tables, columns = table_figures(sides, manifest)
    sdtypes = {"age": "numerical", "money": "numerical", "city": "categorical", "income": "categorical"}
    metadata = {"tables": {"any": {"columns": {name: {"sdtype": kind} for name, kind in sdtypes.items()}}}}
    sides_of = [side.select(list(sdtypes)).to_pandas() for side in (sides.reference, sides.made, sides.real)]
    scores = []
    for side in sides_of[1:]:
        report = QualityReport()
        report.generate({"any": sides_of[0]}, {"any": side}, metadata, verbose=False)
        scores.append(report.get_score())
    quality = tables.figures[0]
    assert (quality.name, quality.made, quality.real) == ("Quality", *map(pytest.approx, scores))
    assert quality.made < quality.real - 0.05
    money = next(figure for figure in columns.figures if figure.name == "money")
    assert money.made < 0.8 < money.real
    assert tables.rows == 110


def test_every_type_is_measured_and_free_text_is_not():
    rng = np.random.default_rng(0)
    hours = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=int(h)) for h in rng.integers(0, 9000, 600)]
    table = pa.table(
        {
            "whole": pa.array(rng.integers(0, 9, 600), mask=rng.random(600) < 0.1),
            "flag": pa.array(rng.random(600) < 0.5, mask=rng.random(600) < 0.1),
            "day": pa.array([one.date() for one in hours], pa.date32()),
            "time": pa.array(hours, pa.timestamp("us", "UTC")),
            "level": pa.array(rng.choice(["a", "b"], 600), mask=rng.random(600) < 0.1),
            "comment": pa.array([f"said {n}" for n in range(600)]),
            "number": pa.array(np.arange(600)),
        }
    )
    manifest = manifest_of(table, "level", roles={"number": "id"})
    columns = measured_columns(table, manifest)
    assert [column.name for column in columns] == ["whole", "flag", "day", "time", "level"]
    from pipelines.judge.tabular.figures import metadata

    same = frame(table, columns)
    scores, shapes = reports(same, same.copy(), metadata(columns))
    assert set(shapes) == {"whole", "flag", "day", "time", "level"}
    assert set(shapes.values()) == {1.0}
    assert scores["Diagnostic"] == 1
    late = same.assign(time=same["time"] + pd.Timedelta(days=400), flag=True)
    _, shapes = reports(same, late, metadata(columns))
    assert shapes["time"] == pytest.approx(0, abs=0.1)
    assert shapes["flag"] < 0.7


def test_the_same_rows_give_the_same_figures_and_survive_json():
    found = [
        measure_fidelity(manifest_of(REAL, "income"), source(REAL), shards(REAL, MADE), FidelityChoice())
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert Fidelity.model_validate_json(found[0].model_dump_json()) == found[0]
    assert [one.stratum for one in found[0].detectors] == ["high", "low"]


def test_nothing_made_is_said():
    found = measure_fidelity(manifest_of(REAL, "income"), source(REAL), shards(REAL, MADE.slice(0, 0)))
    assert (found.groups, found.detectors) == ([], [])
    assert found.notes == ["No class has both made rows and two real ones to compare with."]


def test_wide_tables_are_cut():
    wide = pa.table({f"c{n}": [1, 2] for n in range(90)})
    assert len(measured_columns(wide, manifest_of(wide, "c0", columns=columns_of(wide)))) == 40
