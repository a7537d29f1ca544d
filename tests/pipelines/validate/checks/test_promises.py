"""`check_validator` passes what keeps the promises, and names each promise that is broken, and no other."""

import re

import pytest

from pipelines.validate.checks import CHECKS, check_validator
from pipelines.validate.checks.examples import Examples, adult_like
from schemas.errors import CheckError
from tests.pipelines.validate import broken

BROKEN = {
    "name": [(broken.Nameless, "''")],
    "params": [(broken.Lax, "no error for the unknown parameter")],
    "touches": [(broken.Reaching, r"'word_file' without a mark; write word_file: Annotated")],
    "verdict": [
        (broken.Counting, r"int64 of shape \(440,\) for 440 rows"),
        (broken.Short, r"bool of shape \(439,\) for 440 rows"),
        (broken.Harsh, "all rejected, though most are of the same kind"),
    ],
    "details": [(broken.Twofold, "80 reasons for 40 rejected rows"), (broken.Zeroing, "0 rows for 'too long'")],
    "batches": [(broken.Neighbourly, "12 other verdicts in batches of 33")],
    "order": [(broken.Impressed, "other verdicts after real rows in another order")],
    "reload": [(broken.Forgetful, "other verdicts"), (broken.Blurred, "other sketches")],
    "same_bytes": [(broken.Restless, "other bytes of 'made' the second time")],
    "no_code": [(broken.Pickling, "code of 'known.pkl' that ran")],
    "left_alone": [(broken.Sorting, "other fingerprints in the batch")],
    "no_rows": [(broken.Needy, "IndexError")],
    "sketches": [(broken.Signed, r"int64 of shape \(440,\) for 440 rows")],
    "novelty": [(broken.Amnesiac, "440 rows that were new once more"), (broken.Envious, "no new row among the first")],
}
ALSO = {
    "verdict": {"details", "batches", "order", "reload"},  # what is no mask cannot be compared
}


def test_every_promise_has_a_class_that_breaks_it() -> None:
    assert {*BROKEN, "importable"} == set(CHECKS)


@pytest.mark.parametrize("modality", ["tabular", "text", "image", "marked image"])
def test_what_keeps_all_promises_passes(modality) -> None:
    check_validator(broken.Sound, modality=modality, skip=() if modality == "tabular" else ("importable",))


@pytest.mark.parametrize(("key", "validator", "got"), [(key, *one) for key, some in BROKEN.items() for one in some])
def test_a_broken_promise_is_one_sentence_and_no_other_is_named(key, validator, got) -> None:
    with pytest.raises(CheckError) as raised:
        check_validator(validator, skip=["importable"])
    found = {re.search(r"\(check (\w+)\)$", line)[1]: line for line in str(raised.value).split("\n")}
    assert found.keys() - ALSO.get(key, set()) == {key}
    assert found[key].startswith(f"{validator.__name__} breaks a promise: {CHECKS[key].says}; got ")
    assert re.search(got, found[key])


def test_a_class_that_no_other_process_can_import_is_told() -> None:
    class Here(broken.Sound):
        """One of a notebook's."""

    with pytest.raises(CheckError, match="which no other process can import; write it into a module"):
        check_validator(Here)


def test_examples_of_one_s_own_are_taken() -> None:
    rows = adult_like(200, seed=5)
    check_validator(broken.Sound, examples=Examples(rows, rows.slice(150), "income"), skip=set(CHECKS) - {"details"})
    with pytest.raises(CheckError, match="got all rejected"):
        check_validator(broken.Sound, examples=Examples(rows, rows.slice(150), "income"), skip=["importable"])


def test_an_unknown_modality_or_check_is_told_with_the_nearest_one() -> None:
    with pytest.raises(CheckError, match="there are no examples of 'images'; did you mean 'image'"):
        check_validator(broken.Sound, modality="images")
    with pytest.raises(CheckError, match="there is no check 'no_row'; did you mean 'no_rows'"):
        check_validator(broken.Sound, skip=["no_row"])
