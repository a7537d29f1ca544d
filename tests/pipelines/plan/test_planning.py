"""The plan: columns that are chosen, dropped or carried, and a fingerprint of what decides rows alone."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet as pq

from pipelines.plan.model_view import from_model
from pipelines.plan.planning import make_plan
from pipelines.plan.registry import make_validators
from schemas.errors import SourceError, SpecError
from schemas.plan import SampleRequest
from tests.hostile.promise import spec_of
from tests.pipelines.test_round_trip import published


def test_columns_can_be_chosen_dropped_and_carried(tmp_path: Path) -> None:
    table = pa.table(
        {"x": [5, 1, 5, 2], "tags": [["a"], [], None, ["b"]], "raw": [b"1", b"2", None, b"3"], "y": list("abab")}
    )
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(
        SourceError, match=r"column 'tags' is of type list<.*set source.carry: .tags., .*or .*source.drop"
    ):
        make_plan(spec_of(tmp_path / "d.parquet"))
    for source in ({"drop": ["tags", "raw"]}, {"columns": ["x"]}):
        plan = make_plan(spec_of(tmp_path / "d.parquet", source=source))
        assert [column.name for column in plan.profile.columns] == ["x", "y"]
    spec = spec_of(tmp_path / "d.parquet", source={"carry": ["tags", "raw"]})
    plan = make_plan(spec)
    assert [column.role for column in plan.profile.columns] == ["feature", "carried", "carried", "feature"]
    assert published(plan, tmp_path, spec)["tags"].to_pylist() == table["tags"].to_pylist()
    request = SampleRequest(stratum="a", chunk=0, rows=2, seed=1)
    made = from_model(pa.table({"x": [1, 2]}), request, plan)
    assert made["tags"].null_count == made["raw"].null_count == 2
    assert len(make_validators(plan)) == len(plan.validators) > 0
    decoded = make_plan(spec_of(tmp_path / "d.parquet", source={"drop": ["tags"], "types": {"raw": "string"}}))
    assert decoded.profile.column("raw").categories == ["1", "2", "3"]
    for wrong, message in {
        "drop: [tagz]": "no column 'tagz'; did you mean 'tags'",
        "columns: [z]": "no column 'z'",
        "drop: [y]": "column 'y' is in drop",
        "carry: [y]": "the class, the text and the image cannot be carried",
    }.items():
        with pytest.raises(SpecError, match=message):
            make_plan(spec_of(tmp_path / "d.parquet", source=yaml.safe_load(wrong)))


def test_later_settings_change_no_fingerprint_until_they_are_used(tmp_path: Path) -> None:
    """The values were computed before there were such settings."""
    (tmp_path / "d.csv").write_text("x,y\n1,a\n2,b\n2,b\n")
    plan = make_plan(spec_of(tmp_path / "d.csv"))
    assert plan.profile.fingerprint == "afcfa2655d397d3ac499fd74cdff345afc7c378ab512f50f0767812f18fc8640"
    assert plan.spec_fingerprint == "b9d38955d0229174a91140675c0ddceb551370e57e50662401586ab8e29718ff"
    other = make_plan(spec_of(tmp_path / "d.csv", source={"private": [], "drop": [], "types": {"x": "integer"}}))
    assert {other.profile.fingerprint, other.spec_fingerprint}.isdisjoint(
        {plan.profile.fingerprint, plan.spec_fingerprint}
    )
