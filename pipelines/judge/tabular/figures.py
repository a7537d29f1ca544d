"""SDMetrics' quality and diagnostic reports of a table (https://docs.sdv.dev/sdmetrics). Knows nothing of classes."""

import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.judge.fidelity.sides import Sides
from schemas.fidelity import Figure, FigureGroup
from schemas.manifest import Manifest
from schemas.plan import Column

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 40
"""The most columns that are measured: the work grows with their square."""
MOST_LEVELS = 500
"""A column with more distinct texts is free text, which SDMetrics does not measure."""
_T = "rows"

Scores = dict[str, float]


def table_figures(sides: Sides, manifest: Manifest) -> list[FigureGroup]:
    """Return the reports' scores (0 to 1) of the table, and the shape of each column.

    Both made rows and one half of the real rows are compared with the other half of the real rows.
    """
    columns = measured_columns(sides.reference, manifest)
    if not columns:
        return []
    reference, real, made = (frame(table, columns) for table in (sides.reference, sides.real, sides.made))
    (made_scores, made_shapes), (real_scores, real_shapes) = (
        reports(reference, side, metadata(columns)) for side in (made, real)
    )
    basis = (
        f"{len(columns)} columns, the class among them, by SDMetrics. Quality: how alike the columns are, and how alike"
        " the trends of pairs of columns. Diagnostic: whether values lie in the real ranges and categories."
    )
    return [
        FigureGroup(kind="tables", rows=sides.rows, basis=basis, figures=_make_figures(made_scores, real_scores)),
        FigureGroup(
            kind="columns",
            rows=sides.rows,
            basis="SDMetrics' column shapes: the Kolmogorov-Smirnov or total variation complement, 1 for the same.",
            figures=_make_figures(made_shapes, real_shapes),
        ),
    ]


def _make_figures(made: Scores, real: Scores) -> list[Figure]:
    return [Figure(name=name, made=score, real=real.get(name), better="high") for name, score in made.items()]


def measured_columns(rows: pa.Table, manifest: Manifest) -> list[Column]:
    """Return the columns that SDMetrics can measure: no ids, constants, images or free text; at most 40."""
    return [
        column
        for column in manifest.columns
        if column.role == "feature" and (_sdtype(column) != "categorical" or _has_levels(rows[column.name]))
    ][:MOST_COLUMNS]


def _has_levels(values: pa.ChunkedArray) -> bool:
    return len(values.unique()) <= MOST_LEVELS


def _sdtype(column: Column) -> str:
    if column.type == "bool":
        return "boolean"
    if column.type.startswith(("date", "timestamp")):
        return "datetime"
    return "categorical" if column.type == "string" else "numerical"


def metadata(columns: list[Column]) -> dict[str, Any]:
    """Return SDMetrics' metadata of the columns, so that it guesses nothing."""
    return {"tables": {_T: {"columns": {column.name: {"sdtype": _sdtype(column)} for column in columns}}}}


def frame(table: pa.Table, columns: list[Column]) -> "pd.DataFrame":
    """Return the columns as a pandas frame: whole numbers with gaps as floats, times without their zone."""
    import pandas as pd

    data: pd.DataFrame = table.select([column.name for column in columns]).to_pandas()
    for column in columns:
        if _sdtype(column) == "datetime":
            data[column.name] = pd.to_datetime(data[column.name], utc=True, errors="coerce").dt.tz_localize(None)
        elif column.type == "bool":
            data[column.name] = data[column.name].astype(object)
    return data


def reports(real: "pd.DataFrame", made: "pd.DataFrame", description: dict[str, Any]) -> tuple[Scores, Scores]:
    """Return the properties of both reports with their overall scores, and the shape of each column."""
    from sdmetrics.reports import DiagnosticReport, QualityReport

    scores: Scores = {}
    shapes: Scores = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns whose score is not defined, which are left out
        for title, report_type in (("Quality", QualityReport), ("Diagnostic", DiagnosticReport)):
            report = report_type()
            report.generate({_T: real}, {_T: made}, description, verbose=False)
            scores[title] = float(report.get_score())
            parts = report.get_properties()
            scores |= {f"{title}: {row.Property}": float(row.Score) for row in parts.itertuples()}
            if title == "Quality":
                details = report.get_details("Column Shapes", _T)
                shapes = {row.Column: float(row.Score) for row in details.itertuples()}
    return _drop_undefined(scores), _drop_undefined(shapes)


def _drop_undefined(scores: Scores) -> Scores:
    return {name: score for name, score in scores.items() if score == score}
