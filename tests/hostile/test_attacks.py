"""Attacks on a worker by a request, through what the flow behind the form does first: none reaches beyond the policy.

Each test says what the worker answers, in one sentence, and that nothing was read, written, sent or imported: files
outside have a time of last access that any reader moves, addresses note who calls, and a module leaves a mark.
"""

import json
import os
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from flows.deployed.request import parse_request, request_balanced_dataset
from flows.deployed.worker import check_task
from generators.image.codec import Encoding, encode
from pipelines.dataset.verify import verify
from pipelines.plan.policy import SETTING
from pipelines.validate.text.inappropriate import WordList
from pipelines.validate.text.quality import TextParams, _patterns
from schemas.errors import MakeweightError
from tests.hostile.ground import EVIL, HUSH, LONG_AGO, ROWS, Ground, Listener


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """The machine, with a policy and with secrets in its environment."""
    with Listener().running() as friend, Listener().running() as foe:
        made = Ground(tmp_path, friend, foe)
        monkeypatch.setenv(SETTING, str(made.policy))
        for name in ("AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "MAKEWEIGHT_KEY_LLM"):
            monkeypatch.setenv(name, HUSH)
        monkeypatch.chdir(tmp_path / "cwd")
        monkeypatch.syspath_prepend(str(tmp_path / "code"))
        yield made
    sys.modules.pop(EVIL, None)


def refused(ground, spec, told):
    """Ask for a dataset as a form does, up to where actors would begin.

    Checks that it is refused by one sentence which holds `told`, and that nothing was touched.
    """
    ground.watch()
    with pytest.raises(MakeweightError) as refusal:
        check_task.fn(lambda _: parse_request(json.loads(json.dumps(spec))))
    message = str(refusal.value)
    assert refusal.value.exit_code == 2
    assert told in message
    assert "\n" not in message
    assert HUSH not in message
    assert ground.touched() == []


def test_the_ground_shows_what_is_touched(ground):
    """Without this, the attacks would prove nothing."""
    ground.watch()
    assert ground.touched() == []
    ground.secret.read_bytes()
    if ground.secret.stat().st_atime == LONG_AGO:
        pytest.skip("this file system does not tell that a file was read")
    (ground.outside / "new").write_text("")
    __import__(EVIL)
    kinds = {line.partition(":")[0] for line in ground.touched()}
    assert {"read", "written", "imported"} <= kinds


@pytest.mark.usefixtures("engine")
def test_the_flow_itself_builds_what_is_within_the_policy_and_refuses_the_rest_at_once(ground):
    ground.watch()
    state = request_balanced_dataset(ground.spec(validate=["schema"]), return_state=True)
    assert state.is_completed(), state.message
    assert verify(str(ground.out / "t")).problems == []
    assert [line for line in ground.touched() if not line.startswith("written: out/t")] == []
    for parts, told in (
        ({"source": {"path": str(ground.secret), "label": "y"}}, READ),
        ({"generator": {"name": f"{EVIL}:Evil"}}, "generator.name: the policy of this worker does not let it import"),
    ):
        ground.watch()
        state = request_balanced_dataset(ground.spec(**parts), return_state=True)
        assert state.is_failed()
        assert state.message.startswith(told)
        assert "\n" not in state.message
        assert ground.touched() == []


READ = "source.path: the policy of this worker does not let it read"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "{outside}/secret.csv",
        "{data}/../outside/secret.csv",
        "{data}/t.csv/../../outside/secret.csv",
        "{data}",  # below: a name that only begins like an allowed one
        "file://{outside}/secret.csv",
        "file://{data}/%2e%2e/outside/secret.csv",
        "gs://good/data/t.csv",
        "hdfs://127.0.0.1:9/data/t.csv",
        "abfs://good/data/t.csv",
        "s3://other/data/t.csv",
        "s3://good/database/t.csv",
        "s3://good",
        "s3://good/data/t.csv?endpoint_override=127.0.0.1:{foe}&scheme=http",
        "s3://good/data/t.csv?region=us-east-1&proxy_options=http://127.0.0.1:{foe}",
    ],
)
def test_a_source_beyond_the_policy_is_refused(ground, path):
    path = path.format(data=ground.data, outside=ground.outside, foe=ground.foe.port)
    path = f"{path}base/t.csv" if path == str(ground.data) else path
    refused(ground, ground.spec(source={"path": path, "label": "y"}), f"{READ} ")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("s3://good/data/../other/t.csv", "holds '..', '.', '//' or an odd sign in its path"),
        ("s3://good/data/%2e%2e/other/t.csv", "holds '..', '.', '//' or an odd sign in its path"),
        ("s3://good/data/%252e%252e/t.csv", "holds '..', '.', '//' or an odd sign in its path"),
        ("s3://good@evil/data/t.csv", "give those in the worker's environment"),
        ("s3://good\\.evil/data/t.csv", "is not written plainly"),
        ("S3://good/data/t.csv", "is not written plainly"),
        ("FILE:///etc/passwd", "is no path on this worker"),
        ("abfs://good@evil.dfs.core.windows.net/data/t.csv", "give those in the worker's environment"),
        ("s3://good/data/t.csv#x?endpoint_override=evil", "of a URI all that follows it is lost"),
        ("file://localhost/etc/passwd", "is no path on this worker"),
        ("/data\0/t.csv", "holds NUL"),
        ("t.csv", "is relative"),
        ("~/t.csv", "is relative"),
    ],
)
def test_a_source_that_can_be_read_in_two_ways_is_refused(ground, path, told):
    refused(ground, ground.spec(source={"path": path, "label": "y"}), told)


def test_links_in_a_folder_that_may_be_read_lead_nowhere(ground):
    os.symlink(ground.secret, ground.data / "link.csv")
    os.symlink(ground.outside, ground.data / "folder")
    for name in ("link.csv", "folder/secret.csv", "folder"):
        refused(ground, ground.spec(source={"path": str(ground.data / name), "label": "y"}), READ)


@pytest.mark.parametrize("kind", ["images", "texts", "tables", "environment"])
def test_a_link_in_a_class_folder_is_refused(ground, kind):
    folder = ground.data / "classes"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.txt").write_text("some words of it")
    target = "/proc/self/environ" if kind == "environment" else ground.secret
    os.symlink(target, folder / "a" / {"images": "x.png", "tables": "x.csv"}.get(kind, "x.txt"))
    refused(ground, ground.spec(source={"path": str(folder), "label": "y"}), "is a symbolic link out of the folder")


def test_a_class_folder_that_is_a_link_is_refused(ground):
    (ground.data / "classes" / "a").mkdir(parents=True)
    (ground.data / "classes" / "a" / "1.txt").write_text("some words of it")
    os.symlink(ground.outside, ground.data / "classes" / "b")
    refused(ground, ground.spec(source={"path": str(ground.data / "classes"), "label": "y"}), "symbolic link to a fold")


PNG = encode(np.full((8, 8, 3), 200, np.uint8), Encoding("png"))


def coco(name):
    """Return COCO annotations of one image that lies in the folder, and of one of that name."""
    images = [{"id": 1, "file_name": "in.png"}, {"id": 2, "file_name": name}]
    boxes = [{"image_id": n, "category_id": n, "bbox": [1, 1, 4, 4]} for n in (1, 2)]
    return {"images": images, "annotations": boxes, "categories": [{"id": n, "name": f"c{n}"} for n in (1, 2)]}


@pytest.mark.parametrize("name", ["../../outside/secret.png", "{outside}/secret.png", "file://{outside}/secret.png"])
@pytest.mark.parametrize("form", ["coco", "voc", "parquet"])
def test_annotations_name_no_file_outside(ground, name, form):
    (ground.outside / "secret.png").write_bytes(PNG)
    folder, name = ground.data / "marked", name.format(outside=ground.outside)
    folder.mkdir()
    if form == "coco":
        (folder / "in.png").write_bytes(PNG)
        (folder / "instances.json").write_text(json.dumps(coco(name)))
    elif form == "voc":
        (folder / "in.png").write_bytes(PNG)
        box = "<object><name>c</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object>"
        for file, image in (("in.xml", "in.png"), ("out.xml", name)):
            (folder / file).write_text(f"<annotation><filename>{image}</filename>{box}</annotation>")
    else:
        images = [{"bytes": PNG, "path": "in.png"}, {"bytes": None, "path": name}]
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        pq.write_table(pa.table({"image": pa.array(images, kind), "y": ["a", "b"]}), folder / "t.parquet")
    label = "y" if form == "parquet" else "category"
    spec = ground.spec(source={"path": str(folder), "label": label}, generator={"name": "augment"})
    refused(ground, spec, "1 of 2 images cannot be read")


def test_annotations_outside_are_not_found(ground):
    (ground.data / "in.png").write_bytes(PNG)
    source = {"path": str(ground.data), "label": "category", "format": "coco", "annotations": "../outside/secret.csv"}
    refused(ground, ground.spec(source=source), "source.annotations: there is no '../outside/secret.csv'")


def test_an_entity_of_annotations_is_not_read(ground):
    (ground.data / "in.png").write_bytes(PNG)
    (ground.data / "in.xml").write_text(
        f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{ground.secret}">]><annotation><filename>&e;</filename></annotation>'
    )
    spec = ground.spec(source={"path": str(ground.data), "label": "category", "format": "voc"})
    refused(ground, spec, "it has a document type")


def test_held_out_rows_beyond_the_policy_are_refused(ground):
    refused(ground, ground.spec(evaluate={"test": str(ground.secret)}), "evaluate.test: the policy of this worker")
    os.symlink(ground.secret, ground.data / "held.csv")
    refused(ground, ground.spec(evaluate={"test": str(ground.data / "held.csv")}), "evaluate.test: the policy of this")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("{outside}/t", "output.path: the policy of this worker does not let it write"),
        ("{data}/t", "output.path: the policy of this worker does not let it write"),
        ("{out}/../outside/t", "output.path: the policy of this worker does not let it write"),
        ("{out}side/t", "output.path: the policy of this worker does not let it write"),
        ("{out}/link/t", "output.path: the policy of this worker does not let it write"),
        ("file://{outside}/t", "output.path: the policy of this worker does not let it write"),
        ("s3://good/data/t", "output.path: the policy of this worker does not let it write"),
        ("s3://good/out/t?endpoint_override=127.0.0.1:{foe}&scheme=http", "does not let it write"),
        ("{out}/t/.makeweight/models", "lies in a dataset's own folder .makeweight"),
        ("s3://good/out/t/.makeweight/models", "lies in a dataset's own folder .makeweight"),
    ],
)
def test_an_output_beyond_the_policy_is_refused(ground, path, told):
    os.symlink(ground.outside, ground.out / "link")
    path = path.format(out=ground.out, outside=ground.outside, data=ground.data, foe=ground.foe.port)
    refused(ground, ground.spec(output={"path": path}), told)


def test_the_rows_that_another_build_keeps_are_no_source(ground):
    kept = ground.data / "theirs" / ".makeweight" / "work-1"
    kept.mkdir(parents=True)
    (kept / "real.csv").write_text(ROWS)
    refused(ground, ground.spec(source={"path": str(kept), "label": "y"}), "source.path: ")


@pytest.mark.parametrize("name", [".makeweight", "data", "data/train.parquet", "v00001"])
def test_links_that_lie_in_wait_in_the_output_are_refused(ground, name):
    link = ground.out / "t" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(ground.outside, link)
    refused(ground, ground.spec(output={"path": str(ground.out / "t")}), f"holds the link '{name}', which leads out")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"generator": {"name": f"{EVIL}:Evil"}}, "generator.name: the policy of this worker does not let it import"),
        ({"generator": {"name": "os:system"}}, "generator.name: the policy of this worker does not let it import"),
        ({"generator": {"name": "tests.hostile.ground.x:Evil"}}, "allowed: tests.hostile.ground;"),
        ({"generator": {"name": f"..{EVIL}:Evil"}}, "does not let it import"),
        ({"generator": {"name": "generators.resample:Resample"}}, "does not let it import"),
        ({"validate": [f"{EVIL}:Evil"]}, "validate[0]: the policy of this worker does not let it import"),
        ({"validate": ["duplicates", {f"{EVIL}:Evil": {"a": 1}}]}, "validate[1]: the policy of this worker"),
    ],
)
def test_no_code_is_imported_beyond_the_policy(ground, parts, told):
    refused(ground, ground.spec(**parts), told)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{foe}/v1",
        "http://localhost:{friend}/v1",
        "https://127.0.0.1:{friend}/v1",
        "http://127.0.0.1/v1",
        "http://2130706433:{friend}/v1",
        "http://0x7f000001:{friend}/v1",
        "http://127.1:{friend}/v1",
        "http://127.0.0.1.:{friend}/v1",
        "http://[::1]:{friend}/v1",
        "http://[::ffff:127.0.0.1]:{friend}/v1",
        "http://127.0.0.1:{friend}.evil.example/v1",
        "http://127.0.0.1:{friend}@127.0.0.1:{foe}/v1",
        "http://127.0.0.1:{foe}#@127.0.0.1:{friend}/v1",
        "http://127.0.0.1:{foe}\\@127.0.0.1:{friend}/v1",
        "http://127.0.0.1:{foe}/\t@127.0.0.1:{friend}/v1",
        "HTTP://LOCALHOST:{foe}/v1",
        "file:///etc/passwd",
    ],
)
def test_no_address_is_called_beyond_the_policy(ground, address):
    address = address.format(friend=ground.friend.port, foe=ground.foe.port)
    params = {"base_url": address, "model": "m", "api_key_env": "MAKEWEIGHT_KEY_LLM"}
    refused(ground, ground.spec(generator={"name": "endpoint", "params": params}), "generator.params.base_url: ")


def endpoint(ground, **more):
    """Return a generator that calls the one address that may be called."""
    params = {"base_url": f"http://127.0.0.1:{ground.friend.port}/v1", "model": "m"}
    return {"name": "endpoint", "params": {**params, "api_key_env": "MAKEWEIGHT_KEY_LLM", **more}}


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "PATH", "MAKEWEIGHT_POLICY"])
def test_no_secret_of_the_worker_is_sent_as_a_key(ground, name):
    spec = ground.spec(generator=endpoint(ground, api_key_env=name))
    refused(ground, spec, "generator.params.api_key_env: the policy of this worker does not let it take a key from")


def test_the_usual_name_of_a_key_is_no_way_around(ground):
    generator = endpoint(ground)
    del generator["params"]["api_key_env"]  # then it is OPENAI_API_KEY, which the worker may hold for others
    refused(ground, ground.spec(generator=generator), "generator.params.api_key_env: the policy of this worker")


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ({"output": {"path": "{out}/t", "encryption_key_env": "AWS_SECRET_ACCESS_KEY"}}, "output.encryption_key_env"),
        (
            {"generator": {"name": "dp_autoregressive", "params": {"epsilon": 1, "noise_key_env": "PATH"}}},
            "generator.params.noise_key_env",
        ),
    ],
)
def test_no_secret_of_the_worker_is_used_as_a_key(ground, parts, keys):
    parts = json.loads(json.dumps(parts).replace("{out}", str(ground.out)))
    refused(ground, ground.spec(**parts), f"{keys}: the policy of this worker does not let it take a key from")


def inappropriate(**params):
    return {"validate": [{"inappropriate": {"bad": ["x"], **params}}]}


MODELS = "the policy of this worker does not let it load models from"
PATHS = {
    "a word list": (inappropriate(file="{outside}/words.txt"), "validate[0].inappropriate.file: the policy"),
    "a word list by ..": (inappropriate(file="{data}/../outside/words.txt"), "validate[0].inappropriate.file: the"),
    "a relative word list": (inappropriate(file="words.txt"), "is no whole path"),
    "examples": (inappropriate(examples="{outside}/secret.csv"), "validate[0].inappropriate.examples: the policy"),
    "a classifier": (inappropriate(model="{outside}/model"), f"validate[0].inappropriate.model: {MODELS}"),
    "a classifier among data": (inappropriate(model="{data}/model"), f"validate[0].inappropriate.model: {MODELS}"),
    "an encoder": ({"validate": [{"label_agreement": {"model": "{outside}/model"}}]}, f"model: {MODELS}"),
    "a language model": ({"generator": {"name": "causal_lm", "params": {"model": "{outside}/model"}}}, MODELS),
    "a translator": ({"generator": {"name": "seq2seq", "params": {"model": "{models}/m", "back": "{data}/m"}}}, MODELS),
    "a chat model": ({"generator": {"name": "vllm", "params": {"model": "{outside}/model"}}}, MODELS),
    "a pipeline": ({"generator": {"name": "pretrained", "params": {"model": "{outside}/model"}}}, MODELS),
    "LoRA weights": (
        {"generator": {"name": "pretrained", "params": {"model": "{models}/m", "lora": "{outside}/l.safetensors"}}},
        f"generator.params.lora: {MODELS}",
    ),
    "an image model": (
        {"evaluate": {"test": "{data}/t.csv", "fidelity": {"image_model": "{outside}/model"}}},
        f"evaluate.fidelity.image_model: {MODELS}",
    ),
    "a model of perplexity": (
        {"evaluate": {"test": "{data}/t.csv", "fidelity": {"language_model": "{outside}/model"}}},
        f"evaluate.fidelity.language_model: {MODELS}",
    ),
    "a model from the hub": (
        {"generator": {"name": "causal_lm", "params": {"model": "evil/model"}}},
        "let it download",
    ),
    "a model of the working folder": (
        {"generator": {"name": "causal_lm", "params": {"model": "local/model"}}},
        "is neither a whole path of this worker nor the id of a model on the hub",
    ),
    "a model at home": (
        {"generator": {"name": "causal_lm", "params": {"model": "~/model"}}},
        "is neither a whole path",
    ),
    "a model by an address": (
        {"generator": {"name": "causal_lm", "params": {"model": "https://evil/model"}}},
        "is neither a whole path",
    ),
    "a cache of answers": (
        {"generator": {"name": "endpoint", "params": {"cache": "{outside}/cache"}}},
        "generator.params.cache: the policy of this worker does not let it write",
    ),
    "a font": (
        {"generator": {"name": "augment", "params": {"transforms": [{"TextImage": {"font_path": "{outside}/f.ttf"}}]}}},
        "generator.params.transforms[0].TextImage.font_path: the policy",
    ),
    "images to take colours from": (
        {
            "generator": {
                "params": {
                    "transforms": [{"OneOf": [{"FDA": {"reference_images": ["{outside}/secret.png"]}}, "VerticalFlip"]}]
                }
            }
        },
        "transforms[0].OneOf[0].FDA.reference_images[0]: the policy",
    ),
}


@pytest.mark.parametrize("case", PATHS)
def test_no_parameter_reads_or_writes_beyond_the_policy(ground, case):
    parts, told = PATHS[case]
    (ground.outside / "words.txt").write_text(HUSH)
    (ground.outside / "secret.png").write_bytes(PNG)
    for folder in (ground.outside / "model", ground.data / "model", ground.root / "cwd" / "local" / "model"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    text = json.dumps(parts)
    for name in ("outside", "data", "models"):
        text = text.replace(f"{{{name}}}", str(ground.root / name))
    parts = json.loads(text)
    if parts.get("generator", {}).get("name") == "endpoint":
        parts["generator"] = endpoint(ground, **parts["generator"]["params"])
    refused(ground, ground.spec(**parts), told)


def test_a_link_within_a_models_folder_is_refused(ground):
    (ground.models / "m").mkdir()
    os.symlink(ground.secret, ground.models / "m" / "vocab.json")
    spec = ground.spec(generator={"name": "causal_lm", "params": {"model": str(ground.models / "m")}})
    refused(ground, spec, "holds the link 'vocab.json', which leads out of what is allowed")


@pytest.mark.parametrize("target", [10**15, {"x": 10**9, "z": 5}])
def test_more_rows_than_the_policy_allows_are_refused(ground, target):
    refused(ground, ground.spec(balance={"target": target}), "and the policy of this worker allows 1,000,000 (max_rows")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {root}/imported')",
        "a.__class__.__mro__",
        "(lambda: 1)() == 1",
        "[x for x in (1,)]",
        "a == f'{{b}}'",
        "a[0] == 1",
        "open('{outside}/secret.csv') == 1",
        "a ** 99999999 > 1",
        "a > 1" + " and a > 1" * 1000,
    ],
)
def test_a_constraint_is_no_program(ground, text):
    text = text.format(root=ground.root, outside=ground.outside)
    refused(ground, ground.spec(validate=[{"schema": {"constraints": [text]}}]), "validate[0].schema.constraints")


def test_a_phrase_is_no_pattern_that_runs_for_ever():
    """Phrases are looked for as they are written, so none can be a pattern that takes time without end."""
    phrase, text = "(a+)+$", "a" * 64 + "!"
    ((_, pattern),) = _patterns(TextParams(leftovers=False, also_leftovers=[phrase])).items()
    assert pattern.search(text) is None
    assert pattern.search(f"x {phrase}")
    assert not WordList([phrase], disguised=True).found_in(text)


@pytest.mark.parametrize(
    "prompt",
    ["{label.__class__}", "{label[0]}", "{label:{count.__class__}}", "{label:>99999999999}", "{label!r:>9}", "{0}"],
)
def test_a_prompt_is_no_program(ground, prompt):
    refused(ground, ground.spec(generator=endpoint(ground, prompt=prompt)), "generator.params.prompt: ")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"name": "../../outside/t"}, "name: "),
        ({"name": "t\nsecond line"}, "name: "),
        ({"name": "{{ prefect.variables.secret }}"}, "name: "),
        ({"output": {"path": "{out}/t", "splits": {"../../outside/a": 1.0}}}, "output: splits: "),
        ({"source": {"path": ["/etc/passwd"], "label": "y"}}, "source.path: "),
    ],
)
def test_names_lead_nowhere(ground, parts, told):
    refused(ground, ground.spec(**json.loads(json.dumps(parts).replace("{out}", str(ground.out)))), told)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"source": {"path": "/etc/passwd", "label": "y"}},
        {"generator": {"name": f"{EVIL}:Evil"}},
        {"output": {"path": "s3://good/out/t"}},
        {"generator": {"name": "causal_lm", "params": {"model": "evil/model"}}},
    ],
)
def test_a_worker_without_a_policy_touches_nothing_and_says_how_to_write_one(ground, monkeypatch, parts):
    monkeypatch.delenv(SETTING)
    told = "since no policy says what it may: write a YAML file, such as `read: [/data]` and `write: [/data/balanced]`"
    refused(ground, ground.spec(**parts), told)
