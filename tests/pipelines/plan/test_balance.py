"""Targets are plain arithmetic on class counts."""

import re

import pytest
import yaml

from pipelines.plan.balance import compute_targets
from pipelines.plan.stream import chunk_request, chunk_rows
from pipelines.source.strata import stratum_name
from schemas.errors import SpecError
from schemas.plan import Stratum
from schemas.spec import Balance, parse

COUNTS = {"common": 900, "rare": 7, "fraud": 90}


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        ("largest", [900, 900, 900]),
        ("smallest", [7, 7, 7]),
        (100, [100, 100, 100]),
        (0, [0, 0, 0]),
        ({"rare": 50, "fraud": 0}, [900, 50, 0]),
    ],
)
def test_targets(target, rows):
    assert list(compute_targets(COUNTS, target).values()) == rows


def test_at_least_leaves_larger_classes_whole():
    assert list(compute_targets(COUNTS, "largest", at_least=100).values()) == [900, 100, 100]


def test_a_class_that_the_source_lacks_is_refused_with_the_nearest():
    with pytest.raises(
        SpecError, match=r"balance\.target\.fruad: the source has no class 'fruad'; did you mean 'fraud'"
    ):
        compute_targets(COUNTS, {"fruad": 3})


def test_names_of_joint_strata():
    assert stratum_name([">50K", True, 3]) == ">50K | true | 3"


def test_chunks_depend_on_the_need_and_on_the_generators_limit_alone():
    assert [chunk_rows(make, 64, 8192) for make in (0, 10, 2048, 32_000, 10**7)] == [64, 64, 64, 1000, 8192]
    assert chunk_rows(100, 4, 16) == 4
    assert chunk_rows(1000, 4, 16) == 16


def test_requests_differ_by_run_seed_stratum_and_chunk():
    strata = [Stratum(name=name, key=[name], real=1, target=9, chunk_rows=4) for name in ("a", "b", "1", "a1")]
    seeds = {chunk_request(seed, s, chunk).seed for seed in (0, 1) for s in strata for chunk in (0, 1, 11)}
    assert len(seeds) == 24
    assert chunk_request(5, strata[0], 3) == chunk_request(5, strata[0], 3)


def test_a_class_with_a_plus_is_the_number_where_there_is_no_such_text() -> None:
    assert compute_targets({"1": 3, "-1": 4, "0": 5}, {"+1": 50}) == {"1": 50, "-1": 4, "0": 5}
    assert compute_targets({"+1": 3, "1": 4}, {"+1": 50}) == {"+1": 50, "1": 4}
    with pytest.raises(SpecError, match=r"no class '\+2'"):
        compute_targets({"1": 3, "-1": 4}, {"+2": 50})


@pytest.mark.parametrize(
    ("classes", "message"), [("Yes No", "write 'Yes'"), ("on off", "write 'on'"), ("T F", "known are")]
)
def test_a_class_that_yaml_takes_for_a_boolean_is_to_be_quoted(classes: str, message: str) -> None:
    counts = dict.fromkeys(classes.split(), 5)
    target = yaml.safe_load("{yes: 10}")
    with pytest.raises(SpecError, match=rf"no class 'true'; .*{message}"):
        compute_targets(counts, parse(Balance, {"target": target}).target)


@pytest.mark.parametrize(
    ("known", "typed", "taken"),
    [
        ("01", "01", "1"),
        ("12:30", "12:30", "750"),
        ("0x1F", "0x1F", "31"),
        ("1_000", "1_000", "1000"),
        ("~", "~", "None"),
    ],
)
def test_a_class_that_yaml_takes_for_a_number_is_to_be_quoted(known: str, typed: str, taken: str) -> None:
    spec = yaml.safe_load(f"target: {{{typed}: 4}}")
    target = parse(Balance, spec).target
    assert isinstance(target, dict)
    message = re.escape(f"no class {taken!r}; YAML takes {known} without quotation marks for {taken}: write {known!r}")
    with pytest.raises(SpecError, match=message):
        compute_targets({known: 3, "other": 5}, target)


def test_a_class_that_looks_like_a_credential_is_named():
    with pytest.raises(SpecError) as refused:
        compute_targets({"password=one": 3, "password=two": 4}, {"password=on": 9})
    told = "balance.target.password=on: the source has no class 'password=on'; did you mean 'password=one'?"
    assert str(refused.value) == told
