"""What a version kept of the one before, in words."""

import pytest

from pipelines.plan.version_notes import planned_succession, succession
from pipelines.validate.checks.examples import EXAMPLES, plan_of_table
from schemas.versions import Base
from tests.pipelines.report.test_card import make_manifest

BASE = {"version": "v00001", "content_hash": "0"}


@pytest.fixture(scope="module")
def plan():
    examples = EXAMPLES["tabular"]()
    return plan_of_table(examples.real.slice(0, 50), examples.label)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"version": 1}, ["versions: this is v00001; it starts from nothing."]),
        (
            {"version": 2, "complete": True},
            ["versions: v00002 is just this, and complete; nothing is new, and nothing"],
        ),
        (
            {"version": 2, "base": Base(**BASE, anew="3 row(s) of its source are gone")},
            ["versions: v00002 keeps nothing of v00001: 3 row(s) of its source are gone."],
        ),
        ({"version": 2, "base": Base(**BASE)}, ["versions: v00002 tops v00001 up: what was made stays, as far as it"]),
    ],
)
def test_what_a_version_will_do(plan, changes, told):
    found = planned_succession(plan.model_copy(update=changes))
    assert len(found) == len(told)
    assert all(line.startswith(words) for line, words in zip(found, told, strict=True))


def test_what_a_version_did():
    assert succession(make_manifest()) == []
    dropped = {">50K": {"schema": 2, "duplicates: copy": 5}, "<=50K": {"schema": 1}}
    base = Base(**BASE, carried={">50K": 16_000}, dropped=dropped)
    assert succession(make_manifest(version=2, base=base)) == [
        "v00002 tops v00001 up: it keeps 16,000 rows that were made before (8 do not pass the validators any more:"
        " duplicates: copy 5, schema 3), and 879 were made now, by the model that was there."
    ]
    base = Base(**BASE, carried={}, refitted="the source has grown")
    assert succession(make_manifest(version=2, base=base)) == [
        "v00002 tops v00001 up: it keeps 0 rows that were made before, and 16,879 were made now, by a model that was"
        " fitted anew (the source has grown)."
    ]
