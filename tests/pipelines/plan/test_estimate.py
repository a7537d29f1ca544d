"""An estimate is what such builds took here, as a range where they disagree."""

import pytest

from pipelines.plan.estimate import Setting, estimate
from pipelines.plan.rates import params_key
from schemas.plan import Step
from tests.pipelines.plan.test_rates import took


def test_an_equal_build_takes_as_long_again(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2))
    assert made.strata["z"].candidates == 1600, "1,200 rows of which 75% are kept, in chunks of 100"
    assert made.strata["z"].seconds == pytest.approx(8)
    assert made.seconds == pytest.approx(sum(took(plan).steps.values()), rel=0.01)
    assert (made.builds, made.actors, made.same_params, made.same_size) == (1, 2, True, True)
    assert list(made.strata) == ["z"], "nothing is made of the other class"


def test_from_two_sizes_a_third_is_told(plan):
    made = estimate(plan, [took(plan, 0.1), took(plan, 0.5)], Setting(actors=2))
    assert made.steps["fit"] == pytest.approx(12, rel=0.01)
    assert made.steps["ingest"] == pytest.approx(2, rel=0.01)
    assert made.seconds == pytest.approx(sum(took(plan).steps.values()), rel=0.02)


def test_builds_that_disagree_are_told_as_a_range(plan):
    slow = took(plan, steps={name: 3 * took_ for name, took_ in took(plan).steps.items()}, warm=3 * took(plan).warm)
    made = estimate(plan, [took(plan), slow], Setting(actors=2))
    alone = [estimate(plan, [one], Setting(actors=2)).seconds for one in (took(plan), slow)]
    assert (made.least, made.most) == tuple(alone)
    assert made.least < made.seconds < made.most
    one = estimate(plan, [slow], Setting())
    assert one.least == one.seconds == one.most


def test_from_one_size_a_range_is_told(plan):
    """The fit of a build of a tenth of the rows took 4.8 s: that may be for the rows, or whatever the rows."""
    small = took(plan, 0.1)
    made = estimate(plan, [small], Setting(actors=2))
    assert 4.8 < made.steps["fit"] < 4 + 10 * 0.8
    assert made.least < made.seconds < made.most
    assert made.most - made.least == pytest.approx(9 * (0.8 + 0.1), rel=0.01), "of fit and ingest"


def test_twice_the_actors_halve_the_fill(plan):
    two, four = (estimate(plan, [took(plan)], Setting(actors=actors)) for actors in (2, 4))
    assert four.strata["z"].seconds == pytest.approx(two.strata["z"].seconds / 2)
    assert estimate(plan, [took(plan)], Setting(actors=500)).actors == 12, "not more than there are chunks"
    assert estimate(plan, [took(plan, actors=3)], Setting()).actors == 3, "as many as before, if nothing is said"


def test_what_this_dataset_kept_goes_before_what_others_kept(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2, kept={"z": 0.25}))
    assert made.strata["z"].candidates == 4800
    made = estimate(plan, [took(plan, kept={"other": 0.5})], Setting(actors=2))
    assert made.strata["z"].candidates == 2400


def test_a_model_that_is_there_is_not_fitted_again(plan):
    made = estimate(plan, [took(plan)], Setting(actors=2, fitted=True))
    assert made.fitted
    assert "fit" not in made.steps
    loaded = took(plan, fit_rows=None, steps=took(plan).steps | {"fit": 0.1})
    assert estimate(plan, [took(plan), loaded], Setting()).steps["fit"] == pytest.approx(12, rel=0.01)


def test_the_same_parameters_go_before_others(plan):
    other = took(plan, params=params_key(Step(name="tvae", params={"epochs": 300})), steps={"fit": 900.0})
    made = estimate(plan, [other, took(plan), other], Setting(actors=2))
    assert (made.builds, made.same_params) == (1, True)
    assert not estimate(plan, [other], Setting()).same_params


def test_checks_count_where_they_are_asked_for(plan):
    checked = took(plan, steps=took(plan).steps | {"privacy": 7.0, "evaluate": 50.0})
    plain, asked = (estimate(plan, [checked], Setting(checks=checks)) for checks in ((), ("privacy", "evaluate")))
    assert asked.seconds - plain.seconds == pytest.approx(57)


@pytest.mark.parametrize(
    "changes", [{"generator": "ctgan"}, {"modality": "text"}, {"width": 9}, {"candidates": 0, "first": 0}]
)
def test_builds_of_other_kinds_say_nothing(plan, changes):
    assert estimate(plan, [took(plan, **changes)], Setting()) is None


def test_a_gpu_costs_by_the_hour(plan):
    on_gpu = took(plan, device="H100", gpus=0.5)
    made = estimate(plan, [took(plan), on_gpu], Setting(actors=2, price=3600))
    assert (made.device, made.builds) == ("H100", 1)
    gpu_seconds = 0.5 * (12 + 2 * 9)
    assert made.gpu_hours == pytest.approx(gpu_seconds / 3600)
    assert made.cost == pytest.approx(gpu_seconds)
    assert made.strata["z"].cost == pytest.approx(0.5 * 2 * 8)
    assert estimate(plan, [on_gpu], Setting(gpus=0)) is None, "a GPU's rates say nothing of CPUs"
    assert estimate(plan, [on_gpu, took(plan)], Setting(gpus=0, price=2)).cost == 0
