"""Tokens of labelled texts: a byte-level BPE learnt from them, and one token for each class. Knows no model."""

from collections.abc import Iterable, Sequence
from typing import Any

END = "<|end|>"


def class_token(number: int) -> str:
    """Return the special token of the class of that number.

    >>> class_token(3)
    '<|class 3|>'
    """
    return f"<|class {number}|>"


def train_tokenizer(texts: Iterable[str], size: int) -> Any:
    """Return a fast tokenizer of at most `size` byte-level tokens learnt from the texts; it can encode any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=[END], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)


def add_class_tokens(tokenizer: Any, classes: int) -> list[int]:
    """Add a special token for each class; return their ids."""
    tokens = [class_token(number) for number in range(classes)]
    tokenizer.add_special_tokens({"additional_special_tokens": tokens}, replace_extra_special_tokens=False)
    return [int(number) for number in tokenizer.convert_tokens_to_ids(tokens)]


def encode(tokenizer: Any, texts: Sequence[str], prompts: Sequence[list[int]], most: int) -> list[list[int]]:
    """Return each text as its prompt, its first `most` tokens, and the end token unless the text was cut."""
    rows = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=most + 1)["input_ids"]
    end = tokenizer.eos_token_id
    return [
        [*prompt, *row[:most], *([end] if len(row) <= most else [])] for prompt, row in zip(prompts, rows, strict=True)
    ]
