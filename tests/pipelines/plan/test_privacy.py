"""What a spec may ask of privacy, and which rows are held out for it."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from flows.display import plan_notes
from pipelines.fit.fitting import model_fingerprint
from pipelines.fit.held_out import expected_rows, held_out, learnt
from pipelines.judge.privacy.gate import refuse_breach
from pipelines.plan.model_view import to_model
from pipelines.plan.planning import make_plan
from pipelines.source.strata import stratum_column
from schemas.errors import PrivacyError, SpecError
from schemas.privacy import Figure, PrivacyFindings
from schemas.spec import Spec, parse


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "number": np.arange(5000, 5000 + 3000),
            "age": rng.integers(18, 90, 3000),
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], 3000),
            "always": ["x"] * 3000,
            "label": ["rare"] * 40 + ["some"] * 960 + ["many"] * 2000,
        }
    )
    path = tmp_path_factory.mktemp("source") / "people.csv"
    pa.csv.write_csv(table, path)
    return path


def plan_of(source, privacy=None, private=(), **parts):
    read = {"path": str(source), "label": "label", "private": list(private)}
    data = {"name": "p", "source": read, "output": {"path": "out"}}
    return make_plan(parse(Spec, data | ({} if privacy is None else {"privacy": privacy}) | parts))


def rows_of(source):
    table = pa.csv.read_csv(source)
    return table.append_column("_stratum", stratum_column(table, ["label"])).append_column(
        "_row", pa.array(np.arange(table.num_rows))
    )


@pytest.mark.parametrize(
    ("privacy", "message"),
    [
        (
            {"quasi_identifiers": ["age", "twon"]},
            "privacy.quasi_identifiers.1.: the source has no column 'twon'; did you mean 'town'",
        ),
        ({"sensitive": ["zzz"]}, "privacy.sensitive.0.: the source has no column 'zzz'; known are age, always"),
        ({"quasi_identifiers": ["number"]}, "made rows do not have the 'number' of real ones .role id.; leave it out"),
        ({"sensitive": ["always"]}, "made rows do not have the 'always' of real ones .role constant."),
        ({"limits": {"k_anonymity": 5}}, "limits.k_anonymity: needs privacy.quasi_identifiers"),
        (
            {"limits": {"l_diversity": 2}, "quasi_identifiers": ["age"]},
            "limits.l_diversity: needs privacy.quasi_identifiers and privacy.sensitive",
        ),
        ({"limits": {"attack_acu": 0.7}}, "unknown key 'attack_acu'; did you mean 'attack_auc'"),
        ({"limits": {"attack_auc": 0.4}}, "privacy.limits.attack_auc: input should be greater than or equal to 0.5"),
        ({"held_out": 0.6}, "privacy.held_out: input should be less than or equal to 0.5"),
    ],
)
def test_a_fault_is_told_before_anything_is_made(source, privacy, message):
    with pytest.raises(SpecError, match=message):
        plan_of(source, privacy)


def test_the_class_and_columns_that_are_made_may_be_declared(source):
    plan = plan_of(source, {"quasi_identifiers": ["age", "town"], "sensitive": ["label"]})
    assert plan.privacy.sensitive == ["label"]


def test_a_share_of_each_class_is_held_out_but_of_none_with_too_few_rows(source):
    plan, rows = plan_of(source, {"held_out": 0.2}), rows_of(source)
    held = held_out(rows, plan)
    strata = np.array(rows["label"].to_pylist())
    shares = {name: held[strata == name].mean() for name in ("rare", "some", "many")}
    assert shares["rare"] == 0
    assert shares["some"] == pytest.approx(0.2, abs=0.04)
    assert shares["many"] == pytest.approx(0.2, abs=0.04)
    assert expected_rows(plan) == 592
    [note] = [note for note in plan_notes(plan) if note.startswith("privacy")]
    assert "does not learn from some 592 real rows of 2 class(es); 1 class(es) have too few rows" in note
    [none] = [note for note in plan_notes(plan_of(source, {"held_out": 0.001})) if note.startswith("privacy")]
    assert none.startswith("privacy: no class has enough real rows to hold some out")


def test_which_rows_are_held_out_depends_on_the_seed_and_the_row_alone(source):
    rows, plan = rows_of(source), plan_of(source, {})
    whole = held_out(rows, plan)
    parts = [held_out(rows.slice(start, 700), plan) for start in range(0, 3000, 700)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert held_out(rows, plan_of(source, {}, seed=1)).tolist() != whole.tolist()
    kept = pa.concat_tables(learnt([rows.slice(0, 1500), rows.slice(1500)], plan))
    assert kept["_row"].to_pylist() == np.flatnonzero(~whole).tolist()


def test_nothing_is_held_out_where_privacy_is_not_asked_for(source):
    plan, rows = plan_of(source), rows_of(source)
    assert not held_out(rows, plan).any()
    assert [table.num_rows for table in learnt([rows], plan)] == [3000]
    assert plan_notes(plan) == []


def test_the_share_decides_the_rows_and_the_limits_do_not(source):
    plans = [plan_of(source, asked) for asked in (None, {}, {"held_out": 0.3}, {"limits": {"copies": None}})]
    assert len({plan.spec_fingerprint for plan in plans}) == 3
    assert plans[1].spec_fingerprint == plans[3].spec_fingerprint
    assert len({model_fingerprint(plan) for plan in plans}) == 3
    assert model_fingerprint(plans[1]) == model_fingerprint(plans[3])


def test_private_columns_are_marked_and_told_to_the_generator(source):
    plan = plan_of(source, private=["age"])
    assert [column.name for column in plan.profile.columns if column.private] == ["age"]
    told = to_model(rows_of(source), plan).schema
    assert [field.name for field in told if field.metadata] == ["age"]


@pytest.mark.parametrize(
    ("private", "generator", "message"),
    [
        (["aeg"], "autoregressive", "source.private.0.: the source has no column 'aeg'; did you mean 'age'"),
        (["label"], "autoregressive", "source.private.0.: 'label' is what classes are made by"),
        (["age"], "smote", "source.private: 'smote' shows real values as they are; take autoregressive"),
    ],
)
def test_columns_that_cannot_be_private_are_refused(source, private, generator, message):
    with pytest.raises(SpecError, match=message):
        plan_of(source, private=private, generator={"name": generator})


@pytest.mark.parametrize(
    ("generator", "private", "named"),
    [("autoregressive", [], "('age')"), ("autoregressive", ["age"], None), ("smote", [], None)],
)
def test_who_gives_single_rows_away_is_told_which_columns_to_make_private(source, generator, private, named):
    plan = plan_of(source, privacy={}, private=private, generator={"name": generator})
    figure = Figure(name="singling_out", value=0.2, low=0.1, high=0.3, limit=0.05)
    found = PrivacyFindings(asked=plan.privacy, figures=[figure], classes={}, closeness=None, groups=None, notes=[])
    with pytest.raises(PrivacyError) as caught:
        refuse_breach(plan, found)
    advice = str(caught.value).splitlines()[-1]
    assert ("list in source.private the columns whose values few rows share" in advice) == (named is not None)
    assert named is None or named in advice
    assert "raise privacy.limits.singling_out" in advice
