import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generators.image.codec import Encoding, decode, encode
from generators.image.pretrained import Pretrained, PretrainedParams
from schemas.arrow import IMAGE, OBJECTS, PARENT_ROW
from schemas.errors import GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import parse
from tests.tiny_models import tiny_diffusion, tiny_lora

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@cache
def real_table(channels=3):
    rng = np.random.default_rng(0)
    sizes = [(20, 24)] * 4 + [(12, 12)] * 2
    images = [rng.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]
    fields = [pa.field("image", IMAGE, metadata=Encoding("jpeg", 90).metadata()), pa.field("label", pa.string())]
    encoded = [{"bytes": encode(pixels, Encoding()), "path": None} for pixels in images]
    return pa.table([pa.array(encoded, IMAGE), pa.array(["cat"] * 3 + ["dog"] * 3)], schema=pa.schema(fields))


def fitted(table=None, **params):
    generator = Pretrained(parse(PretrainedParams, {"model": tiny_diffusion(), "steps": 2, **params}))
    generator.fit(table or real_table(), "label", 1)
    return generator


def request(stratum="cat", rows=5, chunk=0, seed=2**63 + 7):
    return SampleRequest(stratum=stratum, chunk=chunk, rows=rows, seed=seed + chunk)


def pixels_of(table):
    return np.stack([decode(row["bytes"]) for row in table["image"].to_pylist()])


def both_modes():
    given = {"model": tiny_diffusion(), "steps": 2}
    return {"text": given, "image": {**given, "mode": "image", "lora": tiny_lora(), "strength": 0.6}}


def test_same_request_same_pixels_whatever_was_served_before():
    for params in both_modes().values():
        generator = fitted(**params)
        first = generator.sample(request())
        generator.sample(request("dog", rows=3, chunk=1))
        assert generator.sample(request()).equals(first)
        assert not generator.sample(request(chunk=1))["image"].equals(first["image"])


def test_same_pixels_in_another_process_that_prints_nothing(tmp_path):
    made = {}
    for mode, params in both_modes().items():
        generator = fitted(**params)
        (tmp_path / mode).mkdir()
        generator.save(tmp_path / mode)
        made[mode] = generator.sample(request())
    script = (
        "import json, pathlib, sys; from tests.generators.image.test_pretrained import *\n"
        "for mode, params in json.loads(sys.argv[2]).items():\n"
        "    generator = Pretrained(PretrainedParams(**params))\n"
        "    generator.load(pathlib.Path(sys.argv[1]) / mode, 'cpu')\n"
        "    pq.write_table(generator.sample(request()), f'{sys.argv[1]}/{mode}.parquet')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), json.dumps(both_modes())]
    done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == (b"", b"")
    for mode, table in made.items():
        assert pq.read_table(tmp_path / f"{mode}.parquet").equals(table)


def test_images_get_the_usual_size_mode_and_encoding_of_the_real_ones():
    for channels in (3, 1):
        made = fitted(real_table(channels)).sample(request("dog"))
        assert pixels_of(made).shape == (5, 20, 24, channels)
        assert all(row["bytes"][:3] == b"\xff\xd8\xff" for row in made["image"].to_pylist())
        assert made.schema.equals(real_table(channels).schema, check_metadata=True)


def test_the_batch_does_not_change_the_noise():
    large, small = (pixels_of(fitted(sample_rows=rows).sample(request())).astype(int) for rows in (5, 2))
    assert np.abs(large - small).max() <= 2


def test_variations_are_of_parents_used_evenly_and_of_their_size():
    generator = fitted(mode="image", strength=0.5)
    chunks = [generator.sample(request("dog", rows=4, chunk=n)) for n in range(3)]
    parents = np.concatenate([chunk[PARENT_ROW].to_pylist() for chunk in chunks])
    assert np.bincount(parents).tolist() == [0, 0, 0, 4, 4, 4]
    shapes = [decode(row["bytes"]).shape for chunk in chunks for row in chunk["image"].to_pylist()]
    assert shapes == [(20, 24, 3) if parent == 3 else (12, 12, 3) for parent in parents]


def test_lora_changes_the_images_as_its_scale_says():
    plain = pixels_of(fitted().sample(request()))
    none = pixels_of(fitted(lora=tiny_lora(), lora_scale=0).sample(request()))
    file = str(Path(tiny_lora()) / "pytorch_lora_weights.safetensors")
    full = pixels_of(fitted(lora=file).sample(request()))
    assert np.abs(plain.astype(int) - none).max() <= 1
    assert np.abs(plain.astype(int) - full).max() > 10


def heard(monkeypatch):
    """Return where the arguments of the pipelines' calls will be."""
    from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

    calls = []
    for kind in (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline):

        def call(self, _inner=kind.__call__, **given):
            calls.append(given)
            return _inner(self, **given)

        monkeypatch.setattr(kind, "__call__", call)
    return calls


def test_prompts_are_templates_over_the_class(monkeypatch):
    mixed = fitted(prompt=["a {label}", "one {label}, {{sic}}"], negative_prompt="blur", guidance=3, size=[24, 16])
    each = fitted(prompt={"cat": "a tabby"})
    calls = heard(monkeypatch)
    mixed.sample(request(rows=16))
    each.sample(request(rows=2))
    assert {text for call in calls[:2] for text in call["prompt"]} == {"a cat", "one cat, {sic}"}
    assert calls[2]["prompt"] == ["a tabby"] * 2
    told = {name: calls[0][name] for name in ("negative_prompt", "guidance_scale", "width", "height")}
    assert told == {"negative_prompt": ["blur"] * 8, "guidance_scale": 3, "width": 24, "height": 16}
    with pytest.raises(GeneratorError, match=r"class 'dog': has no prompt; give it one in generator\.params\.prompt"):
        each.sample(request("dog"))


def test_variations_begin_as_their_parents(monkeypatch):
    flat = [{"bytes": encode(np.full((20, 24, 1), grey, np.uint8), Encoding()), "path": None} for grey in (10, 200)]
    generator = fitted(pa.table({"image": pa.array(flat, IMAGE), "label": ["cat", "cat"]}), mode="image", strength=0.7)
    calls = heard(monkeypatch)
    made = generator.sample(request(rows=4))
    begun = [np.unique(np.asarray(image)).tolist() for image in calls[0]["image"]]
    assert begun == [[(10, 200)[parent]] for parent in made[PARENT_ROW].to_pylist()]
    assert {image.size for image in calls[0]["image"]} == {(16, 16)}
    assert calls[0]["strength"] == 0.7
    assert pixels_of(made).shape == (4, 20, 24, 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prompt": "a {lable}"}, "prompt: got {lable}, and knows {label}"),
        ({"prompt": ["a {}"]}, "prompt: got {}, and knows {label}"),
        ({"prompt": []}, "prompt: must be a template, a list of them or {class: prompt}, got []"),
        ({"prompt": 3}, "prompt: must be a template, a list of them or {class: prompt}, got 3"),
        ({"size": 20}, "size: must be a multiple of 8 pixels, or [width, height] of such, got 20"),
        ({"size": "big"}, "got 'big'"),
        ({"mode": "image", "steps": 4, "strength": 0.2}, "steps x strength must be 1 or more, got 4 x 0.2"),
        ({"stps": 4}, "unknown key 'stps'; did you mean 'steps'?"),
    ],
)
def test_wrong_parameters_are_refused(params, message):
    with pytest.raises(SpecError) as caught:
        parse(PretrainedParams, {"model": "x", **params})
    assert message in str(caught.value)


def of_another_kind(tmp_path):
    shutil.copytree(tiny_diffusion(), tmp_path / "other")
    index = tmp_path / "other" / "model_index.json"
    index.write_text(index.read_text().replace('"StableDiffusionPipeline"', '"DDPMPipeline"'))
    return str(tmp_path / "other")


def test_folders_that_hold_no_such_model_are_refused(tmp_path):
    for params, message in [
        ({"model": str(tmp_path / "nope")}, "not there; give a folder that save_pretrained of a diffusers pipeline"),
        ({"model": tiny_lora()}, "is no pipeline, model_index.json missing; give a folder that"),
        ({"model": "nobody/nothing"}, "'nobody/nothing': neither here nor to be had from the hub, and HF_HUB_OFFLINE"),
        ({"model": of_another_kind(tmp_path)}, "cannot be loaded as a text-to-image pipeline"),
        ({"lora": "./nope"}, r"LoRA './nope': not there; give a safetensors file of LoRA weights"),
        ({"lora": tiny_diffusion()}, "holds none; name the one safetensors file"),
        ({"lora": f"{tiny_diffusion()}/unet"}, "does not fit the StableDiffusionPipeline"),
        ({"prompt": {"cot": "x"}}, r"generator.params.prompt: unknown class 'cot'; did you mean 'cat'\?"),
    ]:
        with pytest.raises(GeneratorError, match=message):
            fitted(**params)


def test_a_pipeline_that_changed_after_the_fit_is_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_diffusion(), folder)
    params = PretrainedParams(model=str(folder))
    generator = Pretrained(params)
    generator.fit(real_table(), "label", 1)
    (tmp_path / "saved").mkdir()
    generator.save(tmp_path / "saved")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(GeneratorError, match="is not the one that it was when the build began; put that one back"):
        Pretrained(params).load(tmp_path / "saved", "cpu")


def test_too_little_memory_is_told_with_what_to_lower(monkeypatch):
    import torch

    generator = fitted(sample_rows=4)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(generator._painter._pipeline), "__call__", full)
    with pytest.raises(
        GeneratorError, match=r"4 images of 16x16 pixels at once do not fit .* lower generator\.params\.sample_rows"
    ):
        generator.sample(request())


def test_parameters_that_a_pipeline_does_not_know_are_refused():
    generator = fitted(negative_prompt="blur")
    generator._painter._parameters.discard("negative_prompt")
    with pytest.raises(GeneratorError, match="negative_prompt: a StableDiffusionPipeline does not know it; leave it"):
        generator.sample(request())


def test_images_with_objects_are_refused():
    table = real_table().append_column(pa.field("objects", OBJECTS), pa.array([[]] * 6, OBJECTS))
    with pytest.raises(
        GeneratorError, match="makes no boxes, and the images have objects; use the generator 'augment'"
    ):
        fitted(table)


def test_global_state_is_left_alone_and_nothing_printed(capfd):
    import torch

    fitted()
    capfd.readouterr()
    before = pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()))
    fitted(mode="image", steps=4).sample(request())
    assert pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())) == before
    assert capfd.readouterr() == ("", "")


def test_importing_loads_no_heavy_library():
    script = (
        "import sys, generators.image.pretrained, generators.image.augment as a; a.Augment(a.AugmentParams())\n"
        "print({'torch', 'diffusers', 'transformers', 'cv2', 'albumentations', 'PIL', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
    )
    assert done.stdout.strip() == "set()"
