"""How many images of each content bring every class near to its target: counts alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.plan.boxes import box_counts, plan_images

NAMES = st.sampled_from(["a", "b", "c, d", "e=f", "100%", "x%2C"])


def test_targets_that_whole_images_allow_are_met_exactly():
    images = {"a=1": 10, "a=3, b=1": 40, "b=2": 3, "none": 5}
    planned = plan_images(images, {"a": 130, "b": 130})
    assert box_counts(planned) == {"a": 130, "b": 130}
    assert all(planned[content] >= real for content, real in images.items()), "real images stay"


def test_classes_that_always_come_together_come_as_near_as_they_can():
    planned = plan_images({"a=10, b=1": 10}, {"a": 100, "b": 100})
    assert box_counts(planned) == {"a": 180, "b": 18}  # 80% above the one and 82% below the other


def test_real_images_are_dropped_only_for_a_class_that_has_too_many():
    images = {"a=1": 100, "b=1": 10, "c=1": 10}
    assert plan_images(images, {"a": 20, "b": 20, "c": 10}) == {"a=1": 20, "b=1": 20, "c=1": 10}


def test_copies_are_spread_and_may_be_limited():
    images = {"a=1, b=1": 50, "b=1, c=1": 1, "b=2": 49}
    assert plan_images({"a=1": 1, "a=2": 1}, {"a": 30}) == {"a=1": 10, "a=2": 10}
    planned = plan_images(images, {"a": 50, "b": 149, "c": 50}, 4)
    assert planned["b=1, c=1"] == 5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_no_single_image_more_or_less_would_be_nearer(seed):
    rng = np.random.default_rng(seed)
    images = {f"a={a}, b={b}, c={c}": int(n) for a, b, c, n in rng.integers(1, 9, (6, 4))}
    targets = {name: int(count * rng.uniform(0.5, 3)) + 1 for name, count in box_counts(images).items()}
    planned = plan_images(images, targets)
    least = {
        content: 0 if any(box_counts(images)[name] > targets[name] for name in "abc") else n
        for content, n in images.items()
    }

    def away(plan):
        off = [abs(count - targets[name]) / targets[name] for name, count in box_counts(plan).items()]
        return 10 * max(off) + sum(off) / 3

    for content, number in planned.items():
        assert away(planned) <= away({**planned, content: number + 1}) + 1e-9
        if number > least[content]:
            assert away(planned) <= away({**planned, content: number - 1}) + 1e-9
