"""Tiny transformers models with random weights, made and saved where they are asked for."""

import tempfile
from functools import cache

PHRASE = "free win cash prize call now claim your the a to you see later home ok what time we go soon"
WORDS = PHRASE.split()
FOLDERS = []  # kept, and so on disk, until the process ends


@cache
def tiny_tokenizer():
    from generators.text.tokens import train_tokenizer

    return train_tokenizer([" ".join(WORDS[n:] + WORDS[:n]) for n in range(len(WORDS))] * 4, 400)


@cache
def tiny_causal(context: int = 64) -> str:
    """Return the folder of a GPT-2 of two layers."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer()
    end = tokenizer.eos_token_id
    size = {"vocab_size": len(tokenizer), "n_positions": context, "n_embd": 16, "n_layer": 2, "n_head": 2}
    torch.manual_seed(1)
    return _saved(GPT2LMHeadModel(GPT2Config(**size, bos_token_id=end, eos_token_id=end)), tokenizer)


@cache
def tiny_t5() -> str:
    """Return the folder of a T5 of one layer."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = tiny_tokenizer()
    end = tokenizer.eos_token_id
    size = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
    torch.manual_seed(2)
    config = T5Config(**size, vocab_size=len(tokenizer), pad_token_id=end, eos_token_id=end, decoder_start_token_id=end)
    return _saved(T5ForConditionalGeneration(config), tokenizer)


@cache
def tiny_marian(context: int = 64) -> str:
    """Return the folder of a Marian translation model of one layer."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    tokenizer = tiny_tokenizer()
    end = tokenizer.eos_token_id
    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": context}
    torch.manual_seed(3)
    config = MarianConfig(
        **size,
        **heads,
        vocab_size=len(tokenizer),
        pad_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end,
        forced_eos_token_id=end,
    )
    return _saved(MarianMTModel(config), tokenizer)


def _saved(model, tokenizer) -> str:
    FOLDERS.append(tempfile.TemporaryDirectory(prefix="tiny-model-"))
    folder = FOLDERS[-1].name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
