"""What made rows give away, measured on hand-made rows: distances, the attack, rare values, groups, intervals."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from pipelines.judge.privacy import measure
from pipelines.judge.privacy.anonymity import group
from pipelines.judge.privacy.attack import scores, true_positives
from pipelines.judge.privacy.distances import Closest, distances, to_each_other
from pipelines.judge.privacy.gate import combine_findings
from pipelines.judge.privacy.intervals import auc, excess, proportion, ratio_excess, share
from pipelines.judge.privacy.rare import Rare
from pipelines.judge.privacy.sides import LEARNT, PAIRED
from pipelines.judge.privacy.vectors import MOST
from pipelines.judge.tabular.points import table_points, values
from pipelines.judge.text.points import text_points, words
from pipelines.plan.planning import make_plan
from pipelines.source.ingest import FINGERPRINT, fingerprint
from schemas.privacy import Figure
from schemas.spec import Spec, parse


def test_the_area_under_the_curve_is_exact_with_ties_and_its_interval_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        learnt, other = rng.integers(0, 8, 60) / 8.0, rng.integers(0, 8, 60) / 8.0
        found = auc(learnt, other)
        assert found.value == pytest.approx(roc_auc_score([1] * 60 + [0] * 60, np.r_[learnt, other]))
        covered += found.low <= 0.5 <= found.high
    assert 0.905 <= covered / 200 <= 0.985, "the interval is one of 95%"


@pytest.mark.parametrize(("count", "of"), [(0, 14), (3, 14), (14, 14), (120, 1000)])
def test_a_share_has_its_exact_interval(count, of):
    found, expected = share(count, of), binomtest(count, of).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_excess_of_a_share_is_that_of_newcombes_paper():
    found = excess((9, 10), (3, 10))  # his example (b), method 10
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.1705, 0.8090), abs=1e-4)
    found = excess((56, 70), (48, 80))  # and (a)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert excess((0, 10), (0, 20)).low < 0 < excess((0, 10), (0, 20)).high


def test_the_interval_of_a_proportion_knows_that_few_rows_decide():
    rng = np.random.default_rng(1)
    outside = [not (f.low <= 0.5 <= f.high) for _ in range(300) if (f := proportion(*rng.pareto(3, (2, 50))))]
    assert np.mean(outside) < 0.1
    assert proportion(np.full(50, 3.0), np.full(20, 1.0)).low > 0.7
    assert proportion(np.zeros(5), np.zeros(5)).value == 0.5


def test_the_excess_of_a_ratio():
    have = np.array([2.0, 0, 3, 5])
    found = ratio_excess((have, np.array([1.0, 0, 0, 1])), (have, np.zeros(4)))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high
    assert ratio_excess((np.zeros(3), np.zeros(3)), (np.zeros(3), np.zeros(3))).value == 0


def test_the_attack_takes_copies_for_learnt_and_common_rows_for_neither():
    found = scores(np.array([0.0, 1.0, 0.0, 3.0]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert found.tolist() == [1.0, 0.5, 0.5, 0.25]


def test_true_positives_are_counted_above_one_in_a_hundred_false_ones():
    held_out = np.r_[0.9, 0.55, np.linspace(0, 0.5, 197)]  # one of 199 is above the second
    assert true_positives(np.array([0.95, 0.6, 0.55, 0.5]), held_out).value == 0.5, "ties are no hits"
    assert true_positives(np.ones(50), held_out[:98]) is None, "of so few, one in a hundred is none"
    found = true_positives(np.ones(50), held_out[:99])
    assert (found.value, found.high) == (1, 1)
    assert found.low > 0.9


def test_that_a_threshold_may_be_off_by_chance_is_in_its_interval():
    rng = np.random.default_rng(5)
    found = [true_positives(rng.random(800), rng.random(200)) for _ in range(300)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.01, abs=0.003)
    assert np.mean([one.low <= 0.01 <= one.high for one in found]) > 0.85


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(2)
    real, made = rng.random((40, 7), np.float32), rng.random((3000, 7), np.float32)
    made[5] = real[3]
    return real, made


def test_the_closest_rows_are_those_of_brute_force_whatever_the_blocks(points):
    real, made = points
    learnt = np.arange(40) < 20
    paired = np.arange(40) % 20 < 9
    found, other = Closest(real, learnt, paired), Closest(real, learnt, paired)
    found.add(made)
    for start in range(0, 3000, 701):
        other.add(made[start : start + 701])
    apart = np.linalg.norm(real[:, None].astype(float) - made[None].astype(float), axis=2)
    assert found.distance == pytest.approx(apart.min(axis=1), abs=1e-5)
    assert found.distance[3] == 0
    assert np.concatenate(found.to_learnt) == pytest.approx(apart[:9].min(axis=0), abs=1e-5)
    assert np.concatenate(found.to_held_out) == pytest.approx(apart[20:29].min(axis=0), abs=1e-5)
    assert found.closest_of.tolist() == np.bincount(apart.argmin(axis=0), minlength=40).tolist()
    assert found.closest_of.tolist() == other.closest_of.tolist()
    assert found.distance.tolist() == other.distance.tolist()


def test_a_made_row_as_close_to_both_sides_counts_half_for_each():
    real = np.array([[0, 0], [0, 2], [9, 9], [9, 9]], np.float32)
    found = Closest(real, np.array([True, False, True, False]), np.ones(4, bool))
    found.add(np.array([[0, 1], [9, 8]], np.float32))
    assert found.closest_of.tolist() == [0.5, 0.5, 0.5, 0.5]


def test_rows_are_not_compared_with_themselves(points):
    real = np.concatenate([points[0], points[0][:1]])
    apart = np.linalg.norm(real[:, None].astype(float) - real[None].astype(float), axis=2)
    np.fill_diagonal(apart, np.inf)
    assert to_each_other(real) == pytest.approx(apart.min(axis=1), abs=1e-5)
    assert to_each_other(real)[0] == 0


TABLE = pa.table(
    {
        "age": [20, 30, 30, None, 60],
        "town": ["Ulm", "Ulm", "Bonn", None, "Kiel"],
        "member": [True, False, True, None, True],
    }
)


def test_points_of_tables_tell_values_apart_and_equal_rows_are_0_apart():
    encode = table_points(TABLE, TABLE.column_names, seed=0)
    real = encode(TABLE)
    assert distances(real, encode(TABLE)).tolist() == [0] * 5
    made = pa.table(
        {"age": [20, 31, 90, None], "town": ["Ulm", "Paris", None, None], "member": [True, False, True, None]}
    )
    apart = np.linalg.norm(real[:, None] - encode(made)[None], axis=2)
    assert apart[0, 0] == 0
    assert apart[3, 3] == 0, "missing values are alike"
    assert apart[1, 1] == pytest.approx(1, abs=0.02), "a town that no real row has is another one"
    assert apart[4, 2] > 1, "beyond the largest is not the largest"
    assert apart[0, 1] > 1.4


def test_points_of_wide_tables_are_projected_and_keep_distances():
    rng = np.random.default_rng(3)
    wide = pa.table({f"c{n}": [f"v{v}" for v in rng.integers(0, 40, 300)] for n in range(30)})
    points = table_points(wide, wide.column_names, seed=4)(wide)
    assert points.shape == (300, MOST)
    codes = np.array([wide[name].to_pylist() for name in wide.column_names]).T
    expected = np.sqrt((codes[:150] != codes[150:]).sum(axis=1))
    assert distances(points[:150], points[150:]) == pytest.approx(expected, rel=0.3)
    assert distances(points, points).max() == 0


def test_points_of_texts_are_close_where_the_wording_is():
    real = pa.table({"text": ["free prize, call now", "see you at home tonight", "the bus is late again", None]})
    encode = text_points(real, "text", seed=0)
    made = encode(pa.table({"text": ["free prize, call now", "see you at home tomorrow", "win cash"]}))
    near = np.linalg.norm(encode(real)[:, None] - made[None], axis=2)
    assert near[0, 0] == 0
    assert near[1, 1] < 0.75 * near[0, 1]


def test_what_one_row_alone_has_is_looked_for_among_made_rows():
    real = pa.table({"age": [1, 1, 2, 3], "town": ["a", "a", "a", "b"]})
    rare = Rare.of(values(real, real.column_names), 4)
    assert rare.by_row[0].tolist() == [0, 0, 2, 3], "age 2 and its pair; age 3, town b and their pair"
    rare.look(values(pa.table({"age": [2, 7], "town": ["b", "c"]}), real.column_names)[1])
    assert rare.by_row[1].tolist() == [0, 0, 1, 1], "age 2 and town b, though in one row"
    rare.look(values(real, real.column_names)[1])
    assert rare.by_row[1].tolist() == rare.by_row[0].tolist()


def test_words_of_one_text_alone_are_looked_for():
    real = pa.table({"text": ["call Anna Mayer now", "call now now", None]})
    rare = Rare.of(words(real, "text"), 3)
    assert rare.by_row[0].tolist()[:2] == [4, 1], "Anna, Mayer and two runs of three; one run"
    rare.look(words(pa.table({"text": ["tell Anna Mayer"]}), "text")[1])
    assert rare.by_row[1].tolist()[:2] == [2, 0]
    assert Rare.of(words(pa.table({"text": pa.array([], pa.string())}), "text"), 0).by_row[0].tolist() == []


def hashes(values):
    return np.array(values, np.uint64)


def test_k_and_l_are_those_of_the_smallest_group_and_of_the_fewestvalues():
    quasi = hashes([1, 1, 1, 2, 2, 3, 3, 3, 3])
    illness = hashes([7, 8, 9, 7, 8, 5, 5, 5, 5])
    wage = hashes([1, 2, 3, 4, 4, 1, 2, 3, 4])
    found = group(quasi, [illness], k=3, l=2)
    assert (found.k, found.l) == (2, 1)
    assert found.groups.model_dump() == {"groups": 3, "below_k": 2, "below_l": 4, "rows": 9}
    assert group(quasi, [illness, wage], k=None, l=2).groups.below_l == 6
    assert group(quasi, [], k=None, l=None).l is None


def figure(name="attack_auc", **parts):
    return Figure(**{"name": name, "value": 0.7, "low": 0.55, "high": 0.85, "limit": 0.6} | parts)


def test_a_limit_is_broken_when_chance_cannot_be_why():
    assert figure().holds
    assert not figure(low=0.61).holds
    assert figure(low=0.61, limit=None).holds
    assert not figure("k_anonymity", value=2, low=2, high=2, limit=3).holds
    assert figure("k_anonymity", value=3, low=3, high=3, limit=3).holds


def people(rng, count):
    return pa.table(
        {
            "age": rng.integers(18, 90, count),
            "wage": rng.lognormal(3, 0.5, count).round(1),
            "town": rng.choice(["Ulm", "Bonn", "Kiel", "Jena"], count, p=[0.5, 0.3, 0.15, 0.05]),
            "label": ["rare"] * count,
        }
    )


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return a function: which limits do made rows break, with 160 learnt rows and 40 held-out ones."""
    rng = np.random.default_rng(0)
    table = people(rng, 500).set_column(3, "label", pa.array(["rare"] * 200 + ["many"] * 300))
    pa.csv.write_csv(table, tmp_path / "s.csv")
    data = {"name": "s", "source": {"path": str(tmp_path / "s.csv"), "label": "label"}, "output": {"path": "out"}}
    plan = make_plan(parse(Spec, data | {"privacy": {}}))

    def judge(real, made):
        learnt, paired = np.arange(200) < 160, (np.arange(200) < 40) | (np.arange(200) >= 160)
        real = real.append_column(FINGERPRINT, pa.array(fingerprint(real, plan)))
        real = real.append_column(LEARNT, pa.array(learnt)).append_column(PAIRED, pa.array(paired))
        monkeypatch.setattr(measure, "sides_of", lambda *_: real)
        monkeypatch.setattr(measure, "made_rows", lambda *_: iter([made]))
        return {one.name for one in combine_findings(plan, [measure.measure_class(plan, None, "rare")], None).broken}

    return judge


def test_rows_that_were_made_without_looking_pass_and_copies_with_noise_do_not(broken):
    passed = stopped = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        real = people(rng, 200)
        passed += not broken(real, people(rng, 600))
        copies = real.take(pa.array(rng.integers(0, 160, 600)))
        noisy = (np.asarray(copies["wage"]) + rng.normal(0, 0.3, 600)).round(2)
        stopped += {"attack_auc", "closer"} <= broken(real, copies.set_column(1, "wage", pa.array(noisy)))
    assert (passed, stopped) == (20, 20)
