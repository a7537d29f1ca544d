"""The policy: how it is read, that every field of a spec is thought of, and what a build does when things change."""

import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest
import yaml
from pydantic import BaseModel

from flows.build import build
from flows.deployed.policy import read_policy, worker_guard
from flows.deployed.schedules import scheduled_build
from flows.deployed.worker import check_task
from generators import GENERATORS
from generators.image.transforms import FILES, known_transforms
from pipelines.modality import MODALITIES
from pipelines.plan.planning import make_plan
from pipelines.plan.policy import SETTING
from pipelines.plan.registry import generator_class, validator_class
from pipelines.source.files import find_files
from pipelines.storage.workspace import make_workspace, plan_hash
from schemas.access import mark_of
from schemas.errors import GeneratorError, MakeweightError, SourceError, SpecError
from schemas.plan import SampleRequest
from schemas.policy import Policy
from schemas.spec import Spec, parse
from tests.conftest import ROOT
from tests.hostile.ground import Ground, Listener

HARMLESS = {
    "Spec.name", "Source.label", "Source.text", "Source.image", "Source.header", "Source.nulls", "Source.types",
    "Source.private", "Balance.target", "Balance.by", "GeneratorChoice.name", "GeneratorChoice.params",
    "ValidatorChoice.name", "ValidatorChoice.params", "Output.splits", "Privacy.quasi_identifiers",
    "Privacy.sensitive",
    "Source.columns", "Source.drop", "Source.carry", "Source.delimiter", "Source.quote", "Source.thousands",
    "Source.comment", "Source.split",
    "Source.encoding",  # one of the text encodings that Python has
    "Source.annotations",  # one of the names that were found below source.path
    "AutoregressiveParams.given", "DPAutoregressiveParams.columns", "Declared.bounds", "Declared.categories",
    "Seq2SeqParams.prompt", "Seq2SeqParams.back_prompt", "Seq2SeqParams.languages",
    "EndpointParams.model",  # a name at the endpoint
    "EndpointParams.prompt", "EndpointParams.labels", "VLLMParams.prompt", "VLLMParams.labels",
    "PretrainedParams.prompt", "PretrainedParams.negative_prompt",
    "SchemaParams.constraints", "TextParams.language", "TextParams.also_leftovers", "PiiParams.regions",
    "InappropriateParams.words", "InappropriateParams.text", "InappropriateParams.label", "InappropriateParams.bad",
}  # fmt: skip
"""Fields of text that name nothing beyond the spec and its source; generators' and validators' names are checked as
modules. A new field of text is either marked by what it touches, or stands here."""


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """A worker's machine, with a policy."""
    with Listener().running() as friend, Listener().running() as foe:
        made = Ground(tmp_path, friend, foe)
        monkeypatch.setenv(SETTING, str(made.policy))
        yield made


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def holds_text(annotation):
    return annotation in (str, Any, dict, list) or any(map(holds_text, get_args(annotation)))


def fields_of_text(model):
    """Yield the fields of a record, and of those within, that may hold any text."""
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            yield from fields_of_text(inner)
        if holds_text(field.annotation) and "Literal" not in str(field.annotation).replace("Literal[True]", ""):
            yield f"{model.__name__}.{name}", mark_of(field)


def all_records():
    yield Spec
    yield from (generator_class(name).Params for name in GENERATORS)
    yield from (validator_class(name, one.name).Params for one in MODALITIES.values() for name in one.validators)


def test_every_field_of_text_is_marked_or_known_to_be_harmless():
    found = dict(pair for record in all_records() for pair in fields_of_text(record))
    unmarked = {name for name, mark in found.items() if mark is None}
    assert unmarked - HARMLESS == set(), "mark it by schemas.access.Touch, or say that it is harmless"
    assert {name for name, mark in found.items() if mark} == {
        "Source.path", "Output.path", "Output.encryption_key_env", "Evaluate.test", "FidelityChoice.image_model",
        "FidelityChoice.language_model", "CausalLMParams.model", "Seq2SeqParams.model", "Seq2SeqParams.back",
        "VLLMParams.model", "EndpointParams.base_url", "EndpointParams.api_key_env", "EndpointParams.cache",
        "PretrainedParams.model", "PretrainedParams.lora", "AugmentParams.transforms",
        "DPAutoregressiveParams.noise_key_env", "InappropriateParams.file", "InappropriateParams.examples",
        "InappropriateParams.model", "LabelAgreementParams.model",
    }  # fmt: skip


def test_every_parameter_of_a_transform_that_may_name_a_file_is_known():
    naming = set()
    for cls in known_transforms().values():
        fields = getattr(getattr(cls, "InitSchema", None), "model_fields", {})
        for name, field in fields.items():
            if Path in get_args(field.annotation) or "Sequence[typing.Any]" in str(field.annotation):
                naming.add(name)
    assert naming == set(FILES)


def test_the_policy_of_the_arrangement_is_one():
    policy = read_policy(str(ROOT / "infra" / "policy.yaml"))
    assert policy.read
    assert policy.write
    assert policy.modules == []


def test_the_policy_that_the_project_shows_is_one(tmp_path):
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "SECURITY.md").read_text(), re.DOTALL)
    (tmp_path / "policy.yaml").write_text(shown[0])
    policy = read_policy(str(tmp_path / "policy.yaml"))
    assert set(yaml.safe_load(shown[0])) == set(Policy.model_fields), "it shows each key"
    assert policy.keys == ["MAKEWEIGHT_KEY_*"]


OWN = """
from pathlib import Path
from typing import Annotated
from generators.base import Params
from schemas.access import Touch

class Entry(Params):
    known: Annotated[Path, Touch("read")]

class Given(Params):
    entries: list[Entry]

class Own:
    name = "own"
    Params = Given
"""


def test_a_validator_of_ones_own_reads_no_more_than_any_other(ground, monkeypatch):
    monkeypatch.syspath_prepend(str(ground.root))
    (ground.root / "own_reader.py").write_text(OWN)
    ground.write_policy(modules=["own_reader"])
    inside, secret = str(ground.data / "words.txt"), str(ground.secret)
    own = {"own_reader:Own": {"entries": [{"known": inside}]}}
    spec = worker_guard().admitted(parse(Spec, ground.spec(validate=[own])))
    assert spec.validators[0].params == {"entries": [{"known": os.path.realpath(inside)}]}
    own = {"own_reader:Own": {"entries": [{"known": inside}, {"known": secret}]}}
    where = r"validate\[0\].own_reader:Own.entries\[1\].known: the policy of this worker does not let it read"
    with pytest.raises(SpecError, match=where):
        worker_guard().admitted(parse(Spec, ground.spec(validate=[own])))


def test_the_command_line_and_python_are_not_bound(ground, monkeypatch):
    monkeypatch.delenv(SETTING)
    plan = make_plan(parse(Spec, ground.spec(source={"path": str(ground.secret), "label": "y"})))
    assert plan.profile.rows == 60


@pytest.fixture
def scheduled(ground):
    """Return what a scheduled build of a spec file would be refused with."""

    def scheduled(path, *overrides):
        from flows.deployed.schedules import read_spec

        with pytest.raises(SpecError) as refusal:
            check_task.fn(lambda guard: read_spec(guard.file_to_read(path), overrides, guard.admit_modules))
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return scheduled


def test_a_schedule_reads_its_spec_from_allowed_places_alone(ground, scheduled):
    told = "the policy of this worker does not let it read"
    hidden = ground.outside / "spec.yaml"
    hidden.write_text(json.dumps(ground.spec()))
    os.symlink(hidden, ground.data / "spec.yaml")
    ground.watch()
    places = [hidden, ground.data / "spec.yaml", f"file://{hidden}", "s3://other/spec.yaml", "/proc/self/environ"]
    for place in [*map(str, places), str(ground.data / ".." / "outside" / "spec.yaml")]:
        assert scheduled(place).startswith(f"{told} ")
    assert "is no whole path" in scheduled("spec.yaml")
    assert "odd sign in its path" in scheduled("s3://good/data/../../spec.yaml")
    assert ground.touched() == []


def test_a_schedule_is_bound_in_what_its_spec_and_its_overrides_say(ground, scheduled):
    path = ground.data / "spec.yaml"
    path.write_text(json.dumps(ground.spec()))
    ground.watch()
    for override, told in (
        (f"source.path={ground.secret}", "source.path: the policy of this worker does not let it read"),
        ("source.path=../outside/secret.csv", "source.path: the policy of this worker does not let it read"),
        (f"output.path={ground.outside}/t", "output.path: the policy of this worker does not let it write"),
        ("generator.name=evil:Evil", "generator.name: the policy of this worker does not let it import"),
    ):
        assert scheduled(str(path), override).startswith(told)
    assert ground.touched() == []
    path.write_text("a: &a [1]\nname: *a\n")
    assert "YAML aliases (*name) are not accepted" in scheduled(str(path))


@pytest.mark.usefixtures("engine")
def test_the_flow_of_schedules_is_bound_too(ground):
    (ground.outside / "spec.yaml").write_text(json.dumps(ground.spec()))
    ground.watch()
    state = scheduled_build(str(ground.outside / "spec.yaml"), return_state=True)
    assert state.is_failed()
    assert state.message.startswith("the policy of this worker does not let it read")
    assert ground.touched() == []


def test_a_link_that_takes_a_files_place_after_the_check_is_not_followed(ground):
    folder = ground.data / "texts"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.txt").write_text("words")
    spec = parse(Spec, ground.spec(source={"path": str(folder), "label": "y"}))
    files = find_files(spec.source)
    (folder / "a" / "1.txt").unlink()
    os.symlink(ground.secret, folder / "a" / "1.txt")
    (folder / "b" / "1.txt").unlink()
    (folder / "b").rmdir()
    os.symlink(ground.outside, folder / "b")
    ground.watch()
    with pytest.raises(SourceError, match="a/1.txt is a symbolic link out of the folder"):
        files.open("a/1.txt")
    with pytest.raises(SourceError, match="b/secret.csv is a symbolic link out of the folder"):
        files.open_random("b/secret.csv")
    with pytest.raises(SourceError, match="secret.csv is a symbolic link out of the folder"):
        files.open("../../outside/secret.csv")
    assert ground.touched() == []


def test_an_actor_takes_no_plan_but_the_one_that_was_made(ground):
    plan = make_plan(parse(Spec, ground.spec()))
    place = make_workspace(str(ground.out / "t"), plan)
    place.keep_plan(plan)
    assert place.plan(plan_hash(plan)) == plan
    evil = plan.model_copy(update={"generator": plan.generator.model_copy(update={"name": "evil:Evil"})})
    place.keep_plan(evil)
    with pytest.raises(MakeweightError, match=r"plan\.json is not the plan that this build wrote down; find out who"):
        place.plan(plan_hash(plan))


def test_an_endpoint_that_sends_callers_elsewhere_is_not_followed(ground, monkeypatch):
    monkeypatch.setenv("MAKEWEIGHT_KEY_LLM", "hush")
    for status in (301, 302, 303, 307, 308):
        ground.foe.heard.clear()
        answer = (status, {"location": f"http://127.0.0.1:{ground.foe.port}/v1/chat/completions"})
        with Listener(answer).running() as moved:
            params = {
                "base_url": f"http://127.0.0.1:{moved.port}/v1",
                "model": "m",
                "api_key_env": "MAKEWEIGHT_KEY_LLM",
                "cache": str(ground.out / "cache"),
                "retries": 0,
            }
            cls = generator_class("endpoint")
            generator = cls(parse(cls.Params, params))
            generator.fit(pa.table({"text": ["one", "two"], "y": ["a", "a"]}), "y", 0)
            with pytest.raises(GeneratorError, match=rf"sends callers to another address \({status}\)"):
                generator.sample(SampleRequest(stratum="a", chunk=0, rows=1, seed=1))
            assert len(moved.heard) == 1
        assert ground.foe.heard == []


@pytest.mark.usefixtures("in_process")
def test_a_plan_that_was_changed_names_no_code_to_a_builds_actors(ground, monkeypatch):
    """Whoever may write the output folder could have had code run by the next build."""
    import flows.build

    spec = parse(Spec, ground.spec(validate=["schema"]))
    told = flows.build.actors.Fitting

    def tampered(plan, place, gpus, where):
        evil = plan.generator.model_copy(update={"name": "tests.faults.faulty:Faulty"})
        place.keep_plan(plan.model_copy(update={"generator": evil}))
        return told(plan, place, gpus, where)

    monkeypatch.setattr(flows.build.actors, "Fitting", tampered)
    with pytest.raises(MakeweightError, match=r"plan\.json is not the plan that this build wrote down"):
        build(spec)
