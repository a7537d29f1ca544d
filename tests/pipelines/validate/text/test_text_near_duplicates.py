import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.sets import Postings, Sets, distinct, near_pairs, prefixes
from pipelines.validate.text.near_duplicates import NearDuplicates, NearDuplicatesParams
from pipelines.validate.text.set_memory import NearTexts, min_hashes, pack, to_signatures, unpack


def shingles_of(text: str, size: int) -> set[tuple[str, ...]]:
    """The definition, for texts of lower-case ASCII words."""
    words = re.findall(r"\w+", text.lower()) or [text]
    return {tuple(words[k : k + size]) for k in range(max(1, len(words) - size + 1))}


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other)


def table_of(texts: list[str]) -> pa.Table:
    return pa.table({"label": ["a"] * len(texts), "text": pa.array(texts, pa.string())})


def fitted(plan_of, batch_of, real: list[str], **params) -> NearDuplicates:
    validator = NearDuplicates(NearDuplicatesParams(**params), plan_of(table_of(real), "label", text="text"))
    half = len(real) // 2
    validator.fit([batch_of(table_of(real[:half])), batch_of(table_of(real[half:]))])
    return validator


_TEXT = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=14).map(" ".join)


@settings(deadline=None, max_examples=150)
@given(
    real=st.lists(_TEXT, max_size=25),
    made=st.lists(_TEXT, min_size=1, max_size=25),
    threshold=st.sampled_from([0.2, 0.5, 0.55, 0.7, 0.8, 1.0]),
    size=st.integers(1, 3),
    cut=st.integers(1, 26),
)
def test_no_pair_is_missed_and_none_refused_wrongly(plan_of, batch_of, real, made, threshold, size, cut) -> None:
    validator = fitted(plan_of, batch_of, real, threshold=threshold, shingle=size)
    known = [shingles_of(text, size) for text in real]
    sets = [shingles_of(text, size) for text in made]
    batch = batch_of(table_of(made))
    far = [all(jaccard(one, other) < threshold for other in known) for one in sets]
    assert validator.check(batch).keep.tolist() == far
    novelty = validator.novelty()
    sketches = validator.sketch(batch)
    new = [novelty.admit(sketches[start : start + cut]) for start in range(0, len(made), cut)]
    kept: list[int] = []
    for row, one in enumerate(sets):
        if all(jaccard(one, sets[k]) < threshold for k in kept):
            kept.append(row)
    assert np.flatnonzero(np.concatenate(new)).tolist() == kept


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), spread=st.integers(2, 60), threshold=st.sampled_from([0.3, 0.6, 0.9]))
def test_the_join_finds_what_comparing_all_with_all_does(seed, spread, threshold) -> None:
    rng = np.random.default_rng(seed)

    def some(rows: int) -> Sets:
        sizes = rng.integers(1, 12, rows)
        return distinct(Sets.of(rng.integers(0, spread, sizes.sum()).astype(np.uint64), sizes), ranks)

    ranks = rng.integers(0, 5, 16).astype(np.uint32)
    asked, held = some(40), some(60)
    left, right = near_pairs(asked, held, Postings.of(*prefixes(held, threshold)), threshold)
    rows = [[set(s.values[s.starts[k] : s.starts[k + 1]].tolist()) for k in range(len(s))] for s in (asked, held)]
    near = [(i, j) for i, a in enumerate(rows[0]) for j, b in enumerate(rows[1]) if jaccard(a, b) >= threshold]
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == near


def words(rng: np.random.Generator, count: int) -> list[str]:
    return [f"w{k}" for k in rng.integers(0, 5000, count)]


def changed(rng: np.random.Generator, text: list[str], share: float) -> list[str]:
    return [f"x{rng.integers(10**6)}" if rng.random() < share else word for word in text]


def test_long_texts_are_compared_by_min_hash_and_none_near_stays(plan_of, batch_of) -> None:
    rng = np.random.default_rng(0)
    bases = [words(rng, int(n)) for n in rng.integers(90, 400, 25)]
    texts = [" ".join(changed(rng, base, share)) for base in bases for share in (0, 0.01, 0.02, 0.05, 0.3)]
    texts += [" ".join(base[: int(len(base) * 0.9)]) for base in bases]
    validator = fitted(plan_of, batch_of, ["nothing alike"])
    new = validator.novelty().admit(validator.sketch(batch_of(table_of(texts))))
    sets = [shingles_of(text, 3) for text in texts]
    kept = np.flatnonzero(new)
    assert max(jaccard(sets[i], sets[j]) for i in kept for j in kept if i < j) < 0.8
    assert new.reshape(-1)[:125].reshape(25, 5)[:, 0].all(), "the first of each kind is unlike all before"
    assert new[:125].reshape(25, 5)[:, 4].all(), "a text of which a third of the words differ is another"


def test_long_real_texts_are_compared_exactly(plan_of, batch_of) -> None:
    rng = np.random.default_rng(1)
    base = words(rng, 1000)
    texts = [" ".join(base[:kept]) for kept in range(760, 1001, 3)]
    verdict = fitted(plan_of, batch_of, [" ".join(base), "b"]).check(batch_of(table_of(texts)))
    whole = shingles_of(" ".join(base), 3)
    assert verdict.keep.tolist() == [jaccard(shingles_of(text, 3), whole) < 0.8 for text in texts]
    assert verdict.keep.any()
    assert verdict.details == {"close to a real row": int((~verdict.keep).sum())}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Call me NOW, please: it is late!", "call me now please it is late"),
        ("\uff23\uff21\uff2c\uff2c me now", "call ME now..."),
        ("Stra\u00dfe zum alten See", "STRASSE zum alten SEE"),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e04\u0e23"),
        (":-)", ":-)  "),
    ],
)  # fmt: skip
def test_case_width_and_punctuation_do_not_part_texts(plan_of, batch_of, one, other) -> None:
    validator = fitted(plan_of, batch_of, [one, "something else"])
    assert not validator.check(batch_of(table_of([other]))).keep.any()


def test_scripts_without_spaces_are_compared_by_character(plan_of, batch_of) -> None:
    text = "".join(chr(0x4E00 + k) for k in range(40))
    validator = fitted(plan_of, batch_of, [text, "b"])
    near, far = text[:20] + "\u9f98" + text[21:], text[::-1]
    assert validator.check(batch_of(table_of([near, far]))).keep.tolist() == [False, True]


def test_an_unseen_empty_text_and_null_are_no_error(plan_of, batch_of) -> None:
    validator = fitted(plan_of, batch_of, ["a b c", "d"])
    table = pa.table({"label": ["a"] * 3, "text": pa.array(["", None, "e"], pa.string())})
    assert validator.check(batch_of(table)).keep.all()
    assert validator.novelty().admit(validator.sketch(batch_of(table))).tolist() == [True, False, True]


def test_switched_off(plan_of, batch_of) -> None:
    validator = fitted(plan_of, batch_of, ["a b c", "d"], against_real=False, among_synthetic=False)
    batch = batch_of(table_of(["a b c", "a b c"]))
    assert validator.check(batch).keep.all()
    assert validator.novelty().admit(validator.sketch(batch)).all()


def test_packing_keeps_short_sets_and_estimates_agree() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([0, 3, 64, 65, 900])
    sets = distinct(Sets.of(rng.integers(0, 2**63, sizes.sum()).astype(np.uint64), sizes))
    short, held = unpack(pack(sets, 64))
    assert short.tolist() == [True, True, True, False, False]
    np.testing.assert_array_equal(held.take(np.arange(3)).values, sets.take(np.arange(3)).values)
    again = to_signatures(held.take(np.array([2, 4])), short[[2, 4]], 64)
    expected = to_signatures(sets.take(np.array([2, 4])), np.array([True, True]), 64)
    np.testing.assert_array_equal(again.values, expected.values)
    many = rng.integers(0, 2**63, 3000).astype(np.uint64)
    pair = min_hashes(Sets.of(np.concatenate([many[:2000], many[1000:]]), np.array([2000, 2000])), 1024)
    assert (pair[0] == pair[1]).mean() == pytest.approx(1 / 3, abs=0.06)


def test_a_memory_of_many_texts_grows_and_stays_fast() -> None:
    rng = np.random.default_rng(0)
    novelty = NearTexts(0.8, 128)
    sketches = pack(Sets.of(rng.integers(0, 2**63, 12 * 20_000).astype(np.uint64), np.full(20_000, 12)), 128)
    assert novelty.admit(sketches).all()
    assert not novelty.admit(sketches[::7].copy()).any()
    assert len(novelty._exact._runs) < 16
