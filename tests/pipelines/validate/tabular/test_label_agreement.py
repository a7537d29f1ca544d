import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from pipelines.validate.tabular import label_agreement
from pipelines.validate.tabular.features import encode
from pipelines.validate.tabular.label_agreement import LabelAgreement, LabelAgreementParams


def _fit(plan_of, batch_of, table, label="income", **params) -> LabelAgreement:
    validator = LabelAgreement(LabelAgreementParams(**params), plan_of(table, label))
    validator.fit([batch_of(table)])
    return validator


def _flipped(table: pa.Table) -> pa.Table:
    labels = np.where(np.array(table["income"]) == ">50K", "<=50K", ">50K")
    return table.set_column(table.column_names.index("income"), "income", pa.array(labels.tolist()))


def test_real_rows_are_mostly_kept_and_flipped_ones_are_not(adult, unseen, plan_of, batch_of) -> None:
    validator = _fit(plan_of, batch_of, adult)
    assert validator.check(batch_of(unseen)).keep.mean() > 0.9
    flipped = validator.check(batch_of(_flipped(unseen)))
    assert flipped.keep.mean() < 0.2
    assert flipped.details == {"unlikely class": int((~flipped.keep).sum())}


def test_the_threads_do_not_matter(adult, unseen, plan_of, batch_of, monkeypatch) -> None:
    matrices, models = [], []
    for threads in (1, 2):
        monkeypatch.setattr(label_agreement, "_ROWS_FOR_THREADS", 0)  # so that the limit below holds
        with threadpool_limits(threads):
            validator = _fit(plan_of, batch_of, adult)
        matrices.append(encode(unseen, validator._features))
        models.append(validator._model)
    np.testing.assert_array_equal(*[model.probabilities(x) for model, x in zip(models, matrices, strict=True)])


@pytest.mark.parametrize("values", [[True, False], [3, 1], ["b", "a"]])
def test_labels_of_any_type(plan_of, batch_of, values) -> None:
    table = pa.table({"x": [float(k % 2) for k in range(400)], "y": [values[k % 2] for k in range(400)]})
    validator = _fit(plan_of, batch_of, table, "y")
    assert validator.check(batch_of(table)).keep.all()
    swapped = table.set_column(1, "y", pa.array([values[1 - k % 2] for k in range(400)]))
    assert not validator.check(batch_of(swapped)).keep.any()


def test_missing_and_foreign_labels_are_refused(adult, plan_of, batch_of) -> None:
    rows = adult.slice(0, 3)
    labels = pa.array([rows["income"][0].as_py(), None, "none such"])
    verdict = _fit(plan_of, batch_of, adult, min_probability=0).check(batch_of(rows.set_column(7, "income", labels)))
    assert verdict.keep.tolist() == [True, False, False]
    assert verdict.details == {"not a class of the real rows": 2}


def test_real_rows_without_a_label_are_passed_over(plan_of, batch_of) -> None:
    table = pa.table({"x": [0.0, 1.0, 2.0] * 60, "y": ["a", "b", None] * 60})
    validator = _fit(plan_of, batch_of, table, "y")
    assert validator.check(batch_of(table)).keep.sum() == 120


def test_tiny_classes(plan_of, batch_of) -> None:
    table = pa.table({"x": [float(k) for k in range(103)], "y": ["a"] * 100 + ["b", "b", "c"]})
    assert _fit(plan_of, batch_of, table, "y").check(batch_of(table)).keep.shape == (103,)
    three = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]})
    assert _fit(plan_of, batch_of, three, "y").check(batch_of(three)).keep.all()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"x": [1.0] * 40, "y": ["a", "b"] * 20}),
        pa.table({"id": list(range(40)), "y": ["a", "b"] * 20}),
        pa.table({"x": [float(k) for k in range(40)], "y": ["a"] * 40}),
        pa.table({"name": [f"name {k}" for k in range(40)], "y": ["a", "b"] * 20}),
    ],
    ids=["constant", "no feature", "one class", "unique texts"],
)
def test_nothing_to_tell_classes_by_keeps_all(plan_of, batch_of, tmp_path, table) -> None:
    validator = _fit(plan_of, batch_of, table, "y")
    validator.save(tmp_path)
    loaded = LabelAgreement(LabelAgreementParams(), plan_of(table, "y"))
    loaded.load(tmp_path)
    assert loaded.check(batch_of(table)).keep.all()


def test_a_label_that_strata_are_not_made_by(adult, unseen, plan_of, batch_of) -> None:
    plan = plan_of(adult, "income")
    by_job = plan.model_copy(update={"profile": plan.profile.model_copy(update={"by": ["job"]})})
    validator = LabelAgreement(LabelAgreementParams(), by_job)
    validator.fit([batch_of(adult)])
    assert validator.check(batch_of(_flipped(unseen))).keep.mean() < 0.2
