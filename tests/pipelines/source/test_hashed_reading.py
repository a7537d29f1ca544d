"""Every byte of a source is hashed as it is read, wherever it is read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from pipelines.plan.planning import make_plan
from pipelines.source.files import Files
from pipelines.source.hashed_reading import BLOCK, hashed
from schemas.errors import SourceError
from tests.pipelines.source.test_ingest import spec_of, voc


def test_what_is_read_of_a_file_here_and_there_is_what_is_in_it(tmp_path):
    data = np.random.default_rng(0).bytes(2 * BLOCK + 12345)
    (tmp_path / "f").write_bytes(data)
    files = hashed(Files("f", "parquet", pa.fs.LocalFileSystem(), str(tmp_path), ["f"]))
    with files.open_random("f") as stream:
        assert stream.size() == len(data)
        for start, size in ((0, 4), (len(data) - 8, 8), (BLOCK - 3, 6), (5, 2 * BLOCK), (BLOCK, BLOCK), (len(data), 9)):
            stream.seek(start)
            assert stream.read(size) == data[start : start + size]
    (tmp_path / "f").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with files.open_random("f") as stream:
        assert stream.read(9) == data[:9]
        stream.seek(2 * BLOCK)
        with pytest.raises(SourceError, match="f is another one now"):
            stream.read(9)


def test_the_fingerprint_is_of_every_byte_also_of_files_that_hold_no_row(tmp_path):
    voc(tmp_path, name="more.png")  # nobody annotated it
    spec = spec_of(tmp_path, source={"label": "category"})
    one = make_plan(spec).profile
    Path(tmp_path, "more.png").write_bytes(b"")
    other = make_plan(spec).profile
    assert one.counts == other.counts
    assert len({one.fingerprint, other.fingerprint}) == len({one.content, other.content}) == 2
