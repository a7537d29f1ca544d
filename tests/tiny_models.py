"""Tiny models of transformers and diffusers with random weights, made and saved where they are asked for."""

import tempfile
from functools import cache

from generators.checks.tables import WORDS

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


@cache
def tiny_diffusion() -> str:
    """Return the folder of a Stable Diffusion that makes images of 16x16 pixels."""
    import torch

    from generators.image.diffusers_models import quiet

    with quiet():  # importing them writes to the terminal too
        from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789'.,-"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    end = len(pieces) - 1
    text = {"vocab_size": len(pieces), "hidden_size": 16, "intermediate_size": 16, "max_position_embeddings": 24}
    ends = {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    blocks = {"layers_per_block": 1, "norm_num_groups": 4}
    torch.manual_seed(4)
    with quiet():
        return _saved(
            StableDiffusionPipeline(
                vae=AutoencoderKL(
                    **blocks,
                    block_out_channels=[8, 8],
                    down_block_types=["DownEncoderBlock2D"] * 2,
                    up_block_types=["UpDecoderBlock2D"] * 2,
                    sample_size=16,
                ),
                text_encoder=CLIPTextModel(CLIPTextConfig(**text, **ends, num_hidden_layers=1, num_attention_heads=2)),
                tokenizer=CLIPTokenizer(
                    vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=24
                ),
                unet=UNet2DConditionModel(
                    **blocks,
                    sample_size=8,
                    block_out_channels=(8, 16),
                    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                    cross_attention_dim=16,
                    attention_head_dim=4,
                ),
                scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
        )


@cache
def tiny_lora() -> str:
    """Return the folder of LoRA weights for `tiny_diffusion`, large enough to be seen."""
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    from generators.image.diffusers_models import quiet

    with quiet():
        from diffusers import StableDiffusionPipeline

        unet = StableDiffusionPipeline.from_pretrained(tiny_diffusion()).unet
        torch.manual_seed(5)
        unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
        FOLDERS.append(tempfile.TemporaryDirectory(prefix="tiny-lora-"))
        StableDiffusionPipeline.save_lora_weights(FOLDERS[-1].name, get_peft_model_state_dict(unet))
    return FOLDERS[-1].name


def _saved(*parts) -> str:
    FOLDERS.append(tempfile.TemporaryDirectory(prefix="tiny-model-"))
    folder = FOLDERS[-1].name
    for part in parts:
        part.save_pretrained(folder)
    return folder


@cache
def tiny_vision() -> str:
    """Return the folder of a ResNet of two layers that takes images of 32x32 pixels."""
    import torch
    from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

    torch.manual_seed(6)
    model = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]))
    return _saved(model, ViTImageProcessorPil(size={"height": 32, "width": 32}))
