"""A class as the gate measures it: innocent rows pass, copies with noise do not."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from pipelines.judge.privacy import measure
from pipelines.judge.privacy.gate import combine_findings
from pipelines.judge.privacy.sides import LEARNT, PAIRED
from pipelines.plan.planning import make_plan
from pipelines.source.ingest import FINGERPRINT, fingerprint
from schemas.spec import Spec, parse


def people(rng, count):
    return pa.table(
        {
            "age": rng.integers(18, 90, count),
            "wage": rng.lognormal(3, 0.5, count).round(1),
            "town": rng.choice(["Ulm", "Bonn", "Kiel", "Jena"], count, p=[0.5, 0.3, 0.15, 0.05]),
            "label": ["rare"] * count,
        }
    )


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return a function: which limits do made rows break, with 160 learnt rows and 40 held-out ones."""
    rng = np.random.default_rng(0)
    table = people(rng, 500).set_column(3, "label", pa.array(["rare"] * 200 + ["many"] * 300))
    pa.csv.write_csv(table, tmp_path / "s.csv")
    data = {"name": "s", "source": {"path": str(tmp_path / "s.csv"), "label": "label"}, "output": {"path": "out"}}
    plan = make_plan(parse(Spec, data | {"privacy": {}}))

    def judge(real, made):
        learnt, paired = np.arange(200) < 160, (np.arange(200) < 40) | (np.arange(200) >= 160)
        real = real.append_column(FINGERPRINT, pa.array(fingerprint(real, plan)))
        real = real.append_column(LEARNT, pa.array(learnt)).append_column(PAIRED, pa.array(paired))
        monkeypatch.setattr(measure, "sides_of", lambda *_: real)
        monkeypatch.setattr(measure, "made_rows", lambda *_: iter([made]))
        return {one.name for one in combine_findings(plan, [measure.measure_class(plan, None, "rare")], None).broken}

    return judge


def test_rows_that_were_made_without_looking_pass_and_copies_with_noise_do_not(broken):
    passed = stopped = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        real = people(rng, 200)
        passed += not broken(real, people(rng, 600))
        copies = real.take(pa.array(rng.integers(0, 160, 600)))
        noisy = (np.asarray(copies["wage"]) + rng.normal(0, 0.3, 600)).round(2)
        stopped += {"attack_auc", "closer"} <= broken(real, copies.set_column(1, "wage", pa.array(noisy)))
    assert (passed, stopped) == (20, 20)
