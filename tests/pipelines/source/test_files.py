"""Where a source lies: paths that are not there, folders without data, links that lead out."""

from pathlib import Path

import pytest

from pipelines.source import profile_source
from schemas.spec import Source
from tests.pipelines.source.test_errors import refused


def test_a_path_that_is_not_there_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("x,y\n1,a\n")
    assert "no such file or folder" in refused(tmp_path / "trian.csv")
    assert "did you mean 'train.csv'?" in refused(tmp_path / "trian.csv")
    assert "did you mean" not in refused(tmp_path / "other.parquet")
    assert "no such file" in refused(tmp_path / "none" / "other.parquet")


def test_a_folder_without_data_or_with_two_formats(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    message = refused(tmp_path)
    assert "the folder holds no data files; looked for .csv, .tsv" in message
    assert "found 1 other files" in message
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    assert "looked for .parquet, .pq" in refused(tmp_path, format="parquet")
    (tmp_path / "a.jsonl").write_text('{"y": 1}\n')
    assert "several formats (csv, jsonl); set source.format" in refused(tmp_path)
    assert profile_source(Source(path=str(tmp_path), label="y", format="csv"), ["y"]).files == ["a.csv"]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("x,y\n1,a\n")
    (folder / "in.csv").write_text("x,y\n1,a\n")
    (folder / "again.csv").symlink_to(folder / "in.csv")
    assert profile_source(Source(path=str(folder), label="y"), ["y"]).rows == 2
    (folder / "out.csv").symlink_to(tmp_path / "secret.csv")
    assert "out.csv is a symbolic link out of the folder" in refused(folder)
    (folder / "out.csv").unlink()
    (folder / "loop").symlink_to(folder)
    assert "loop is a symbolic link to a folder" in refused(folder)


@pytest.mark.parametrize(
    "path",
    ["s3://AKIA:hunter2@bucket/p?endpoint_override=x&nosuch=1", "foo://AKIA:hunter2@host/p", "s3://AKIA:hunter2 @b"],
)
def test_credentials_never_reach_a_message(path: str) -> None:
    message = refused(path)
    assert "hunter2" not in message
    assert "AKIA" not in message
