"""SDMetrics' figures are those of a direct call; sides are even; the same rows give the same figures."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.judge.fidelity.sides import draw, even_sides
from pipelines.judge.tabular.figures import frame, measured_columns, reports, table_figures
from tests.pipelines.judge.fidelity.rows import columns_of, manifest_of, people, shards, source

REAL = pa.concat_tables([people(400), people(100, seed=1, income="low")])


MADE = pa.concat_tables([people(60, seed=2, rich=3000), people(300, seed=3, income="low")])


def drawn(made=MADE, rows=10_000, parents=None):
    manifest = manifest_of(REAL, "income")
    return manifest, draw(manifest, source(REAL), shards(REAL, made, parents), rows, 5, whole=False)


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


def test_wide_tables_are_cut():
    wide = pa.table({f"c{n}": [1, 2] for n in range(90)})
    assert len(measured_columns(wide, manifest_of(wide, "c0", columns=columns_of(wide)))) == 40
