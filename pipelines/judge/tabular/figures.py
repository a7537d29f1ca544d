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
"""Columns that are looked at: the work grows with their square."""
MOST_LEVELS = 500
"""Texts of more different values are free text, which SDMetrics does not measure."""
_T = "rows"

Scores = dict[str, float]


def table_figures(sides: Sides, manifest: Manifest) -> list[FigureGroup]:
    """Return the reports' scores (0 to 1) of the table, and the shape of each column.

    Everything is compared with one half of the real rows; what the other half reaches is beside it.
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
        FigureGroup(kind="tables", rows=sides.rows, basis=basis, figures=_figures(made_scores, real_scores)),
        FigureGroup(
            kind="columns",
            rows=sides.rows,
            basis="SDMetrics' column shapes: the Kolmogorov-Smirnov or total variation complement, 1 for the same.",
            figures=_figures(made_shapes, real_shapes),
        ),
    ]


def _figures(made: Scores, real: Scores) -> list[Figure]:
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
    """Return what SDMetrics has to know of the columns: nothing is left for it to guess."""
    return {"tables": {_T: {"columns": {column.name: {"sdtype": _sdtype(column)} for column in columns}}}}


def frame(table: pa.Table, columns: list[Column]) -> "pd.DataFrame":
    """Return the columns as pandas has them: whole numbers with gaps as floats, times without their zone."""
    import pandas as pd

    made: pd.DataFrame = table.select([column.name for column in columns]).to_pandas()
    for column in columns:
        if _sdtype(column) == "datetime":
            made[column.name] = pd.to_datetime(made[column.name], utc=True, errors="coerce").dt.tz_localize(None)
        elif column.type == "bool":
            made[column.name] = made[column.name].astype(object)
    return made


def reports(real: "pd.DataFrame", made: "pd.DataFrame", told: dict[str, Any]) -> tuple[Scores, Scores]:
    """Return the properties of both reports with their overall scores, and the shape of each column."""
    from sdmetrics.reports import DiagnosticReport, QualityReport

    scores: Scores = {}
    shapes: Scores = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns whose score is not defined, which are left out
        for title, kind in (("Quality", QualityReport), ("Diagnostic", DiagnosticReport)):
            report = kind()
            report.generate({_T: real}, {_T: made}, told, verbose=False)
            scores[title] = float(report.get_score())
            parts = report.get_properties()
            scores |= {f"{title}: {row.Property}": float(row.Score) for row in parts.itertuples()}
            if title == "Quality":
                details = report.get_details("Column Shapes", _T)
                shapes = {row.Column: float(row.Score) for row in details.itertuples()}
    return _defined(scores), _defined(shapes)


def _defined(scores: Scores) -> Scores:
    return {name: score for name, score in scores.items() if score == score}
