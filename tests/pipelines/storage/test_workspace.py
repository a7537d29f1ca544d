"""The folders of a build: below the output, of its own for each plan, and a plan that nobody else wrote."""

import pytest

from pipelines.storage.folder import Folder
from pipelines.storage.workspace import make_version_workspace, make_workspace, plan_hash, version_name
from pipelines.validate.checks.examples import EXAMPLES, plan_of_table
from schemas.errors import MakeweightError


@pytest.fixture(scope="module")
def plan():
    examples = EXAMPLES["tabular"]()
    return plan_of_table(examples.real.slice(0, 50), examples.label)


def test_builds_of_other_specs_or_sources_keep_apart_and_share_their_models(plan, tmp_path):
    other = plan.model_copy(update={"spec_fingerprint": "1"})
    grown = plan.model_copy(update={"profile": plan.profile.model_copy(update={"fingerprint": "1"})})
    renamed = plan.model_copy(update={"name": "renamed"})
    places = [make_workspace(str(tmp_path), one) for one in (plan, other, grown)]
    assert len({place.key for place in places}) == 3
    assert len({place.work.shown for place in places}) == 3
    assert len({place.models.shown for place in places}) == 1
    assert make_workspace(str(tmp_path), renamed).key == places[0].key, "what decides no row is no part of it"


def test_a_version_has_a_folder_of_its_own_and_its_things_beside_those_of_all(plan, tmp_path):
    place = make_workspace(str(tmp_path), plan.model_copy(update={"version": 12}))
    assert (place.version, version_name(123_456)) == ("v00012", "v123456")
    assert place.output.shown == f"{tmp_path}/v00012"
    assert place.hidden.shown == f"{tmp_path}/.makeweight"
    assert make_version_workspace(Folder(str(tmp_path)), "v00012").output.shown == place.output.shown


def test_a_plan_is_read_by_the_hash_that_the_driver_tells_and_no_other(plan, tmp_path):
    place = make_workspace(str(tmp_path), plan)
    place.keep_plan(plan)
    assert place.plan(plan_hash(plan)) == place.plan() == plan
    with pytest.raises(MakeweightError, match=r"plan\.json is not the plan that this build wrote down; find out who"):
        place.plan(plan_hash(plan.model_copy(update={"seed": 1})))
