"""The ledger of shards that are being moved names nothing outside of the data folder."""

import json

from pipelines.storage.folder import Folder
from tests.pipelines.dataset.test_ownership import everything


def test_a_ledger_names_nothing_outside_the_data_folder(build, make_spec, out, tmp_path):
    build(make_spec())
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "t.parquet").write_text("years of work")
    hidden, whole = Folder(str(out / ".makeweight")), everything(out / "data")
    for path in ("../thesis.txt", "data/../../thesis.txt", str(tmp_path / "t.parquet"), "data/x\\..\\..\\t.parquet"):
        hidden.write_sealed("ledger.json", json.dumps({"shards": [path]}).encode())
        assert build(make_spec()).rows == 60
        assert everything(out / "data") == whole
        assert (tmp_path / "thesis.txt").exists()
        assert (tmp_path / "t.parquet").exists()
