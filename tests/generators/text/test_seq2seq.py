import pyarrow as pa
import pytest

from generators.text import seq2seq
from generators.text.seq2seq import Seq2Seq
from schemas.errors import GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import parse
from tests.tiny_models import tiny_causal, tiny_marian, tiny_t5

TABLE = pa.table(
    {"label": ["a", "b"] * 5, "text": [f"free cash number {n} " + "now " * n for n in range(9)] + ["word " * 9000]}
)


def request(rows=20, stratum="b"):
    return SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=2**63 + 3)


def fitted(**params):
    generator = Seq2Seq(parse(Seq2Seq.Params, {"max_tokens": 8, **params}))
    generator.fit(TABLE, "label", 1)
    return generator


@pytest.mark.parametrize("back", [False, True])
def test_rows_have_parents_and_come_back_after_saving(back, tmp_path):
    params = (
        {"model": tiny_marian(), "back": tiny_marian()} if back else {"model": tiny_t5(), "prompt": "write: {text}"}
    )
    generator = fitted(**params)
    made = generator.sample(request())
    assert set(made["_parent_row"].to_numpy() % 2) == {1}
    assert all(text.strip() for text in made["text"].to_pylist())
    generator.save(tmp_path)
    loaded = Seq2Seq(Seq2Seq.Params(**{**params, "model": "/gone/to/another/place"}, max_tokens=8))
    loaded.load(tmp_path, "cpu")
    assert loaded.sample(request()).equals(made)


def test_back_translation_reads_what_the_first_wrote(monkeypatch):
    seen = []

    def write(writer, texts, params, device):
        seen.append((writer.prompt, writer.languages, texts))
        return [f"<{text[:4]}>" for text in texts]

    monkeypatch.setattr(seq2seq, "_write", write)
    generator = fitted(model=tiny_marian(), back=tiny_marian(), back_prompt="back: {text}", languages=["en", "de"])
    assert set(generator.sample(request(3))["text"].to_pylist()) <= {"<<fre>", "<<wor>"}
    assert [(prompt, way) for prompt, way, _ in seen] == [("{text}", ("en", "de")), ("back: {text}", ("de", "en"))]
    assert all(text.startswith("<") for text in seen[1][2])


def test_empty_answers_are_written_again(monkeypatch):
    answers = iter([["", "a", " "], ["b", ""], ["c"]])
    monkeypatch.setattr(seq2seq, "_write", lambda *_: next(answers))
    assert fitted(model=tiny_t5()).sample(request(3))["text"].to_pylist() == ["b", "a", "c"]
    monkeypatch.setattr(seq2seq, "_write", lambda _, texts, *__: [""] * len(texts))
    assert fitted(model=tiny_t5()).sample(request(3))["text"].to_pylist() == ["-"] * 3


def test_models_that_are_none_are_named(tmp_path):
    with pytest.raises(GeneratorError, match=f"model folder '{tmp_path}': is no model, config.json"):
        fitted(model=str(tmp_path))
    with pytest.raises(GeneratorError, match="cannot be loaded as an encoder-decoder model"):
        fitted(model=tiny_causal())
    with pytest.raises(GeneratorError, match=f"model folder '{tmp_path}': is no model"):
        fitted(model=tiny_t5(), back=str(tmp_path))


def test_context_too_short_for_the_prompt_is_refused():
    with pytest.raises(
        GeneratorError, match=r"its context of 8 tokens is too short for the prompt 'please .* of \d+ tokens"
    ):
        fitted(model=tiny_marian(8), prompt="please write this anew, in other words: {text}")


def test_prompt_must_hold_the_text():
    with pytest.raises(SpecError, match=r"must hold \{text\}, got 'paraphrase'"):
        parse(Seq2Seq.Params, {"model": "m", "prompt": "paraphrase"})
