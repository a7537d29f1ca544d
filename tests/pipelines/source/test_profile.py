"""The profile of a source: its columns with types and roles, and what it says once the source has changed."""

from pathlib import Path

import pytest

from pipelines.source import profile_source, read_source
from schemas.errors import MakeweightError, SourceError
from schemas.spec import Source


def test_a_source_that_changes_after_it_was_profiled(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("x,y\n1,a\n2,b\n")
    source = Source(path=str(path), label="y")
    profile = profile_source(source, ["y"])
    path.write_text("x,y\n1,a\n2,b\n3,b\n")
    with pytest.raises(SourceError, match=r"changed while it was read: d\.csv is another one now"):
        list(read_source(source, profile))
    path.write_text("x,y\nword,a\n2,b\n")
    with pytest.raises(SourceError, match=r"changed while it was read: d\.csv is another one now"):
        list(read_source(source, profile))
    path.unlink()
    with pytest.raises(MakeweightError, match=r"changed while it was read: d\.csv is gone"):
        list(read_source(source, profile))
