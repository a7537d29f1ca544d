"""Damage to what a stopped build keeps for itself: made again and told, with the rows of a calm build, or one sentence.

The files that no build can make again (what a version keeps for its successors) end in that sentence.
"""

import re

import numpy as np
import pytest

from tests.benchmarks.common import CHEAP
from tests.faults.alone import alone
from tests.faults.conftest import SOURCES, tables
from tests.faults.damage import DAMAGES, stopped


def absolute(place, data):
    data["source"]["path"] = str(place / data["source"]["path"])
    return data


def plain(place):
    """A build that imports next to nothing."""
    generator = {"name": CHEAP, "actors": 1, "chunk_rows": 40}
    return absolute(place, tables(place)) | {"name": "plain", "generator": generator}


def private(place):
    """A build with the privacy gate, which limits nothing here."""
    limits = dict.fromkeys(["attack_auc", "attack_tpr", "closer", "copies", "singling_out"])
    return plain(place) | {"privacy": {"held_out": 0.4, "limits": limits}, "validate": ["schema"]}


def evaluated(place):
    """A build with an evaluation."""
    rng = np.random.default_rng(1)
    rows = [f"{rng.normal():.4f},{rng.normal():.4f},{rng.integers(9)},{'ab'[n % 2]}" for n in range(80)]
    (place / "held_out.csv").write_text("\n".join(["x,y,n,label", *rows]) + "\n")
    settings = {"test": str(place / "held_out.csv"), "seeds": 1, "remedies": ["raw"]}
    return plain(place) | {"evaluate": settings}


def trained(place):
    """A build with a validator that learns."""
    return plain(place) | {"validate": ["schema", "duplicates", "label_agreement"]}


def of(modality):
    return lambda place: absolute(place, SOURCES[modality](place)) | {"name": modality}


KINDS = {
    "plain": plain,
    "private": private,
    "evaluated": evaluated,
    "trained": trained,
    "texts": of("texts"),
    "images": of("images"),
}


class Builds:
    """Builds of each kind that were stopped at a step, and what each ends with undisturbed."""

    def __init__(self, build, folders):
        self._build, self._folders, self._known = build, folders, {}

    def at(self, kind, at):
        if (kind, at) not in self._known:
            place = self._folders.mktemp(kind)
            made = stopped(place / "out", KINDS[kind](place), at, self._build)
            self._known[kind, at] = made, made.after({}, place / "calm")
        return self._known[kind, at]


@pytest.fixture(scope="module")
def builds_here(tmp_path_factory):
    """Builds in this process alone."""
    with alone() as build:
        yield Builds(build, tmp_path_factory)


@pytest.fixture(scope="module")
def builds_on_ray(engine, tmp_path_factory):
    """Builds on real Ray and real Prefect."""
    from flows.build import build

    return Builds(build, tmp_path_factory)


def pick(build, pattern):
    return next(name for name in build.files() if re.search(pattern, name))


@pytest.mark.parametrize(
    ("at", "damages", "told"),
    [
        ("report", {r"real/0.*arrow": "emptied"}, ["real/000000.arrow is damaged; the copy of the source"]),
        (
            "report",
            {r"staged/.*rows\.arrow": "flipped", r"filled/accepted": "halved"},
            ["filled/accepted.arrow is damaged; the choice of accepted rows", "1 staged chunk(s) were damaged"],
        ),
        pytest.param(
            "report",
            {r"staged/.*rows\.arrow": "removed"},
            [".rows.arrow is gone; a staged chunk"],
            marks=pytest.mark.slow,
        ),
        (
            "filled",
            {r"models/.*/cheap\.json": "emptied", r"staged/.*rows\.arrow": "halved"},
            ["cheap.json is damaged; a fitted model", "1 staged chunk(s) were damaged"],
        ),
        pytest.param(
            "filled",
            {r"models/.*/fitted\.json": "flipped", r"validators/1/.*(?<!fitted\.json)$": "emptied"},
            ["fitted.json is damaged; a fitted model", "is damaged; a fitted validator"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_damaged_is_made_again_and_told(builds_on_ray, tmp_path, at, damages, told):
    build, calm = builds_on_ray.at("plain", at)
    found = build.after({pick(build, pattern): damage for pattern, damage in damages.items()}, tmp_path / "out")
    assert calm.content_hash
    assert found == calm
    assert len(found.told) == len(told)
    assert all(words in line and line.endswith("made again") for words, line in zip(told, found.told, strict=True))


@pytest.mark.parametrize("damage", ["emptied", "flipped"])
def test_all_files_damaged_at_once_are_made_again(builds_here, tmp_path, damage):
    build, calm = builds_here.at("plain", "report")
    assert build.after(dict.fromkeys(build.files(), damage), tmp_path / "out") == calm


@pytest.mark.parametrize("at", ["filled", "report"])
@pytest.mark.parametrize(
    "kind", ["plain", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "plain")]
)
def test_every_file_in_every_way(builds_here, tmp_path, kind, at):
    build, calm = builds_here.at(kind, at)
    assert calm.content_hash
    wrong = {}
    for name in build.files():
        for damage in DAMAGES:
            found = build.after({name: damage}, tmp_path / "out")
            print(kind, at, name, damage, "->", found.message or found.told, flush=True)
            if found != calm:
                wrong[name, damage] = found
    assert wrong == {}
