"""Every refusal that advises a key of the spec shows it, and a spec in which it is done can be planned."""

import ast
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.spec_file import load_spec
from pipelines.judge.evaluate.held_out import read_held_out
from pipelines.judge.evaluate.held_out import test_source as held_out_source
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import mended, propose, write_proposal
from pipelines.source.files import find_files, fingerprint
from pipelines.source.hashed_reading import hashed
from schemas.errors import Advice, SourceError, SpecError
from schemas.spec import Spec, parse
from tests.conftest import ROOT

BEYOND = 300_000
"""Times that two short rows take a file beyond what is looked at first."""

Draft = dict[str, Any]


def text(name: str, data: str | bytes, **keys: Any) -> Callable[[Path], Draft]:
    def write(folder: Path) -> Draft:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return {"source": {"path": str(folder / name), "label": "y", **keys}}

    return write


def table(column: pa.Array, name: str = "d.parquet", **keys: Any) -> Callable[[Path], Draft]:
    def write(folder: Path) -> Draft:
        rows = pa.array(range(len(column)))
        pq.write_table(pa.table({"n": rows, "x": column, "y": ["a", "b"] * (len(column) // 2)}), folder / name)
        return {"source": {"path": str(folder / name), "label": "y", **keys}}

    return write


def folders(
    spoil: Callable[[Path], object] = lambda _: None, mode: str = "RGB", **parts: Any
) -> Callable[[Path], Draft]:
    def write(folder: Path) -> Draft:
        root = folder / "pictures"
        for number in range(8):
            place = root / ("cat" if number % 2 else "dog") / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            picture(number, (8, 8)).convert(mode).save(place)
        spoil(root)
        return {**parts, "source": {"path": str(root), **parts.get("source", {})}}

    return write


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8))


def coco(box: list[float] | None = None, outline: list[float] | None = None, **parts: Any) -> Callable[[Path], Draft]:
    def write(folder: Path) -> Draft:
        root, marks = folder / "marked", []
        root.mkdir()
        for number in range(6):
            picture(number, (16, 16)).save(root / f"{number}.png")
            place = [2.0, 2.0, 5.0, 5.0] if number else box or [2.0, 2.0, 5.0, 5.0]
            shape = {"segmentation": [outline]} if outline else {}
            marks.append({"id": number, "image_id": number, "category_id": 1 + (number > 3), "bbox": place, **shape})
        images = [{"id": n, "file_name": f"{n}.png", "width": 16, "height": 16} for n in range(6)]
        named = [{"id": 1, "name": "cell"}, {"id": 2, "name": "spot"}]
        whole = {"images": images, "annotations": marks, "categories": named}
        (root / "annotations.json").write_text(json.dumps(whole))
        return {**parts, "source": {"path": str(root), "label": "category", **parts.get("source", {})}}

    return write


def times(folder: Path) -> Draft:
    (folder / "many").mkdir()
    for kind in ("s", "us"):
        spans = pa.array([60, 90, 10, 20], pa.int64()).cast(pa.duration(kind))
        rows = pa.table({"n": [1, 2, 3, 5], "x": spans, "y": ["a", "b", "a", "b"]})
        pq.write_table(rows, folder / "many" / f"{kind}.parquet")
    return {"source": {"path": str(folder / "many"), "label": "y"}}


def stray(root: Path) -> None:
    (root / "labels").mkdir()
    (root / "labels" / "0.txt").write_text("0 0.5 0.5 0.2 0.2\n")


def moving(root: Path) -> None:
    first, *others = (picture(number, (8, 8)) for number in range(3))
    first.save(root / "cat" / "moving.gif", save_all=True, append_images=others)


def deep(root: Path) -> None:
    Image.fromarray(np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)).save(root / "cat" / "deep.png")


def split(folder: Path) -> Draft:
    (folder / "parts").mkdir()
    for name in ("train", "test"):
        (folder / "parts" / f"{name}.csv").write_text(ROWS)
    return {"source": {"path": str(folder / "parts"), "label": "y"}}


def held_out(folder: Path) -> Draft:
    (folder / "held.csv").write_text(f"{ROWS}7,\n")
    return {**text("d.csv", ROWS)(folder), "evaluate": {"test": str(folder / "held.csv")}}


ROWS = "n,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(12))
JSON = "".join(json.dumps({"n": n, "y": "ab"[n % 2], "x": [n]}) + "\n" for n in range(12))
WORDS = "".join(f"this is the message number {n} of many others,{'ab'[n % 3 == 0]}\n" for n in range(40))
SMOTE = {"generator": {"name": "smote"}}

CASES: dict[str, list[Callable[[Path], Draft]]] = {
    "missing-label": [text("d.csv", f"{ROWS}7,\n")],
    "missing-text": [text("d.csv", f"text,y\n{WORDS},a\n", text="text")],
    "missing-held-out-label": [held_out],
    "nested-values": [text("d.jsonl", JSON)],
    "no-feature": [table(pa.array([[1], [2], [3], [4]]))],
    "times-counted-differently": [times],
    "own-names": [table(pa.array([1.5, 2.5, 3.0, 4.0]), header=["n", "x", "y"]), text("d.jsonl", JSON, header=["n"])],
    "not-utf8": [
        text("d.csv", f"{ROWS}7,\xfc\n8,\xfc\n".encode("cp1252")),
        text("d.jsonl", '{"n": 1, "y": "\xfc"}\n{"n": 1, "y": "b"}\n{"n": 2, "y": "b"}\n'.encode("cp1252")),
    ],
    "other-encoding": [text("d.csv", b"\xef\xbb\xbf" + ROWS.encode(), encoding="cp1252")],
    "late-escape": [text("d.csv", "t,y\n" + "u,a\nv,b\n" * BEYOND + '"say \\"hi\\" bob",a\n')],
    "late-quotes": [text("d.tsv", "t\ty\n" + "u\ta\nv\tb\n" * BEYOND + '"a\tb"\ta\n')],
    "unknown-column": [text("d.csv", "a b y\n" + "".join(f"{n} {n % 3} {'uv'[n % 2]}\n" for n in range(9)))],
    "several-splits": [split],
    "no-splits": [text("d.csv", ROWS, split="train"), folders(source={"split": "train"})],
    "unreadable-images": [folders(lambda root: (root / "cat" / "bad.png").write_bytes(b"no image"))],
    "animated-images": [folders(moving)],
    "deep-images": [folders(deep), folders(deep, "L")],
    "grey-webp": [folders(source={"images": {"mode": "L", "format": "webp"}})],
    "several-sizes": [
        folders(lambda root: picture(9, (9, 12)).save(root / "cat" / "wide.png"), generator={"name": "vae"})
    ],
    "stray-labels": [folders(stray)],
    "faulty-boxes": [coco(box=[12.0, 12.0, 9.0, 9.0])],
    "label-of-boxes": [coco(source={"label": "kind"})],
    "makes-no-boxes": [coco(generator={"name": "gan"})],
    "boxes-balanced-by": [coco(balance={"by": ["category"]})],
    "boxes-cropped": [coco(source={"images": {"size": [8, 8], "fit": "crop"}})],
    "masks-resized": [coco(outline=[2, 2, 7, 2, 7, 7], source={"images": {"size": [8, 8], "fit": "pad"}})],
    "few-rows": [lambda folder: {**text("d.csv", f"{ROWS}7,c\n")(folder), **SMOTE}],
    "other-modality": [lambda folder: {**text("d.csv", ROWS, modality="text")(folder), **SMOTE}],
    "texts-as-table": [text("d.csv", f"text,y\n{WORDS}")],
}
"""Sources, and keys of a spec, that are refused with advice, by the code."""


def advised() -> set[str]:
    """Return the codes of all refusals in the code that come with advice."""
    return {code for room in ("schemas", "generators", "pipelines", "flows") for code in _advised_in(ROOT / room)}


def _advised_in(room: Path) -> set[str]:
    calls = [node for file in room.rglob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    found = set()
    for call in (node for node in calls if isinstance(node, ast.Call)):
        keys = {one.arg: one.value for one in call.keywords}
        named = isinstance(call.func, ast.Name) and call.func.id == "Fault"
        if named and len(call.args) == 4:
            keys |= {"code": call.args[2], "advice": call.args[3]}
        if "advice" in keys and isinstance(keys.get("code"), ast.Constant):
            found.add(keys["code"].value)
    return found


def test_every_code_with_advice_is_provoked_here() -> None:
    assert advised() == set(CASES)


@pytest.mark.parametrize(("code", "number"), [(code, n) for code, cases in CASES.items() for n in range(len(cases))])
def test_what_is_advised_is_shown_and_mends_the_spec(tmp_path: Path, code: str, number: int) -> None:
    draft = {"name": "t", "output": {"path": str(tmp_path / "out")}, **CASES[code][number](tmp_path)}
    with pytest.raises((SourceError, SpecError)) as refused:
        planned(draft)
    error = refused.value
    assert error.code == code
    assert isinstance(error.advice, Advice)
    assert str(error.advice) in str(error)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.code, again.advice, str(again)) == (error.code, error.advice, str(error))
    found = error.record()
    assert (found["code"], found["advice"]) == (code, {"key": error.advice.key, "value": error.advice.plain})
    done, plan, notes = mended(draft, planned)
    assert any(stratum.target for stratum in plan.strata)
    assert notes[0].startswith(f"{error.advice.key} was set, since ")
    assert done != draft


@pytest.mark.parametrize(
    "code",
    [code for code in CASES if code not in ("missing-held-out-label", "other-modality")],  # no word of the source
)
def test_init_ends_with_a_spec_that_plans(tmp_path: Path, code: str) -> None:
    draft = CASES[code][0](tmp_path)
    keys = dict(draft["source"])
    proposal = propose(keys.pop("path"), keys.pop("label", None), str(tmp_path / "spec.yaml"), keys)
    write_proposal(proposal)
    assert make_plan(load_spec(proposal.file)[0]).strata == proposal.plan.strata


def planned(draft: Draft) -> Any:
    """Plan a draft, and read the held-out rows that it names."""
    spec = parse(Spec, draft)
    plan = make_plan(spec)
    if spec.evaluate:
        asked = held_out_source(spec.source, plan, spec.evaluate)
        files = hashed(find_files(asked))
        mark = fingerprint(files, asked, files.contents())
        list(read_held_out(spec.source, plan, spec.evaluate, [], mark))
    return plan
