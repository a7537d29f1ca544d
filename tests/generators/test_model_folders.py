"""Model folders that a user names: of their weights safetensors alone are read, and code that lies there is not run."""

import json
import shutil
from pathlib import Path

import pytest

from generators.image.diffusers_models import load_pipeline, locate_pipeline
from generators.image.vision import Vision
from generators.text.encoder import Encoder
from generators.text.pretrained import load_pretrained
from schemas.errors import MakeweightError
from tests.tiny_models import tiny_causal, tiny_diffusion, tiny_t5, tiny_vision
from tests.traps import TRAPS

LOADERS = {
    "causal": (tiny_causal, lambda place: load_pretrained("causal", place)),
    "seq2seq": (tiny_t5, lambda place: load_pretrained("seq2seq", place)),
    "embed": (tiny_causal, lambda place: Encoder(place, "embed")),
    "vision": (tiny_vision, Vision),
    "pipeline": (tiny_diffusion, lambda place: load_pipeline("text", locate_pipeline(place), "cpu", offloaded=False)),
}
CODE = "from pathlib import Path\nPath({mark!r}).touch()\nclass Own: pass\n"


@pytest.fixture(params=LOADERS)
def model(request, tmp_path):
    make, load = LOADERS[request.param]
    shutil.copytree(make(), tmp_path / "model")
    return tmp_path / "model", load


def weights_of(folder):
    return [file for file in sorted(folder.rglob("*.safetensors")) if ".cache" not in file.parts]


def older(file: Path) -> Path:
    """Return the name that a pickle of these weights has."""
    return file.with_name({"model": "pytorch_model"}.get(file.stem, file.stem) + ".bin")


@pytest.mark.parametrize("trap", ["pickle", "torch", "old torch"])
def test_weights_in_a_pickle_are_refused_with_the_way_to_convert_them(model, tmp_path, trap):
    folder, load = model
    for file in weights_of(folder):
        older(file).write_bytes(TRAPS[trap](tmp_path / "sprung"))
        file.unlink()
    with pytest.raises(
        MakeweightError, match=r"its weights are a pickle \(.*\.bin\), which may run code; where you trust"
    ):
        load(str(folder))
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_beside_safetensors_is_not_read(model, tmp_path):
    folder, load = model
    for file in weights_of(folder):
        older(file).write_bytes(TRAPS["torch"](tmp_path / "sprung"))
    (folder / "training_args.bin").write_bytes(TRAPS["torch"](tmp_path / "sprung"))
    load(str(folder))
    assert not (tmp_path / "sprung").exists()


def test_code_that_a_configuration_names_is_not_run(model, tmp_path):
    folder, load = model
    (folder / "own.py").write_text(CODE.format(mark=str(tmp_path / "sprung")))
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        if (folder / name).exists():
            told = json.loads((folder / name).read_text())
            own = dict.fromkeys(
                ["AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoImageProcessor"],
                "own.Own",
            )
            told["auto_map"] = {**own, "AutoTokenizer": ["own.Own", "own.Own"]}
            told.update({"model_type": "own"} if name == "config.json" else {})
            (folder / name).write_text(json.dumps(told))
    if (folder / "model_index.json").exists():
        shutil.copy(folder / "own.py", folder / "unet" / "own.py")
        told = json.loads((folder / "model_index.json").read_text()) | {"unet": ["own", "Own"]}
        (folder / "model_index.json").write_text(json.dumps(told))
    with pytest.raises(MakeweightError) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()
