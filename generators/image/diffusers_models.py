"""Finds and loads pipelines and LoRA weights of diffusers, in local folders or on the hub. Knows no rows."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from generators.hub import is_path, offline_note, pickle_note, quote_error
from generators.random import seeded
from generators.text.pretrained import quiet as transformers_quiet
from schemas.errors import GeneratorError

Mode = Literal["text", "image"]

_INDEX_FILE = "model_index.json"
_LORA = "pytorch_lora_weights.safetensors"
_BLOCKS, _BLOCK = 64, 2**16  # parts of a large file that are hashed
_KINDS = {"text": "a text-to-image pipeline", "image": "an image-to-image pipeline"}


@dataclass(frozen=True)
class Located:
    """A model that was found: the name it was asked by, its path on this disk, and a hash that identifies it."""

    name: str
    path: Path
    identity: str


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence diffusers, transformers and the hub: no progress bars, errors alone."""
    from diffusers.utils import logging
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    level, bars, hub = logging.get_verbosity(), logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        with transformers_quiet(), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if hub:
            enable_progress_bars()


def locate_pipeline(name: str) -> Located:
    """Return the pipeline of a local folder or hub id, downloaded if it is not here yet.

    Raises GeneratorError that names the model and what is wrong with it. HF_HUB_OFFLINE and HF_HOME are respected.
    """
    folder = _find_local(name, "pipeline folder", "a folder that save_pretrained of a diffusers pipeline wrote")
    if folder is None:
        return _download_model("pipeline", name, _download_pipeline)
    if not (folder / _INDEX_FILE).is_file():
        raise GeneratorError(
            f"pipeline folder {name!r}: is no pipeline, {_INDEX_FILE} missing; give a folder that save_pretrained of a"
            " whole diffusers pipeline wrote, not of one of its parts"
        )
    for part in sorted(folder.iterdir()):
        if note := pickle_note(part):
            raise GeneratorError(f"pipeline folder {name!r}, {part.name}: {note}")
    return Located(name, folder, _hash_model(folder))


def locate_lora(name: str) -> Located:
    """Return the LoRA weights (safetensors) of a local file, a local folder or a hub id, as `locate_pipeline` does."""
    local = _find_local(name, "LoRA", "a safetensors file of LoRA weights, or its folder")
    located = _download_model("LoRA", name, _download_lora) if local is None else None
    folder = located.path if located else local
    file = _find_weights(name, folder) if folder and folder.is_dir() else folder
    if file is None or file.suffix != ".safetensors":
        raise GeneratorError(f"LoRA {name!r}: is no safetensors file; save the weights as safetensors")
    return Located(name, file, located.identity if located else _hash_model(file))


def load_pipeline(mode: Mode, model: Located, device: str, *, offloaded: bool) -> Any:
    """Return the pipeline: float32 on the CPU, bfloat16 for a GPU; one to be `offloaded` stays on the CPU for now.

    No code that comes with a model is run, and only safetensors are read as weights. Raises GeneratorError if it is of
    another kind.
    """
    with quiet():
        import torch
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image

        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
        loader = AutoPipelineForText2Image if mode == "text" else AutoPipelineForImage2Image
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        with seeded(0):
            try:
                pipeline = loader.from_pretrained(
                    str(model.path), dtype=dtype, use_safetensors=True, trust_remote_code=False
                )
            except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
                problem = f"cannot be loaded as {_KINDS[mode]} ({quote_error(error)}); give one that is"
                raise GeneratorError(f"model {model.name!r}: {problem}") from error
        pipeline.set_progress_bar_config(disable=True)
        return pipeline if offloaded else pipeline.to(device)


def offload(pipeline: Any) -> None:
    """Move each part of the pipeline to the GPU only while it works; decode images in slices."""
    pipeline.enable_model_cpu_offload()
    if hasattr(getattr(pipeline, "vae", None), "enable_slicing"):
        pipeline.vae.enable_slicing()


def add_lora(pipeline: Any, lora: Located, scale: float) -> None:
    """Merge LoRA weights (Hu et al. 2021, arXiv:2106.09685) into the pipeline.

    Raises GeneratorError if they do not fit the pipeline.
    """
    model = type(pipeline).__name__
    if not hasattr(pipeline, "load_lora_weights"):
        raise GeneratorError(f"LoRA {lora.name!r}: a {model} takes no LoRA weights; leave generator.params.lora out")
    with quiet(), seeded(0):
        try:
            pipeline.load_lora_weights(str(lora.path.parent), weight_name=lora.path.name, adapter_name="lora")
            fits = "lora" in pipeline.get_active_adapters()
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise GeneratorError(_describe_misfit(lora, model, quote_error(error))) from error
        if not fits:
            raise GeneratorError(_describe_misfit(lora, model, "it holds no weights for any of its parts"))
        pipeline.fuse_lora(lora_scale=scale)
        pipeline.unload_lora_weights()


def _describe_misfit(lora: Located, model: str, why: str) -> str:
    return f"LoRA {lora.name!r}: does not fit the {model} ({why}); give one that was trained on the same model"


def _find_local(name: str, kind: str, wanted: str) -> Path | None:
    """Return the local folder or file, or None for a hub id; raises GeneratorError if a path leads nowhere."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    if is_path(name):
        raise GeneratorError(f"{kind} {name!r}: not there; give {wanted}")
    return None


def _find_weights(name: str, folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    candidates = [file for file in files if file.name == _LORA] or files
    if len(candidates) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise GeneratorError(f"LoRA folder {name!r}: holds {names}; name the one safetensors file of the weights")
    return candidates[0]


def _download_pipeline(name: str) -> str:
    from diffusers import DiffusionPipeline

    return str(DiffusionPipeline.download(name, use_safetensors=True, trust_remote_code=False))


def _download_lora(name: str) -> str:
    from huggingface_hub import snapshot_download

    return str(snapshot_download(name, allow_patterns="*.safetensors"))


def _download_model(kind: str, name: str, download: Any) -> Located:
    """Return the downloaded model; the name of its folder is the commit."""
    import httpx

    try:
        with quiet():
            folder = Path(download(name))
    except (OSError, ValueError, TypeError, KeyError, httpx.HTTPError) as error:
        raise GeneratorError(
            f"{kind} {name!r}: neither here nor to be had from the hub{offline_note()} ({quote_error(error)}); give a"
            " local folder, or a hub id that this machine can download"
        ) from error
    return Located(name, folder, folder.name)


def _hash_model(path: Path) -> str:
    """Return a hash of a file, or of all files in a folder: their names, sizes and contents, of large files samples."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            digest.update(f"{name}:{file.stat().st_size}:".encode() + _hash_file(file))
    return digest.hexdigest()


def _hash_file(file: Path) -> bytes:
    """Return a hash of the file, or of some blocks of a large one: trained weights differ everywhere."""
    size, digest = file.stat().st_size, hashlib.sha256()
    with file.open("rb") as stream:
        if size <= _BLOCKS * _BLOCK:
            digest.update(stream.read())
        else:
            for number in range(_BLOCKS):
                stream.seek((size - _BLOCK) * number // (_BLOCKS - 1))
                digest.update(stream.read(_BLOCK))
    return digest.digest()
