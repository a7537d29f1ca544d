"""Finds and loads models and tokenizers of transformers, in local folders or on the hub. Knows no rows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from generators.hub import is_path, offline_note, pickle_note, quote_error
from generators.random import seeded
from schemas.errors import GeneratorError

Kind = Literal["causal", "seq2seq"]

_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model", "source.spm", "vocab.json")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers: no progress bars, errors alone."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_pretrained(kind: Kind, model_name: str) -> tuple[Any, Any]:
    """Return the model (float32, on the CPU, in evaluation mode) and the tokenizer of a local folder or hub id.

    No code that comes with a model is run, and only safetensors are read as weights. Raises GeneratorError that names
    the model and what is wrong with it. HF_HUB_OFFLINE and HF_HOME are respected.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    _check_folder(model_name)
    loader = AutoModelForCausalLM if kind == "causal" else AutoModelForSeq2SeqLM
    with quiet(), seeded(0):  # a model is filled with random weights before the file's are read
        try:
            tokenizer = AutoTokenizer.from_pretrained(model_name, trust_remote_code=False)
            model = loader.from_pretrained(
                model_name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise GeneratorError(_describe_failure(kind, model_name, error)) from error
    return model.eval(), tokenizer


def context_length(model: Any) -> int | None:
    """Return how many tokens the model can read at once, or None if it has no limit of its own."""
    for name in ("max_position_embeddings", "n_positions"):
        limit = getattr(model.config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def _check_folder(model_name: str) -> None:
    """Raise GeneratorError if the name is a local folder without a model, or a path that leads nowhere."""
    folder = Path(model_name).expanduser()
    if not folder.is_dir():
        if is_path(model_name):
            raise GeneratorError(f"model folder {model_name!r}: not there; give a folder that save_pretrained wrote")
        return
    files = {file.name for file in folder.iterdir()}
    note = pickle_note(folder)
    if note:
        raise GeneratorError(f"model folder {model_name!r}: {note}")
    missing = [] if "config.json" in files else ["config.json"]
    if not any(name.endswith(".safetensors") for name in files):
        missing.append("model.safetensors")
    if not files.intersection(_TOKENIZERS):
        missing.append("tokenizer.json")
    if missing:
        raise GeneratorError(
            f"model folder {model_name!r}: is no model, {' and '.join(missing)} missing; give a folder that"
            " save_pretrained of a transformers model and of its tokenizer wrote"
        )


def _describe_failure(kind: Kind, model_name: str, error: Exception) -> str:
    if not Path(model_name).expanduser().is_dir():
        return (
            f"model {model_name!r}: neither a folder here nor to be had from the hub{offline_note()}"
            f" ({quote_error(error)}); give a folder that save_pretrained wrote, or a hub id that this machine can"
            " download"
        )
    wanted = "a causal language model" if kind == "causal" else "an encoder-decoder model"
    return f"model folder {model_name!r}: cannot be loaded as {wanted} ({quote_error(error)}); give one that is"
