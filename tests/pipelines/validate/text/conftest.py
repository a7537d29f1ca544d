"""Tiny pretrained models, made and saved by the tests."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest


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
