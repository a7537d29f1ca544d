"""What the fill step decided is read back as it was; a class that is not full is told with its reasons."""

import numpy as np
import pytest

from pipelines.fill.loop import AcceptedChunk, FillResult, StratumProgress
from pipelines.fill.result import filled_before, load_filled, refuse_shortfall, save_filled
from pipelines.storage.folder import Folder
from pipelines.validate.checks.examples import EXAMPLES, plan_of_table
from schemas.errors import DamageError, ShortfallError
from schemas.plan import Step


def test_what_was_decided_is_read_back(tmp_path):
    folder = Folder(str(tmp_path / "filled"))
    assert filled_before(folder) is None
    chunks = [AcceptedChunk("a | b", 0, np.array([0, 2, 5], np.int32)), AcceptedChunk("z", 3, np.array([], np.int32))]
    strata = [StratumProgress("a | b", 3, 3, 7, {"schema": 4}, carried=1, dropped={"duplicates": 2})]
    save_filled(FillResult(chunks, strata), folder)
    found = filled_before(folder)
    assert [(one.stratum, one.chunk, one.rows.tolist()) for one in found.accepted] == [
        ("a | b", 0, [0, 2, 5]),
        ("z", 3, []),
    ]
    assert found.strata == strata


def test_no_chunk_at_all_and_one_that_is_damaged(tmp_path):
    folder = Folder(str(tmp_path / "filled"))
    save_filled(FillResult([], []), folder)
    assert load_filled(folder) == FillResult([], [])
    (file,) = (path for path in (tmp_path / "filled").iterdir() if path.name == "accepted.arrow")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DamageError, match=r"accepted\.arrow"):
        load_filled(folder)


def test_a_shortfall_names_the_reasons_that_cost_the_most():
    examples = EXAMPLES["tabular"]()
    plan = plan_of_table(examples.real.slice(0, 50), examples.label)
    plan = plan.model_copy(update={"validators": [Step(name="label_agreement", params={})]})
    full = StratumProgress("full", 5, 5, 9, {})
    short = StratumProgress(
        "rare", 1, 5, 200, {"schema": 2, "label_agreement: unlikely": 150, "duplicates": 40, "z": 7}
    )
    refuse_shortfall(plan, [full])
    with pytest.raises(ShortfallError) as refused:
        refuse_shortfall(plan, [full, short, StratumProgress("none", 0, 3, 0, {})])
    rare, none = str(refused.value).splitlines()
    assert rare == (
        "class 'rare': 1 of 5 rows accepted after 20 attempts a row (label_agreement: unlikely rejected 75%,"
        " duplicates rejected 20%, z rejected 4%); raise budget.attempts_per_row, lower label_agreement.min_probability"
        " or choose another generator; finished work is kept"
    )
    assert "class 'none': 0 of 3 rows accepted after 20 attempts a row (none was made); " in none
