"""One contract, held by every registered generator that runs here: the promises that `generators.checks` lists.

What else is asked of the registered ones, of their words and of how like real rows theirs are, follows the promises.
"""

import atexit
import os
import tempfile
from contextlib import ExitStack
from functools import cache

import pyarrow.compute as pc
import pytest

from generators import GENERATORS
from generators.checks import CHECKS
from generators.checks.models import rows_elsewhere
from generators.checks.promises import import_faults
from generators.checks.subject import Subject
from generators.checks.tables import COUNTS, LISTED, RANGED, TABLES, messy_table, with_classes
from pipelines.plan.registry import generator_class
from schemas.arrow import PARENT_ROW
from schemas.arrow import STRATUM as LABEL
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest
from tests.chat_server import ChatServer
from tests.tiny_models import tiny_marian, tiny_t5
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
TABLE = messy_table()


@cache
def table_of(modality):
    return TABLE if modality == "tabular" else TABLES[modality]()


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
    for column in (*RANGED, "spike"):
        extremes = pc.min_max(TABLE[column]).as_py().values()
        columns[column] = {"bounds": list(extremes), "nulls": TABLE[column].null_count > 0}
    columns["price"]["decimals"] = 2
    for column in LISTED:
        values = pc.unique(TABLE[column].drop_null()).to_pylist()[:50]
        columns[column] = {"categories": values, "nulls": TABLE[column].null_count > 0}
    small = {"epochs": 5, "learning_rate": 0.1, "hidden": 4, "embedding": 2, "bins": 5}
    return {"epsilon": 100, "columns": columns, **small}


@cache
def subject_of(name, modality):
    params = TINY.get(name, {})
    params = params() if callable(params) else params
    return Subject(generator_class(name), params, table_of(modality), LABEL, modality)


def modality_of(name):
    return "tabular" if name in TABULAR else "text" if name in TEXT else "image"


def make(name):
    return subject_of(name, modality_of(name)).make()


def fitted(name):
    return subject_of(name, modality_of(name)).fitted


def request(stratum="rare", rows=50):
    return SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=2**63 - 25)


ONCE = ("importable", "reload_elsewhere", "no_code")
"""Checks whose promises are looked at below: in one process for all, and with what an attacked file's error says."""
SUBJECTS = [*((name, modality_of(name)) for name in NAMES), *(("resample", modality) for modality in TABLES)]


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in ONCE])
@pytest.mark.parametrize(("name", "modality"), SUBJECTS)
def test_keeps_its_promises(name, modality, check):
    CHECKS[check].check(subject_of(name, modality), name)


@pytest.fixture(scope="module")
def elsewhere():
    """What one other process finds wrong with the rows of each saved model: to start one for each takes minutes."""
    return dict(zip(SUBJECTS, rows_elsewhere(*(subject_of(*one) for one in SUBJECTS)), strict=True))


@pytest.mark.parametrize(("name", "modality"), SUBJECTS)
def test_a_saved_model_gives_the_same_rows_in_another_process(name, modality, elsewhere):
    assert elsewhere[name, modality] == ""


def test_importing_all_generators_loads_no_heavy_library():
    assert not list(import_faults(*(generator_class(name) for name in GENERATORS)))


def test_what_is_registered_in_a_folder_is_of_its_modality():
    for name in NAMES:
        assert subject_of(name, modality_of(name)).generator.capabilities.modalities == (modality_of(name),)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.mark.parametrize("name", TABULAR)
def test_numbers_have_the_decimals_of_real_ones(name):
    price = fitted(name).sample(request("common", rows=400))["price"].drop_null()
    assert pc.round(price, 2).equals(price)


@pytest.mark.parametrize("column", ["gaps", "yes", "colour", "born", "utc", "one or null"])
@pytest.mark.parametrize("name", TABULAR)
def test_nulls_come_back_at_about_the_real_rate(name, column):
    real = TABLE.filter(pc.equal(TABLE[LABEL], "common"))[column].null_count / COUNTS["common"]
    made = fitted(name).sample(request("common", rows=400))[column].null_count / 400
    slack = 0.3 if name in ("ctgan", "copulagan") else 0.12  # two epochs teach a GAN little
    assert abs(made - real) < slack


MAY_IGNORE = {
    "causal_lm": {"model/generation_config.json"},
    "seq2seq": {"model0/generation_config.json", "model1/generation_config.json"},
}


def test_every_file_of_a_saved_model_is_read_and_a_foreign_one_is_told_in_one_sentence(name, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    fitted(name).save(saved)
    ignored = attack(saved, lambda path: make(name).load(path, "cpu"), tmp_path)
    assert ignored <= MAY_IGNORE.get(name, set())


@pytest.mark.parametrize("name", [one for one in NAMES if generator_class(one).capabilities.min_class_rows > 1])
def test_a_class_that_is_too_small_is_told_with_what_would_do(name):
    generator = make(name)
    table = with_classes(table_of(modality_of(name)), LABEL, {"common": 120, "lonely": 1})
    with pytest.raises(GeneratorError, match=rf"class 'lonely': 1 real row, and {name} needs at least 2"):
        generator.fit(table, LABEL, 1)


def test_an_unknown_class_is_told_with_the_nearest_one(name):
    with pytest.raises(
        GeneratorError, match=r"class 'rear': the model was fitted on no row of it; did you mean 'rare'\?"
    ):
        fitted(name).sample(request("rear"))


def test_an_empty_table_is_told_with_what_would_do(name):
    with pytest.raises(GeneratorError, match="the table to learn from has no rows"):
        make(name).fit(table_of(modality_of(name)).slice(0, 0), LABEL, 1)


def test_an_augmented_row_is_made_from_rows_of_its_class_alone():
    made = subject_of("resample", "tabular").fitted.sample(request(rows=400))
    assert set(made[PARENT_ROW].to_pylist()) == set(range(530, 542)), "all twelve rare rows, and no other"
