"""What tests of texts share: verdicts of a validator, and tiny pretrained models that they make and save."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.validate.text.pii import Pii, PiiParams
from pipelines.validate.text.quality import TextParams, TextQuality
from tests.pipelines.validate.text.test_quality import table_of


def _tokenizer(texts: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")


def _save(folder: Path, texts: list[str], kind: str, **config: Any) -> str:
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = _tokenizer(texts)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    made = transformers.BertConfig(vocab_size=len(tokenizer), max_position_embeddings=100, **sizes, **config)
    getattr(transformers, kind)(made).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def encoder_folder(sms: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _save(tmp_path_factory.mktemp("encoder"), sms["text"].to_pylist(), "BertModel")


@pytest.fixture(scope="session")
def classifier_folder(sms: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> str:
    texts = sms["text"].to_pylist()
    folder = tmp_path_factory.mktemp("classifier")
    return _save(
        folder, texts, "BertForSequenceClassification", id2label={0: "fine", 1: "rude"}, label2id={"fine": 0, "rude": 1}
    )


@pytest.fixture
def verdict_on(plan_of, batch_of, sms):
    def check(*texts: str | None, real: pa.Table = sms, **params):
        validator = TextQuality(TextParams(**params), plan_of(real, "label", text="text"))
        validator.fit([batch_of(real.slice(0, 700)), batch_of(real.slice(0, 0)), batch_of(real.slice(700))])
        return validator.check(batch_of(table_of(list(texts))))

    return check


@pytest.fixture
def kind_of(plan_of, batch_of):
    def find(text: str | None, **params) -> str | None:
        table = pa.table({"label": ["a"], "text": pa.array([text], pa.string())})
        verdict = Pii(PiiParams(**params), plan_of(table, "label", text="text")).check(batch_of(table))
        assert verdict.keep.tolist() == [not verdict.details]
        return next(iter(verdict.details), None)

    return find
