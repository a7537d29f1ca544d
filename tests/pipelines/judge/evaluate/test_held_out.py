"""Held-out rows: found by whatever name they have, and refused once they have changed."""

import pytest

from flows.evaluation_steps import requested_evaluation
from pipelines.judge.evaluate.rows import REAL_RECORD, gather_real
from pipelines.plan.planning import make_plan
from pipelines.storage.folder import Folder
from schemas.errors import SourceError
from tests.pipelines.source.test_ingest import FORMATS, REFUSED, spec_of


@pytest.mark.parametrize("kind", ["csv", "parquet", "texts"])
def test_held_out_rows_that_changed_since_they_were_asked_for(tmp_path, kind):
    write = FORMATS[kind][0]
    for name in ("source", "test"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    spec = spec_of(tmp_path / "source", evaluate={"test": str(tmp_path / "test")})
    plan, scratch = make_plan(spec), Folder(str(tmp_path / "scratch"))
    wanted = requested_evaluation(spec, plan)
    write(tmp_path / "test", odd=True)
    with pytest.raises(SourceError, match=REFUSED):
        gather_real(spec.source, plan, spec.evaluate, scratch, wanted.held_out)
    assert not scratch.exists(REAL_RECORD)
    gather_real(spec.source, plan, spec.evaluate, scratch, requested_evaluation(spec, plan).held_out)
    assert scratch.exists(REAL_RECORD)
