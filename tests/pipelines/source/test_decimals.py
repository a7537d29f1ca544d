"""Numbers whose digits a double would lose become decimals, or text."""

from pathlib import Path

import pytest

from schemas.errors import SourceError
from tests.pipelines.source.tabular.test_parquet import read


def test_whole_numbers_that_are_written_with_a_point_are_read_to_the_last_digit(tmp_path: Path) -> None:
    cells = ["9007199254740993.0", "-9007199254740993.", "9007199254740993", "9.007199254740993e15", "+7.00", "2e3"]
    text = "x,y\n" + "".join(f"{cell},{'ab'[at % 2]}\n" for at, cell in enumerate(cells))
    (tmp_path / "d.csv").write_text(text)
    right = [9007199254740993, -9007199254740993, 9007199254740993, 9007199254740993, 7, 2000]
    assert read(tmp_path / "d.csv", types={"x": "integer"})[1]["x"].to_pylist() == right
    for wrong in ("1.5", "1e400", "9223372036854775808.0", "x.0", "1e-2", "nan"):
        (tmp_path / "d.csv").write_text(text + f"{wrong},a\n")
        with pytest.raises(SourceError, match=r"source.types says integer, but"):
            read(tmp_path / "d.csv", types={"x": "integer"}, nulls=[])
