"""Classes are counted by value, and what is a number or too many is no class."""

from pathlib import Path

from pipelines.source import profile_source
from schemas.spec import Source
from tests.pipelines.source.test_errors import refused


def test_a_number_to_predict_is_no_class(tmp_path: Path) -> None:
    halves = "x,y\n" + "".join(f"1,{n / 2}\n" for n in range(101))
    assert "column 'y' has 101 different numbers, such as" in refused(tmp_path / "d.csv", halves)
    whole = "x,y\n" + "".join(f"1,{n}.0\n" for n in range(1001))
    assert "it looks like a number to predict, not a class" in refused(tmp_path / "d.csv", whole)
    fine = Source(path=str(tmp_path / "e.csv"), label="y")
    Path(fine.path).write_text("x,y\n" + "".join(f"1,{n % 3}.0\n" for n in range(101)))
    assert [key for key, _ in profile_source(fine, ["y"]).counts] == [[0.0], [1.0], [2.0]]


def test_too_many_classes_and_too_many_columns(tmp_path: Path) -> None:
    text = "x,y\n" + "".join(f"1,c{n}\n" for n in range(100_001))
    assert "column 'y': more than 100,000 classes, such as 'c0'" in refused(tmp_path / "d.csv", text)
    wide = ",".join(f"c{n}" for n in range(10_001))
    assert "10,001 columns, more than 10,000" in refused(tmp_path / "d.csv", f"{wide}\n{wide}\n")
