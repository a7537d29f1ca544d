"""Fidelity is measured the same each time, and says so where nothing was made."""

from pipelines.judge.fidelity.measure import measure_fidelity
from schemas.fidelity import Fidelity, FidelityChoice
from tests.pipelines.judge.fidelity.rows import manifest_of, shards, source
from tests.pipelines.judge.tabular.test_figures import MADE, REAL


def test_the_same_rows_give_the_same_figures_and_survive_json():
    found = [
        measure_fidelity(manifest_of(REAL, "income"), source(REAL), shards(REAL, MADE), FidelityChoice())
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert Fidelity.model_validate_json(found[0].model_dump_json()) == found[0]
    assert [one.stratum for one in found[0].detectors] == ["high", "low"]


def test_nothing_made_is_said():
    found = measure_fidelity(manifest_of(REAL, "income"), source(REAL), shards(REAL, MADE.slice(0, 0)))
    assert (found.groups, found.detectors) == ([], [])
    assert found.notes == ["No class has both made rows and two real ones to compare with."]
