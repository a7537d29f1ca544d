"""Small sources of each modality, and one Prefect home for all builds, as a user has one."""

import json
import os
import random

import numpy as np
import pytest

from flows.spec_file import load_spec
from tests.faults.harness import Bench
from tests.in_process import build_in_process

WORDS = ["amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty"]


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory):
    return tmp_path_factory.mktemp("prefect")


def tables(place):
    """Write 150 rows, of which 30 are rare."""
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal():.4f},{rng.normal():.4f},{rng.integers(9)},{'ab'[n % 5 == 0]}" for n in range(150)]
    (place / "t.csv").write_text("\n".join(["x,y,n,label", *lines]) + "\n")
    return {
        "source": {"path": "t.csv", "label": "label"},
        "generator": {"name": "smote", "actors": 2, "chunk_rows": 12},
        "validate": ["schema", "duplicates"],
        "output": {"shard_rows": 50},
    }


def texts(place):
    """Write 120 texts, of which 20 are rare."""
    rng = random.Random(0)
    rows = [{"text": " ".join(rng.choices(WORDS, k=12)), "label": "ab"[n % 6 == 0]} for n in range(120)]
    (place / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "source": {"path": "t.jsonl", "label": "label", "text": "text"},
        "generator": {"name": "edit", "actors": 2, "chunk_rows": 12},
        "validate": ["text", "duplicates"],
        "output": {"shard_rows": 50},
    }


def images(place):
    """Write scikit-learn's digits (Alpaydin and Kaynak 1998) 0 and 1 as class folders of PNG, 1 cut to 20."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    kept = {0: 60, 1: 20}
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if kept.get(digit, 0):
            kept[digit] -= 1
            folder = place / "digits" / str(digit)
            folder.mkdir(parents=True, exist_ok=True)
            large = Image.fromarray((pixels * 15).astype(np.uint8)).resize((16, 16))
            large.save(folder / f"{number:04d}.png")
    return {
        "source": {"path": "digits", "label": "label"},
        "generator": {"name": "augment", "actors": 2, "chunk_rows": 8},
        "validate": ["duplicates"],
        "output": {"shard_rows": 40},
    }


SOURCES = {"tables": tables, "texts": texts, "images": images}


@pytest.fixture(scope="session")
def make_bench(tmp_path_factory, prefect_home):
    """Return a bench for a modality; parts of its spec may be given. No build outlives the tests."""
    made = []

    def make(modality="tables", **parts):
        place = tmp_path_factory.mktemp(modality)
        made.append(Bench(place, {"name": modality} | SOURCES[modality](place) | parts, prefect_home))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture(scope="session")
def calm(make_bench):
    """Return the content hash of an undisturbed build of a modality, in this process."""
    known = {}

    def of(modality):
        if modality not in known:
            spec, _ = load_spec(str(make_bench(modality).spec_file("calm")))
            known[modality] = build_in_process(spec).content_hash
        return known[modality]

    return of


@pytest.fixture(scope="session")
def prefect_api(engine):
    """The address of the Prefect server of all tests, which spares starting one for each build."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


@pytest.fixture(scope="session")
def random_kills():
    """How many builds the long run kills at a random moment; `MAKEWEIGHT_KILLS` says otherwise."""
    return int(os.environ.get("MAKEWEIGHT_KILLS", "20"))
