"""Builds of images: exact, reproducible, resumed in the middle of a training; and what was built opens everywhere."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.build import build
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from schemas.errors import MakeweightError, SpecError
from schemas.spec import Spec, parse
from tests.in_process import without_engines

COUNTS = {"0": 60, "1": 25, "7": 10}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Class folders of scikit-learn's digits, some of three of them."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("digits")
    images, labels = load_digits(return_X_y=True)
    for label, count in COUNTS.items():
        (folder / label).mkdir()
        for number, row in enumerate(images[labels == int(label)][:count]):
            Image.fromarray((row.reshape(8, 8) * 15.9).astype(np.uint8)).save(folder / label / f"{number:03}.png")
    return folder


def spec_for(path, out, *, label="label", source=None, **parts):
    data = {"name": "i", "source": {"path": str(path), "label": label, **(source or {})}, "output": {"path": str(out)}}
    return parse(Spec, data | {"generator": {"name": "augment", "actors": 2}} | parts)


@pytest.fixture(scope="module")
def built(digits, tmp_path_factory, engine):
    """The digits balanced with one actor here and with two on Ray, and their manifests."""
    folder = tmp_path_factory.mktemp("built")
    generator = {"name": "augment", "params": {"flip": False}, "chunk_rows": 16}
    specs = [spec_for(digits, folder / str(n), generator={**generator, "actors": n}) for n in (1, 2)]
    with without_engines():
        alone = build(specs[0])
    return folder, [alone, build(specs[1])]


def test_every_class_is_full_and_the_bytes_do_not_depend_on_the_number_of_actors(built):
    folder, manifests = built
    assert manifests[0] == manifests[1]
    table = pq.read_table(folder / "1" / "data")
    counts = {row["values"]: row["counts"] for row in table["label"].value_counts().to_pylist()}
    assert counts == dict.fromkeys(COUNTS, 60)
    assert verify(str(folder / "1")).problems == []


def test_real_images_are_the_files_themselves_and_made_ones_name_their_parent(built, digits):
    table = pq.read_table(built[0] / "1" / "data").to_pylist()
    real = {row["_id"]: row for row in table if row["_origin"] == "real"}
    for row in real.values():
        assert row["image"]["bytes"] == (digits / row["image"]["path"]).read_bytes()
        assert row["image"]["path"].split("/")[0] == row["label"]
    made = [row for row in table if row["_origin"] == "augmented"]
    assert len(made) == 180 - 95
    for row in made:
        assert real[row["_parent"]]["label"] == row["label"]
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (8, 8))


def test_datasets_decodes_the_images_by_itself(built, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(str(built[0] / "1"), cache_dir=str(tmp_path))["train"]
    assert loaded.features["image"] == datasets.Image()
    assert loaded.num_rows == 180
    assert loaded[0]["image"].size == (8, 8)


def test_the_common_tools_open_it(built):
    import duckdb
    import pandas as pd
    import polars as pl
    import ray.data

    files = f"{built[0]}/1/data/*.parquet"
    frame = pd.read_parquet(built[0] / "1" / "data")
    assert Image.open(io.BytesIO(frame.image[0]["bytes"])).size == (8, 8)
    assert pl.read_parquet(files)["image"].struct.field("bytes").null_count() == 0
    rows, least = duckdb.read_parquet(files).aggregate("count(*), min(octet_length(image.bytes))").fetchall()[0]
    assert (rows, least > 60) == (180, True)
    assert ray.data.read_parquet(f"{built[0]}/1/data").count() == 180


def test_the_report_shows_the_images(built):
    page = (built[0] / "1" / "report.html").read_text()
    assert page.count("data:image/png;base64,") > 40
    assert "Images are 8 x 8 pixels, grey." in page


def squares(folder: Path) -> Path:
    """Write twelve VOC images of 64 x 48 with a white square each, and a black one in every fourth."""
    rng = np.random.default_rng(5)
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for number in range(12):
        pixels = rng.integers(100, 140, (48, 64, 3), np.uint8)
        objects = ""
        for name, value, left in (("white", 255, 2), ("black", 0, 40))[: 2 if number % 4 == 0 else 1]:
            x, y, side = left + int(rng.integers(12)), int(rng.integers(30)), int(rng.integers(6, 12))
            pixels[y : y + side, x : x + side] = value
            corners = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + side}</xmax><ymax>{y + side}</ymax>"
            objects += f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{number:02}.jpg", quality=98)
        text = f"<annotation><filename>{number:02}.jpg</filename>{objects}</annotation>"
        (folder / "Annotations" / f"{number:02}.xml").write_text(text)
    return folder


@pytest.mark.usefixtures("in_process")
def test_boxes_are_balanced_and_lie_where_their_objects_are(tmp_path):
    spec = spec_for(squares(tmp_path / "squares"), tmp_path / "out", label="category", balance={"target": {"black": 9}})
    manifest = build(spec)
    assert {name: (one.before, one.target, one.reached) for name, one in manifest.boxes.items()} == {
        "black": (3, 9, 7),  # with each black square comes a white one, and four more of these are a third too many
        "white": (12, 12, 16),
    }
    assert verify(spec.output.path).problems == []
    table = pq.read_table(tmp_path / "out" / "data")
    seen = 0
    for row in table.filter(pc.field("_origin") == "augmented").to_pylist():
        pixels = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))).mean(axis=2)
        for one in row["objects"]:
            x, y, width, height = one["bbox"]
            assert 0 <= x < x + width <= 64
            assert 0 <= y < y + height <= 48
            inside = pixels[int(y + 1) : int(y + height - 1), int(x + 1) : int(x + width - 1)].mean()
            assert inside > 190 if one["category"] == "white" else inside < 70
            seen += 1
    assert seen > 0
    assert "Boxes by class" in (tmp_path / "out" / "report.html").read_text()


class KillTraining(Listener):
    """Kills the actor that trains when it has reported for the first time."""

    def __init__(self):
        self.killed, self.steps = 0, []

    def trained(self, progress):
        self.steps.append(progress.step)
        if not self.killed:
            import psutil

            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # others come and go meanwhile
                    if any("ray::FittingActor" in part for part in process.cmdline()):
                        process.kill()
                        self.killed += 1


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_training_that_is_killed_goes_on_and_ends_the_same(digits, tmp_path):
    params = {"steps": 300, "look_every": 30}
    parts = {"generator": {"name": "vae", "actors": 1, "params": params}, "validate": ["duplicates"]}
    expected = build(spec_for(digits, tmp_path / "calm", **parts))
    killer = KillTraining()
    with listen(killer):
        manifest = build(spec_for(digits, tmp_path / "stormy", **parts))
    assert killer.killed == 1
    assert len(killer.steps) > 1
    assert manifest == expected
    assert not list((tmp_path / "stormy").glob(".makeweight/models/*.training")), "the training's state is cleared"


@pytest.mark.usefixtures("engine")
def test_a_gpu_that_is_not_there_is_told_before_any_work(digits, tmp_path):
    spec = spec_for(digits, tmp_path / "out", generator={"name": "vae", "actors": 1, "gpus": 1})
    with pytest.raises(
        SpecError, match="generator: asks for 1 actor.s. of 1 CPU and 1 GPU, but there are 4 CPU and 0 G"
    ):
        build(spec)
    assert not list((tmp_path / "out").glob(".makeweight/models/*"))


@pytest.mark.parametrize("name", ["diffusion", "gan", "vae"])
def test_a_network_needs_images_of_one_size(digits, tmp_path, name):
    for label in ("0", "1"):
        (tmp_path / "mixed" / label).mkdir(parents=True)
        for side in (8, 9, 10):
            Image.new("L", (side, side), side * 10).save(tmp_path / "mixed" / label / f"{side}.png")
    from pipelines.plan.planning import make_plan

    balance = {"target": 9}
    with pytest.raises(SpecError, match=f"source.images.size: '{name}' learns from images of one size, and these have"):
        make_plan(spec_for(tmp_path / "mixed", tmp_path / "out", generator={"name": name}, balance=balance))
    make_plan(spec_for(tmp_path / "mixed", tmp_path / "out", balance=balance))


def test_marked_images_need_a_generator_that_makes_boxes(tmp_path):
    from pipelines.plan.planning import make_plan

    source = squares(tmp_path / "squares")
    with pytest.raises(MakeweightError, match="'gan' makes no boxes; set generator.name: augment"):
        make_plan(spec_for(source, tmp_path / "out", label="category", generator={"name": "gan"}))
    with pytest.raises(MakeweightError, match="balance.by: marked images are balanced by the classes of their boxes"):
        make_plan(spec_for(source, tmp_path / "out", label="category", balance={"by": ["category"]}))
    plan = make_plan(spec_for(source, tmp_path / "out", label="category", validate=["image"]))
    assert [step.name for step in plan.validators] == ["image", "boxes"], "what strata promise is always checked"
