"""`check_generator` passes what keeps the promises, and names each promise that is broken, and no other."""

import re

import pytest

from generators.checks import CHECKS, check_generator
from generators.checks.tables import messy_table
from schemas.errors import CheckError
from tests.generators import broken

PROCESSES = ("importable", "reload_elsewhere")
"""Checks that start a process each."""
BROKEN = {
    "params": [(broken.Lax, "no error for the unknown parameter"), (broken.Bare, "<class 'dict'>")],
    "touches": [(broken.Reaching, r"'word_file' without a mark; write word_file: Annotated\[str, Touch\(\"read\"\)\]")],
    "same_seed": [(broken.Restless, "other rows from a second model of the same seed")],
    "random_state": [(broken.Meddling, "another state of numpy")],
    "quiet": [(broken.Talking, "'epoch 1"), (broken.Muttering, "a library's warning")],
    "reload": [(broken.Forgetful, "other rows")],
    "no_code": [(broken.Pickling, "code of 'model.pkl' that ran")],
    "budget": [
        (broken.Private, r"no method check\(schema, label, rows\)"),
        (broken.PrivateWithoutBudget, "no file budget.json"),
    ],
    "same_request": [
        (broken.Counting, "other rows the second time"),
        (broken.Deaf, "the same rows for another chunk"),
    ],
    "small_class": [
        (broken.Lenient, "no error for a class 'scanty' of 1"),
        (broken.Demanding, "ValueError: n_neighbors > n_samples"),
    ],
    "one_class": [(broken.Contrasting, "ValueError: the number of classes")],
    "unknown_class": [(broken.Unguarded, "KeyError: .*, which is no GeneratorError for 'rare of no row'")],
    "no_rows": [(broken.Silent, "no error; call")],
    "few_columns": [(broken.Featured, "ValueError: at least one array is required")],
    "values": [
        (broken.Beyond, "51 to 51 in 'whole', where the real ones are -50 to 49"),
        (broken.Inventing, "'7' in 'digits', which no real row holds"),
        (broken.Conjuring, "0.5 to 0.5 in 'nothing'"),
        (broken.Speechless, "an empty text in 'what was said'"),
        (broken.Shrinking, r"an image of \(6, 6, 3\)"),
        (broken.Recoding, "an image in 'what was seen' that is encoded in another way"),
    ],
    "encoding": [(broken.Mute, "jpeg")],
    "rows": [
        (broken.Short, "0 rows for 1"),
        (broken.OtherClass, "a row of class 'other' for 'rare'"),
        (broken.OtherType, "huge string"),
        (broken.Orphans, "no int64 column '_parent_row'"),
        (broken.Foundlings, "a parent of class 'common' for 'rare'"),
        (broken.Lost, "a _parent_row of 1000000, in a table of 542 rows"),
    ],
}
ALSO = {
    "rows": {"small_class", "one_class", "few_columns", "values"},  # they look at rows too
    "params": set(CHECKS) - {"params"},  # without them no generator is made
    "same_request": {"same_seed", "reload", "random_state"},  # it gives other rows wherever rows are compared
}


def broken_by(generator, **options):
    with pytest.raises(CheckError) as raised:
        check_generator(generator, skip=PROCESSES, **options)
    return {re.search(r"\(check (\w+)\)$", line)[1]: line for line in str(raised.value).split("\n")}


def test_every_promise_has_a_class_that_breaks_it() -> None:
    assert {*BROKEN, *PROCESSES} == set(CHECKS)


@pytest.mark.parametrize("generator", [broken.Sound, broken.SoundText, broken.SoundImages, broken.SoundCopies])
def test_what_keeps_all_promises_passes(generator) -> None:
    check_generator(generator, skip=() if generator is broken.Sound else PROCESSES)


@pytest.mark.parametrize(("key", "generator", "got"), [(key, *one) for key, some in BROKEN.items() for one in some])
def test_a_broken_promise_is_one_sentence_and_no_other_is_named(key, generator, got) -> None:
    found = broken_by(generator)
    assert found.keys() - ALSO.get(key, set()) == {key}
    assert found[key].startswith(f"{generator.__name__} breaks a promise: {CHECKS[key].says}; got ")
    assert re.search(got, found[key])


def test_rows_that_hang_on_what_a_process_hashes_are_found() -> None:
    with pytest.raises(CheckError, match=r"the same rows in another process; got other rows; .*\(check reload_elsewh"):
        check_generator(broken.Hashing, skip=set(CHECKS) - {"reload_elsewhere"})


def test_a_class_that_no_other_process_can_import_is_told() -> None:
    class Here(broken.Sound):
        """One of a notebook's."""

    with pytest.raises(CheckError, match="which no other process can import; write it into a module"):
        check_generator(Here, skip=set(CHECKS) - {*PROCESSES})


def test_a_heavy_import_is_told(tmp_path, monkeypatch) -> None:
    source = "import pandas\nfrom tests.generators.broken import Sound\nclass Heavy(Sound):\n    pass\n"
    (tmp_path / "heavy_generator.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    from heavy_generator import Heavy

    with pytest.raises(CheckError, match="pandas loaded by importing heavy_generator; import what is heavy inside"):
        check_generator(Heavy, skip=set(CHECKS) - {"importable"})


def test_a_class_without_capabilities_is_told_what_to_write() -> None:
    class Old:
        modalities = ("tabular",)

    with pytest.raises(CheckError, match=r"it says what it can do; got None; write capabilities = Capabilities\("):
        check_generator(Old)


def test_a_table_of_one_s_own_is_taken_and_needs_no_such_name() -> None:
    table = messy_table({"yes": 60, "no": 20})
    table = table.rename_columns(["y" if name == "_stratum" else name for name in table.column_names])
    check_generator(broken.Sound, table=table, label="y", skip=PROCESSES)
    found = broken_by(broken.Beyond, table=table, label="y")
    assert set(found) == {"values"}


def test_an_unknown_check_is_told_with_the_nearest_one() -> None:
    with pytest.raises(CheckError, match="there is no check 'quite'; did you mean 'quiet'"):
        check_generator(broken.Sound, skip=["quite"])
