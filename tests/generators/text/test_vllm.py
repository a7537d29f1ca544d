import importlib.util
import sys
import types

import pyarrow as pa
import pytest

from generators.text.vllm import VLLM
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

TABLE = pa.table({"text": ["one", "two", "three"], "label": ["a", "a", "b"]})
PARAMS = {"model": "some/model", "rows_per_call": 2}


@pytest.fixture
def stand_in(monkeypatch):
    """vLLM's documented calls, answered without a GPU."""
    seen = []

    class LLM:
        def __init__(self, **options):
            seen.append(options)

        def chat(self, chats, choices, use_tqdm):
            outputs = [
                types.SimpleNamespace(text=f'{{"rows": ["{c.seed}", "x"]}}', finish_reason="stop") for c in choices
            ]
            return [types.SimpleNamespace(outputs=[output]) for output in outputs]

    class Keep:
        def __init__(self, **options):
            self.__dict__.update(options)

    package, sampling = types.ModuleType("vllm"), types.ModuleType("vllm.sampling_params")
    package.LLM, package.SamplingParams, sampling.StructuredOutputsParams = LLM, Keep, Keep
    package.__spec__ = importlib.util.spec_from_loader("vllm", None)
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)
    return seen


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed here")
def test_without_vllm_it_is_refused(tmp_path):
    with pytest.raises(GeneratorError, match="vllm is not installed; .* use the generator 'endpoint'"):
        VLLM(VLLM.Params(**PARAMS)).fit(TABLE, "label", 1)
    with pytest.raises(GeneratorError, match="vllm is not installed"):
        VLLM(VLLM.Params(**PARAMS)).load(tmp_path, "cuda")


def test_rows_follow_from_the_requests_seed(stand_in, tmp_path):
    generator = VLLM(VLLM.Params(**PARAMS))
    generator.fit(TABLE, "label", 1)
    request = SampleRequest(stratum="a", chunk=0, rows=5, seed=2**63)
    made = generator.sample(request)
    assert made.num_rows == 5
    generator.save(tmp_path)
    loaded = VLLM(VLLM.Params(**PARAMS))
    loaded.load(tmp_path, "cuda")
    assert loaded.sample(request).equals(made)
    assert stand_in[0]["model"] == "some/model"


def test_without_a_gpu_it_is_refused(stand_in, tmp_path):
    with pytest.raises(GeneratorError, match="runs on a GPU alone"):
        VLLM(VLLM.Params(**PARAMS)).load(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("capability", "before", "after"),
    [((9, 0), None, "1"), ((12, 0), None, "1"), ((8, 9), None, None), ((9, 0), "0", "0")],
)
def test_its_batch_invariant_mode_is_asked_for_where_the_card_has_it(
    stand_in, tmp_path, monkeypatch, capability, before, after
):
    import os

    import torch

    monkeypatch.setenv("VLLM_BATCH_INVARIANT", before or "")
    if before is None:
        monkeypatch.delenv("VLLM_BATCH_INVARIANT")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    generator = VLLM(VLLM.Params(**PARAMS))
    generator.fit(TABLE, "label", 1)
    generator.save(tmp_path)
    VLLM(VLLM.Params(**PARAMS)).load(tmp_path, "cuda")
    assert os.environ.get("VLLM_BATCH_INVARIANT") == after
    monkeypatch.delenv("VLLM_BATCH_INVARIANT", raising=False)
