"""One contract, held by every registered generator that runs here: what `generators.base.Generator` promises."""

import atexit
import datetime as dt
import importlib
import os
import pickle
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from generators import GENERATORS
from generators.image.codec import Encoding, decode, encode
from generators.image.rows import bytes_of
from schemas.arrow import IMAGE as IMAGE_TYPE
from schemas.arrow import PARENT_ROW
from schemas.errors import GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import parse
from tests.chat_server import ChatServer
from tests.tiny_models import WORDS, tiny_marian, tiny_t5
from tests.traps import attack

TABULAR = sorted(name for name, place in GENERATORS.items() if place.startswith("generators.tabular"))
NETWORK = {"epochs": 2, "batch_size": 100, "embedding_dim": 8}
TINY = {
    "autoregressive": {"epochs": 2, "min_steps": 80, "hidden": 16},
    "ctgan": {**NETWORK, "generator_dim": [16], "discriminator_dim": [16]},
    "copulagan": {**NETWORK, "generator_dim": [16], "discriminator_dim": [16]},
    "tvae": {**NETWORK, "epochs": 20, "compress_dims": [16], "decompress_dims": [16]},
}
TEXT = sorted(name for name, place in GENERATORS.items() if place.startswith("generators.text") and name != "vllm")
IMAGE = sorted(name for name, place in GENERATORS.items() if place.startswith("generators.image"))
NAMES = [*TABULAR, *TEXT, *IMAGE]
LABEL = "_stratum"
COUNTS = {"common": 380, "middle": 150, "rare": 12}


def messy_table(counts: dict[str, int]) -> pa.Table:
    rng = np.random.default_rng(3)
    classes = np.repeat(list(counts), list(counts.values()))
    rows = len(classes)
    day = dt.date(1950, 1, 1)
    now = dt.datetime(1969, 12, 30, 12, 30, 15, 123456)
    days = [day + dt.timedelta(days=int(d)) for d in rng.integers(0, 30_000, rows)]
    times = [now + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**8, rows)]
    return pa.table(
        {
            "whole": pa.array(rng.integers(-50, 50, rows)),
            "gaps": pa.array(rng.integers(0, 10**6, rows), mask=rng.random(rows) < 0.4),
            "huge": pa.array(rng.integers(-(2**63), 2**63 - 1, rows)),
            LABEL: pa.array(classes.tolist()),
            "price": pa.array(np.round(rng.normal(100, 20, rows), 2), mask=rng.random(rows) < 0.1),
            "spike": pa.array(np.where(rng.random(rows) < 0.8, 0, rng.integers(1, 5000, rows))),
            "yes": pa.array(rng.random(rows) < 0.3, mask=rng.random(rows) < 0.4),
            "colour": pa.array(rng.choice(["red", "green", "blue"], rows), mask=rng.random(rows) < 0.4),
            "digits": pa.array(rng.choice(["007", "1e5", "", "null"], rows)),
            "many": pa.array([f"user {n}" for n in range(rows)]),
            "born": pa.array(days, pa.date32(), mask=rng.random(rows) < 0.4),
            "seen": pa.array(times, pa.timestamp("us")),
            "utc": pa.array(times, pa.timestamp("us", "UTC"), mask=rng.random(rows) < 0.4),
            "constant": pa.array(["same"] * rows),
            "one or null": pa.array([7] * rows, mask=rng.random(rows) < 0.4),
            "nothing": pa.nulls(rows, pa.float64()),
            "no day": pa.nulls(rows, pa.date32()),
        }
    )


TABLE = messy_table(COUNTS)


def text_table(counts: dict[str, int]) -> pa.Table:
    """Return texts of every sort, under a name that no code can guess."""
    rng = np.random.default_rng(4)
    odd = ["今天天气很好。", "!?", "x", "e\u0301te\u0301 https://a.org/b?c=1", " two  spaces ", "long " * 300]
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(sum(counts.values()))]
    texts[: len(odd)] = odd[: len(texts)]
    return pa.table({LABEL: np.repeat(list(counts), list(counts.values())).tolist(), "what was said": texts})


TEXT_TABLE = text_table(COUNTS)


def image_table(counts: dict[str, int]) -> pa.Table:
    """Return small RGB images, each class of another colour, under a name that no code can guess."""
    rng = np.random.default_rng(5)
    encoding = Encoding("png")
    images = []
    for number, rows in enumerate(counts.values()):
        pixels = rng.integers(0, 100, (rows, 12, 12, 3), np.uint8)
        pixels[..., number % 3] += 100
        images += [{"bytes": encode(image, encoding), "path": None} for image in pixels]
    seen = pa.field("what was seen", IMAGE_TYPE, metadata=encoding.metadata())
    classes = np.repeat(list(counts), list(counts.values())).tolist()
    return pa.table([images, classes], pa.schema([seen, pa.field(LABEL, pa.string())]))


IMAGE_TABLE = image_table(COUNTS)


def source(name, counts=None):
    if counts is None:
        return TEXT_TABLE if name in TEXT else IMAGE_TABLE if name in IMAGE else TABLE
    return (text_table if name in TEXT else image_table if name in IMAGE else messy_table)(counts)


KEPT = ExitStack()  # a folder and a server, until the process ends; after that its server could not be stopped
atexit.register(KEPT.close)


@cache
def chat_params():
    """Return an endpoint that this process serves; other processes have its answers in their cache."""
    if "CONTRACT_CHAT" not in os.environ:
        os.environ["CONTRACT_CACHE"] = KEPT.enter_context(tempfile.TemporaryDirectory())
        os.environ["CONTRACT_CHAT"] = KEPT.enter_context(ChatServer().running()).url
    return {"base_url": os.environ["CONTRACT_CHAT"], "model": "m", "cache": os.environ["CONTRACT_CACHE"]}


def pretrained_params():
    from tests.tiny_models import tiny_diffusion

    return {"model": tiny_diffusion(), "steps": 2}


TRAINED = {"steps": 3, "look_every": 2, "batch_rows": 8, "warm_up": 1}
TINY |= {
    "causal_lm": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 300, "max_steps": 4, "max_tokens": 8},
    "seq2seq": lambda: {"model": tiny_t5(), "back": tiny_marian(), "max_tokens": 6, "read_tokens": 32},
    "dp_autoregressive": lambda: private_params(),
    "endpoint": chat_params,
    "diffusion": {**TRAINED, "widths": [8], "sample_steps": 2},
    "gan": {**TRAINED, "width": 8},
    "vae": {**TRAINED, "width": 8},
    "pretrained": pretrained_params,
}


def private_params():
    """Declare just what the messy table holds, so that values are held to its range and form; nothing else may."""
    os.environ.setdefault("MAKEWEIGHT_NOISE_KEY", "a secret of the tests")
    columns = {}
    for column in ("whole", "gaps", "huge", "price", "spike", "born", "seen", "utc"):
        extremes = pc.min_max(TABLE[column]).as_py().values()
        columns[column] = {"bounds": list(extremes), "nulls": TABLE[column].null_count > 0}
    columns["price"]["decimals"] = 2
    for column in ("colour", "digits", "many", "constant", "one or null", "nothing", "no day"):
        values = pc.unique(TABLE[column].drop_null()).to_pylist()[:50]
        columns[column] = {"categories": values, "nulls": TABLE[column].null_count > 0}
    small = {"epochs": 5, "learning_rate": 0.1, "hidden": 4, "embedding": 2, "bins": 5}
    return {"epsilon": 100, "columns": columns, **small}


def make(name):
    module, _, cls = GENERATORS[name].partition(":")
    generator = getattr(importlib.import_module(module), cls)
    params = TINY.get(name, {})
    return generator(generator.Params(**(params() if callable(params) else params)))


@cache
def fitted(name):
    generator = make(name)
    generator.fit(source(name), LABEL, 2**62 + 11)
    return generator


def request(stratum="rare", chunk=0, rows=50, seed=2**63 - 25):
    return SampleRequest(stratum=stratum, chunk=chunk, rows=rows, seed=seed + chunk)


def global_state():
    import torch

    return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()))


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=TABULAR)
def tabular(request):
    return request.param


def without_parents(name, made, stratum, real):
    """Return the made rows alone; of an augmenting generator, after a look at the parents."""
    if make(name).capabilities.origin != "augmented":
        return made
    assert made.schema.field(PARENT_ROW).type == pa.int64()
    assert pc.unique(real[LABEL].take(made[PARENT_ROW])).to_pylist() == [stratum]
    return made.drop_columns(PARENT_ROW)


@pytest.mark.parametrize("stratum", COUNTS)
def test_rows_schema_and_class_are_exactly_as_asked(name, stratum):
    for rows in (1, 37):
        table = without_parents(name, fitted(name).sample(request(stratum, rows=rows)), stratum, source(name))
        table.validate(full=True)
        assert table.schema == source(name).schema
        assert table.num_rows == rows
        assert pc.unique(table[LABEL]).to_pylist() == [stratum]


def test_same_request_same_rows_whatever_was_served_before(name):
    first = fitted(name).sample(request())
    other = fitted(name).sample(request(chunk=1))
    fitted(name).sample(request("common", rows=7))
    assert fitted(name).sample(request()).equals(first)
    assert not other.equals(first)


def test_same_table_same_seed_same_model(name):
    again = make(name)
    again.fit(source(name), LABEL, 2**62 + 11)
    assert again.sample(request()).equals(fitted(name).sample(request()))


@pytest.mark.parametrize("name", TEXT)
def test_texts_are_never_null_nor_empty(name):
    for stratum in COUNTS:
        texts = fitted(name).sample(request(stratum, rows=200))["what was said"]
        assert all(text and text.strip() for text in texts.to_pylist())


def test_values_are_of_the_real_ones_range_and_form(tabular):
    table = fitted(tabular).sample(request("common", rows=400))
    for column in ("whole", "gaps", "huge", "price", "born", "seen", "utc"):
        real, made = pc.min_max(TABLE[column]).as_py(), pc.min_max(table[column]).as_py()
        assert real["min"] <= made["min"] <= made["max"] <= real["max"]
    for column in ("colour", "digits", "many", "constant", "one or null", "nothing", "no day"):
        assert set(table[column].to_pylist()) <= set(TABLE[column].to_pylist())
    price = table["price"].drop_null()
    assert pc.round(price, 2).equals(price)


@pytest.mark.parametrize("column", ["gaps", "yes", "colour", "born", "utc", "one or null"])
def test_nulls_come_back_at_about_the_real_rate(tabular, column):
    real = TABLE.filter(pc.equal(TABLE[LABEL], "common"))[column].null_count / COUNTS["common"]
    made = fitted(tabular).sample(request("common", rows=400))[column].null_count / 400
    slack = 0.3 if tabular in ("ctgan", "copulagan") else 0.12  # two epochs teach a GAN little
    assert abs(made - real) < slack


@pytest.mark.parametrize("name", IMAGE)
def test_images_are_of_the_real_ones_size_and_encoded_alike(name):
    made = fitted(name).sample(request())
    field = made.schema.field("what was seen")
    assert Encoding.of(field.metadata) == Encoding("png")
    for data in bytes_of(made["what was seen"]):
        assert data[:4] == b"\x89PNG"
        assert decode(data).shape == (12, 12, 3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every model saved, and what another process makes of each."""
    root = tmp_path_factory.mktemp("models")
    for name in NAMES:
        (root / name).mkdir()
        fitted(name).save(root / name)
        fitted(name).sample(request())
    script = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "import pyarrow.parquet as pq, test_contract as t\n"
        "for name in t.NAMES:\n"
        "    generator = t.make(name)\n"
        "    generator.load(t.Path(sys.argv[3]) / name, 'cpu')\n"
        "    pq.write_table(generator.sample(t.request()), f'{sys.argv[3]}/{name}.parquet')\n"
    )
    here = Path(__file__).parent
    subprocess.run([sys.executable, "-c", script, str(here), str(here.parents[1]), str(root)], check=True)
    return root


def test_saved_models_give_the_same_rows_here_and_in_another_process(name, saved):
    loaded = make(name)
    loaded.load(saved / name, "cpu")
    expected = fitted(name).sample(request())
    assert loaded.sample(request()).equals(expected)
    assert pq.read_table(saved / f"{name}.parquet").equals(expected)


MAY_IGNORE = {
    "causal_lm": {"model/generation_config.json"},
    "seq2seq": {"model0/generation_config.json", "model1/generation_config.json"},
}


def test_no_file_of_a_saved_model_can_run_code(name, saved, tmp_path):
    ignored = attack(saved / name, lambda path: make(name).load(path, "cpu"), tmp_path)
    assert ignored <= MAY_IGNORE.get(name, set())


def test_global_random_state_is_left_alone(name):
    fitted(name).sample(request())  # libraries are imported now
    before = global_state()
    generator = make(name)
    generator.fit(source(name).slice(300), LABEL, 5)
    generator.sample(request())
    assert global_state() == before


def test_nothing_is_printed(name, capfd):
    generator = make(name)
    generator.fit(source(name).slice(300), LABEL, 5)
    generator.sample(request())
    assert capfd.readouterr() == ("", "")


def test_class_of_one_row_works_or_is_refused_by_name(name):
    table = source(name, {"common": 120, "lonely": 1})
    generator = make(name)
    if generator.capabilities.min_class_rows > 1:
        with pytest.raises(GeneratorError, match=rf"class 'lonely': 1 real row, and {name} needs at least 2"):
            generator.fit(table, LABEL, 1)
    else:
        generator.fit(table, LABEL, 1)
        assert generator.sample(request("lonely", rows=20)).num_rows == 20


def test_smallest_class_that_is_allowed_works(name):
    generator = make(name)
    generator.fit(source(name, {"common": 120, "few": generator.capabilities.min_class_rows}), LABEL, 1)
    assert generator.sample(request("few", rows=20)).num_rows == 20


@pytest.mark.parametrize(
    "columns", [[LABEL], [LABEL, "constant"], [LABEL, "nothing"], [LABEL, "gaps"], ["many", LABEL]]
)
def test_few_columns(tabular, columns):
    generator = make(tabular)
    real = TABLE.select(columns)
    generator.fit(real, LABEL, 1)
    table = without_parents(tabular, generator.sample(request(rows=20)), "rare", real)
    assert table.schema == TABLE.select(columns).schema
    assert pc.unique(table[LABEL]).to_pylist() == ["rare"]


def test_one_class_alone(name):
    generator = make(name)
    generator.fit(source(name, {"only": 60}), LABEL, 1)
    assert generator.sample(request("only", rows=20)).num_rows == 20


def test_unknown_class_is_refused(name):
    with pytest.raises(
        GeneratorError, match=r"class 'rear': the model was fitted on no row of it; did you mean 'rare'\?"
    ):
        fitted(name).sample(request("rear"))


def test_empty_table_is_refused(name):
    with pytest.raises(GeneratorError, match="the table to learn from has no rows"):
        make(name).fit(source(name).slice(0, 0), LABEL, 1)


def test_unknown_parameter_is_refused(name):
    module, _, cls = GENERATORS[name].partition(":")
    with pytest.raises(SpecError, match="unknown key 'epoks'"):
        parse(getattr(importlib.import_module(module), cls).Params, {"epoks": 3})


def test_importing_generators_loads_no_heavy_library():
    heavy = ["torch", "sdv", "pandas", "imblearn", "sklearn", "transformers", "openai", "regex", "vllm"]
    heavy += ["diffusers", "albumentations", "cv2", "opacus"]
    modules = sorted({place.partition(":")[0] for place in GENERATORS.values()})
    script = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]"
