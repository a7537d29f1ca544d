import logging
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from generators.text.causal_lm import CausalLM
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest
from tests.tiny_models import WORDS, tiny_causal, tiny_t5, tiny_tokenizer

SPAM, HAM = WORDS[:9], WORDS[9:]
TINY = {"width": 32, "layers": 1, "heads": 2, "vocabulary": 400, "epochs": 3, "learning_rate": 0.02, "max_tokens": 12}


def sentences(words, rows, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, rng.integers(2, 7))) for _ in range(rows)]


TABLE = pa.table({"text": sentences(HAM, 300, 1) + sentences(SPAM, 40, 2), "label": ["ham"] * 300 + ["spam"] * 40})


def request(stratum="spam", rows=60, seed=2**63 + 7):
    return SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=seed)


def fitted(table=TABLE, **params):
    generator = CausalLM(CausalLM.Params(**{**TINY, **params}))
    generator.fit(table, "label", 4)
    return generator


def share(texts, words):
    found = " ".join(texts).split()
    return np.mean([word in words for word in found])


@pytest.fixture(scope="module")
def scratch():
    return fitted(balance=1, epochs=6)


def test_scratch_learns_what_each_class_says(scratch):
    spam, ham = (scratch.sample(request(name))["text"].to_pylist() for name in ("spam", "ham"))
    assert share(spam, SPAM) > 0.8
    assert share(ham, HAM) > 0.8
    assert all(text.strip() for text in spam + ham)


def test_same_seed_same_model_and_loss_is_logged(caplog):
    caplog.set_level(logging.INFO, "generators")
    first, again = fitted(max_steps=4), fitted(max_steps=4)
    assert first.sample(request()).equals(again.sample(request()))
    assert "held out" in caplog.text


def test_given_model_is_tuned_whole():
    generator = fitted(model=tiny_causal(), epochs=8, balance=1, patience=8)
    assert share(generator.sample(request())["text"].to_pylist(), SPAM) > 0.7


def test_lora_turns_a_given_model_and_is_saved_whole(scratch, tmp_path):
    scratch.save(tmp_path)
    names = {"ham": "spam", "spam": "ham"}
    table = pa.table({"text": TABLE["text"], "label": [names[name] for name in TABLE["label"].to_pylist()]})
    base = str(tmp_path / "model")
    generator = fitted(table, model=base, tune="lora", learning_rate=0.02, epochs=6, balance=1)
    made = generator.sample(request())
    assert share(made["text"].to_pylist(), HAM) > 0.8
    (tmp_path / "tuned").mkdir()
    generator.save(tmp_path / "tuned")
    written = {file.name for file in (tmp_path / "tuned").rglob("*")}
    assert {"model.safetensors", "tokenizer.json", "model.json"} <= written
    assert not [name for name in written if name.endswith((".bin", ".pt", ".pkl"))]
    loaded = CausalLM(CausalLM.Params(**{**TINY, "model": "/not/there/any/more", "tune": "lora"}))
    loaded.load(tmp_path / "tuned", "cpu")
    assert loaded.sample(request()).equals(made)


def test_rows_do_not_depend_on_what_ends_first_in_a_batch(scratch):
    one = scratch.sample(request(rows=1))["text"].to_pylist()
    assert len(one) == 1
    many = scratch.sample(request(rows=600))["text"].to_pylist()
    assert len(many) == 600
    assert max(len(scratch._tokenizer(text)["input_ids"]) for text in many) <= 13


def test_repetition_controls(scratch):
    params = {**TINY, "repetition_penalty": 1.3, "no_repeat_ngram": 2, "temperature": 0.7, "top_p": 0.9}
    other = CausalLM(CausalLM.Params(**params))
    other.__dict__.update({**scratch.__dict__, "params": other.params})
    for text in other.sample(request())["text"].to_pylist():
        tokens = other._tokenizer(text)["input_ids"]
        pairs = list(pairwise(tokens))
        assert len(pairs) == len(set(pairs))


def test_model_that_writes_nothing_still_gives_rows(scratch, monkeypatch):
    monkeypatch.setattr(scratch, "_write", lambda _, rows: [" "] * rows)
    assert scratch.sample(request(rows=3))["text"].to_pylist() == ["-"] * 3


def test_long_texts_are_cut_and_short_ones_end():
    table = pa.table({"text": ["word " * 50_000, "short one", "another"], "label": ["a"] * 3})
    assert fitted(table, max_tokens=None, max_steps=2, held_out=0).sample(request("a", 3)).num_rows == 3


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"is no model, config.json and model.safetensors and tokenizer.json missing"),
        (["config.json"], r"is no model, model.safetensors and tokenizer.json missing"),
        (["config.json", "model.safetensors"], "is no model, tokenizer.json missing"),
        (["config.json", "model.safetensors", "tokenizer.json"], "cannot be loaded as a causal language model"),
    ],
)
def test_folder_that_is_no_model_is_named(tmp_path, files, message):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(GeneratorError, match=f"model folder '{tmp_path}': {message}"):
        fitted(model=str(tmp_path))


def test_model_that_is_not_there_is_named():
    with pytest.raises(GeneratorError, match="model folder '/no/such/folder': not there"):
        fitted(model="/no/such/folder")
    with pytest.raises(GeneratorError, match="model 'nobody/nothing': neither a folder here nor to be had .*OFFLINE"):
        fitted(model="nobody/nothing")


def test_model_of_another_kind_is_refused():
    with pytest.raises(GeneratorError, match="cannot be loaded as a causal language model"):
        fitted(model=tiny_t5())


def test_context_too_short_is_refused():
    with pytest.raises(GeneratorError, match="its context of 8 tokens is too short for 1 of the prompt, 12 of"):
        fitted(model=tiny_causal(8))


def test_two_text_columns_are_refused():
    with pytest.raises(GeneratorError, match=r"one text column beside the class 'label', got \['text', 'b'\]"):
        fitted(TABLE.append_column("b", TABLE["text"]))


def test_tokenizer_writes_any_text():
    tokenizer = tiny_tokenizer()
    for text in ("free cash", "żółw 今天 👍🏽", "tab\tand\nline"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
