"""Models and tokenizers of transformers: found in local folders or on the hub, or refused in words. Knows no rows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from generators.hub import is_path, offline_note, pickle_note, said
from generators.random import seeded
from schemas.errors import GeneratorError

Kind = Literal["causal", "seq2seq"]

_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "spiece.model", "source.spm", "vocab.json")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing to the terminal: no progress bars, errors alone."""
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


def load_pretrained(kind: Kind, place: str) -> tuple[Any, Any]:
    """Return the model (float32, on the CPU, in evaluation mode) and the tokenizer of a local folder or hub id.

    No code that comes with a model is run, and of weights safetensors alone are read. Raises GeneratorError with
    the place named and what is wrong with it. HF_HUB_OFFLINE and HF_HOME are respected.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    _check_folder(place)
    loader = AutoModelForCausalLM if kind == "causal" else AutoModelForSeq2SeqLM
    with quiet(), seeded(0):  # a model is filled with random weights before the file's are read
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
            model = loader.from_pretrained(place, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise GeneratorError(_why_not(kind, place, error)) from error
    return model.eval(), tokenizer


def context_of(model: Any) -> int | None:
    """Return how many tokens the model can hold, or nothing if it has no limit of its own."""
    for name in ("max_position_embeddings", "n_positions"):
        limit = getattr(model.config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def _check_folder(place: str) -> None:
    """Raise GeneratorError if the place is a local folder without a model, or is meant as one and is not there."""
    folder = Path(place).expanduser()
    if not folder.is_dir():
        if is_path(place):
            raise GeneratorError(f"model folder {place!r}: not there; give a folder that save_pretrained wrote")
        return
    files = {file.name for file in folder.iterdir()}
    note = pickle_note(folder)
    if note:
        raise GeneratorError(f"model folder {place!r}: {note}")
    missing = [] if "config.json" in files else ["config.json"]
    if not any(name.endswith(".safetensors") for name in files):
        missing.append("model.safetensors")
    if not files.intersection(_TOKENIZERS):
        missing.append("tokenizer.json")
    if missing:
        raise GeneratorError(
            f"model folder {place!r}: is no model, {' and '.join(missing)} missing; give a folder that save_pretrained"
            " of a transformers model and of its tokenizer wrote"
        )


def _why_not(kind: Kind, place: str, error: Exception) -> str:
    if not Path(place).expanduser().is_dir():
        return (
            f"model {place!r}: neither a folder here nor to be had from the hub{offline_note()} ({said(error)});"
            " give a folder that save_pretrained wrote, or a hub id that this machine can download"
        )
    wanted = "a causal language model" if kind == "causal" else "an encoder-decoder model"
    return f"model folder {place!r}: cannot be loaded as {wanted} ({said(error)}); give one that is"
