"""Damage to what a stopped build keeps for itself: made again and told, with the rows of a calm build, or one sentence.

The files that no build can make again (what a version keeps for its successors) end in that sentence. A plain build's
files are each damaged in two of the four ways by turns; `MAKEWEIGHT_FAULTS=all` takes all.
"""

import io
import json
import os
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from flows.display import LiveDisplay, PlainDisplay
from flows.mending import MOST, retry_after_mending
from flows.progress import current_listener, listen
from flows.watching.json_log import JsonLog
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.errors import DamageError
from tests.benchmarks.common import CHEAP
from tests.faults.conftest import SOURCES, tables
from tests.faults.damage import DAMAGES, Outcome, Stopped, stopped
from tests.in_process import build_in_process

pytestmark = pytest.mark.timeout(600)


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


SLOW = [pytest.param(kind, marks=[pytest.mark.slow, pytest.mark.timeout(0)]) for kind in KINDS if kind != "plain"]


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
    return Builds(build_in_process, tmp_path_factory)


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
def test_what_is_damaged_is_made_again_and_told(builds_here, tmp_path, at, damages, told):
    build, calm = builds_here.at("plain", at)
    found = build.after({pick(build, pattern): damage for pattern, damage in damages.items()}, tmp_path / "out")
    assert calm.content_hash
    assert found == calm
    assert len(found.told) == len(told)
    assert all(words in line and line.endswith("made again") for words, line in zip(told, found.told, strict=True))


@pytest.mark.usefixtures("engine")
def test_so_it_is_where_ray_finds_the_damage(builds_here, tmp_path):
    from flows.build import build as on_ray

    build, calm = builds_here.at("plain", "filled")
    damages = {r"models/.*/cheap\.json": "emptied", r"staged/.*rows\.arrow": "halved"}
    spoilt = {pick(build, pattern): damage for pattern, damage in damages.items()}
    found = replace(build, build=on_ray).after(spoilt, tmp_path / "out")
    assert found == calm
    assert "cheap.json is damaged; a fitted model" in found.told[0]


@pytest.mark.parametrize("damage", ["emptied", "flipped"])
def test_all_files_damaged_at_once_are_made_again(builds_here, tmp_path, damage):
    build, calm = builds_here.at("plain", "report")
    assert build.after(dict.fromkeys(build.files(), damage), tmp_path / "out") == calm


def ways(number, alternate):
    """Return how the file of that number is damaged: in two of the four ways by turns, or in all."""
    alternate = alternate and os.environ.get("MAKEWEIGHT_FAULTS") != "all"
    return list(DAMAGES)[number % 2 :: 2] if alternate else list(DAMAGES)


@pytest.mark.parametrize("at", ["filled", "report"])
@pytest.mark.parametrize("kind", ["plain", *SLOW])
def test_every_file_in_every_way(builds_here, tmp_path, kind, at):
    build, calm = builds_here.at(kind, at)
    assert calm.content_hash
    wrong = {}
    for number, name in enumerate(build.files(), start=at == "report"):  # what alternates does so between them, too
        for damage in ways(number, alternate=kind == "plain"):
            found = build.after({name: damage}, tmp_path / "out")
            print(kind, at, name, damage, "->", found.message or found.told, flush=True)
            if found != calm:
                wrong[name, damage] = found
    assert wrong == {}


BASE_DAMAGED = Outcome(
    message="versions/v00001: what v00001 kept for its successors is damaged; put it back from a copy, or remove it,"
    " and the next version starts anew"
)


class Grown:
    """A first version, whose source has grown since, and what a second one becomes of it."""

    def __init__(self, place, validate, stops):
        self._data = plain(place) | {"name": "grown", "validate": validate, "output": {"versions": {}}}
        self._place, base = place, place / "base"
        build_in_process(Stopped(base, self._data, build_in_process).spec(base))
        head, *rows = (place / "t.csv").read_text().splitlines()
        new = [f"0.{n},1.{n},{n % 9},{'ab'[n % 5 == 0]}" for n in range(20)]
        (place / "t.csv").write_text("\n".join([head, *new, *rows]) + "\n")  # so that all rows get their old numbers
        self.stops = {at: self._stopped(at, base) for at in stops}
        self.begun = Stopped(base, self._data, build_in_process)
        self.calm = self.begun.after({}, place / "calm")
        names = self.begun.files()
        self.refitted = self.begun.after({n: "removed" for n in names if n.endswith("fitted.json")}, place / "refitted")
        self.anew = self.begun.after({"versions/v00001/record.json": "removed"}, place / "anew")

    def _stopped(self, at, base):
        shutil.copytree(base, self._place / at)
        return stopped(self._place / at, self._data, at, build_in_process)

    def expected(self, at, name, damage):
        """Return what the second version becomes if this file is damaged, while it is at that step or not begun."""
        if name.endswith("record.json"):
            return BASE_DAMAGED if damage != "removed" else self.calm if at in self.stops else self.anew
        if at not in self.stops and name.endswith("rows.arrow"):
            return BASE_DAMAGED
        unknown = name.endswith("fitted.json") and damage == "removed"  # nothing says that there is a model
        asked = at != "report" or unknown
        return self.refitted if name.startswith("models/") and asked else self.calm


@pytest.mark.parametrize(
    ("validate", "stops"),
    [
        (["duplicates"], ["full"]),
        pytest.param(
            ["schema", "duplicates", "label_agreement"],
            ["fit", "filled", "full", "report"],
            marks=[pytest.mark.slow, pytest.mark.timeout(0)],
        ),
    ],
)
def test_every_file_of_a_version_that_is_topped_up(tmp_path, validate, stops):
    grown = Grown(tmp_path, validate, stops)
    assert len({found.content_hash for found in (grown.calm, grown.refitted, grown.anew, Outcome())}) == 4
    wrong = {}
    for at, build in [("begun", grown.begun), *grown.stops.items()]:
        for number, name in enumerate(build.files(), start=at == "begun"):
            for damage in ways(number, alternate=len(stops) == 1):
                found = build.after({name: damage}, tmp_path / "out")
                print(at, name, damage, "->", found.message or found.told, flush=True)
                if found != grown.expected(at, name, damage):
                    wrong[at, name, damage] = found
    assert wrong == {}


def test_a_shard_of_the_base_that_was_changed_is_not_carried_over(tmp_path):
    grown = Grown(tmp_path, ["duplicates"], ["full"])
    [shard, *_] = sorted(path.name for path in (tmp_path / "base" / "v00001" / "data").iterdir())
    for damage in DAMAGES:
        found = grown.begun.after({f"../v00001/data/{shard}": damage}, tmp_path / "out")
        assert re.search(f"v00001: data/{shard} cannot be read: .*; restore it, or remove the whole", found.message)
    assert grown.stops["full"].after({f"../v00001/data/{shard}": "flipped"}, tmp_path / "out") == grown.calm


def test_what_is_made_again_is_told_on_the_terminal_and_in_the_log(capsys):
    said = io.StringIO()
    for display in (PlainDisplay, LiveDisplay):
        with listen(display(Console(file=said, width=200)), JsonLog("stderr")):
            current_listener().noted("real/000000.arrow is damaged; the copy of the source is made again")
    assert said.getvalue().splitlines() == ["real/000000.arrow is damaged; the copy of the source is made again"] * 2
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"], line["note"][:17]) for line in lines] == [
        ("note", "warning", "real/000000.arrow")
    ] * 2


def test_a_disk_that_damages_all_that_is_made_again_ends_in_one_sentence(tmp_path):
    place, tried = Workspace(Folder(str(tmp_path)), "0"), []

    def work():
        place.real.write_sealed("files.json", b"[]")
        (tmp_path / ".makeweight" / "work-0" / "real" / "files.json").write_bytes(b"")
        tried.append(1)
        place.real.read_sealed("files.json")

    with pytest.raises(DamageError, match="files.json is damaged: its bytes are not those that were written; run the"):
        retry_after_mending(SimpleNamespace(workspace=place, listener=current_listener()), work)
    assert len(tried) == MOST + 1
