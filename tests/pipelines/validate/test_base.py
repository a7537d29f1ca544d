"""An exception in a validator of a user's own names that validator, and what may pass stays as it is."""

import pickle

import pytest

from pipelines.validate.base import explain_validator_errors
from schemas.errors import SpecError, ValidatorError


def test_a_mistake_in_a_validator_of_ones_own_is_told_with_its_line():
    with pytest.raises(ValidatorError) as told, explain_validator_errors("span:Raises", "check"):
        raise KeyError("oops")
    said = "validator 'span:Raises' failed in check: KeyError('oops') (test_base.py, line "
    assert str(told.value).startswith(said)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)  # noqa: S301 as Ray hands it on


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError(), SpecError()])
def test_what_may_pass_or_was_explained_stays_as_it_is(error):
    with pytest.raises(type(error)) as told, explain_validator_errors("span:Raises", "fit"):
        raise error
    assert told.value is error


def test_a_mistake_of_makeweight_stays_a_traceback():
    with pytest.raises(KeyError), explain_validator_errors("schema", "check"):
        raise KeyError("oops")
