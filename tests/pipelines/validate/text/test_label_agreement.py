import numpy as np
import pyarrow as pa
import pytest

from pipelines.validate.text.label_agreement import LabelAgreement, LabelAgreementParams
from schemas.errors import MakeweightError


def fitted(plan_of, batch_of, table: pa.Table, **params) -> LabelAgreement:
    validator = LabelAgreement(LabelAgreementParams(**params), plan_of(table, "label", text="text"))
    validator.fit([batch_of(table)])
    return validator


def flipped(table: pa.Table) -> pa.Table:
    labels = ["ham" if label == "spam" else "spam" for label in table["label"].to_pylist()]
    return table.set_column(table.column_names.index("label"), "label", pa.array(labels))


def test_real_texts_are_kept_and_flipped_ones_are_not(sms, unseen_sms, plan_of, batch_of) -> None:
    validator = fitted(plan_of, batch_of, sms)
    assert validator.check(batch_of(unseen_sms)).keep.mean() > 0.97
    verdict = validator.check(batch_of(flipped(unseen_sms)))
    assert verdict.keep.mean() < 0.1
    assert verdict.details == {"unlikely class": int((~verdict.keep).sum())}


def test_a_rare_class_is_not_unlikely_for_being_rare(sms, unseen_sms, plan_of, batch_of) -> None:
    spam = np.array(sms["label"].to_pylist()) == "spam"
    rare = sms.filter(pa.array(~spam | (np.cumsum(spam) <= 20)))
    new = unseen_sms.filter(pa.array(np.array(unseen_sms["label"].to_pylist()) == "spam"))
    assert fitted(plan_of, batch_of, rare).check(batch_of(new)).keep.mean() > 0.9


def test_many_classes(plan_of, batch_of) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([f"class {k}" for k in range(30)], 20)
    texts = [f"{' '.join(rng.choice(['a', 'b', 'c', 'd'], 4))} {label.replace(' ', '')}" for label in labels]
    table = pa.table({"label": labels.tolist(), "text": texts})
    validator = fitted(plan_of, batch_of, table)
    assert validator.check(batch_of(table)).keep.mean() > 0.98
    wrong = table.set_column(0, "label", pa.array(np.roll(labels, 20).tolist()))
    assert not validator.check(batch_of(wrong)).keep.any()


def test_scripts_without_spaces(plan_of, batch_of) -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(chr(low + k) for k in rng.integers(0, 60, 12)) for low in (0x4E00, 0x4E30) for _ in range(100)]
    table = pa.table({"label": ["a"] * 100 + ["b"] * 100, "text": texts})
    validator = fitted(plan_of, batch_of, table)
    assert validator.check(batch_of(table)).keep.mean() > 0.95


@pytest.mark.parametrize("texts", [["!!", "??"] * 5, ["same words"] * 10])
def test_nothing_to_tell_classes_by(plan_of, batch_of, texts) -> None:
    table = pa.table({"label": ["a", "b"] * 5, "text": texts})
    assert fitted(plan_of, batch_of, table).check(batch_of(table)).keep.all()


def test_one_class_unknown_classes_and_nulls(plan_of, batch_of) -> None:
    table = pa.table({"label": ["a"] * 4, "text": ["x y", "y z", None, "z"]})
    validator = fitted(plan_of, batch_of, table)
    asked = pa.table({"label": pa.array(["a", "b", None]), "text": ["x", "y", "z"]})
    verdict = validator.check(batch_of(asked))
    assert verdict.keep.tolist() == [True, False, False]
    assert verdict.details == {"not a class of the real rows": 2}


def test_a_sentence_embedding_model(plan_of, batch_of, sms, unseen_sms, encoder_folder, tmp_path) -> None:
    small = sms.slice(0, 200)
    validator = fitted(plan_of, batch_of, small, model=encoder_folder, min_probability=0.5)
    verdict = validator.check(batch_of(unseen_sms.slice(0, 80)))
    assert verdict.keep.mean() > 0.6
    validator.save(tmp_path)
    again = LabelAgreement(
        LabelAgreementParams(model=encoder_folder, min_probability=0.5), plan_of(small, "label", text="text")
    )
    again.load(tmp_path)
    parts = [again.check(batch_of(unseen_sms.slice(start, 7))).keep for start in range(0, 77, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), verdict.keep[:77])
    assert not [file for file in tmp_path.iterdir() if file.suffix not in (".npy", ".parquet", ".json")]


def test_a_folder_that_holds_no_model(plan_of, batch_of, sms, tmp_path) -> None:
    with pytest.raises(MakeweightError, match=r"cannot load .* as a model of texts.*give a folder that"):
        fitted(plan_of, batch_of, sms, model=str(tmp_path))
