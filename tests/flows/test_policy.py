"""The policy: how it is read, that every field of a spec is thought of, and what a build does when things change."""

import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import httpx
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs
from pydantic import BaseModel

from flows.build import build
from flows.deployed.policy import read_policy, worker_guard
from flows.deployed.scheduled import scheduled_build
from flows.deployed.worker import check_task
from generators import GENERATORS
from generators.image.transforms import FILES, known_transforms
from pipelines.modality import MODALITIES
from pipelines.plan.guard import SETTING, Guard
from pipelines.plan.planning import make_plan
from pipelines.plan.registry import generator_class, validator_class
from pipelines.source.files import find_files
from pipelines.storage.folder import resolve
from pipelines.storage.workspace import make_workspace, plan_hash
from schemas.errors import GeneratorError, MakeweightError, SourceError, SpecError
from schemas.plan import SampleRequest
from schemas.policy import Policy, read_origin, read_store
from schemas.spec import Spec, parse
from schemas.touch import mark_of
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
    assert unmarked - HARMLESS == set(), "mark it by schemas.touch.Touch, or say that it is harmless"
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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reed: [/data]", "policy.yaml:1: reed: unknown key 'reed'; did you mean 'read'?"),
        ("read: data", "read: input should be a valid list"),
        ("read: [data]", "read[0]: must be a whole path or a URI, got 'data'"),
        ("read: ['file:///data']", "a folder of this machine is written as a path"),
        ("read: ['s3://key:hush@bucket']", "holds a user or a key before '@'"),
        ("read: ['s3://bucket/a/../b']", "write the path straight"),
        ("hosts: [example.org]", "hosts[0]: is not written plainly"),
        ("hosts: ['https://example.org/v1']", "must be a scheme, a host and perhaps a port"),
        ("keys: ['*']", "keys[0]: string should match pattern"),
        ("modules: ['*']", "modules[0]: string should match pattern"),
        ("max_rows: 0", "max_rows: input should be greater than or equal to 1"),
        ("- read", "a policy is a mapping of keys, got list"),
        ("", "is empty"),
        ("a: &a [1]\nb: *a", "YAML aliases"),
        ("read: !!python/object/apply:os.system [ls]", "YAML tags"),
    ],
)
def test_a_policy_that_is_none_lets_nothing_pass(ground, text, told):
    ground.policy.write_text(text)
    with pytest.raises(SpecError, match=r"^the policy of this worker \(MAKEWEIGHT_POLICY=.*\) cannot be used: ") as one:
        worker_guard()
    assert told in str(one.value)
    assert "hush" not in str(one.value)
    ground.watch()
    with pytest.raises(SpecError, match="cannot be used"):
        check_task.fn(lambda _: parse(Spec, ground.spec()))
    assert ground.touched() == []


def test_a_policy_that_is_not_there_lets_nothing_pass(ground, monkeypatch):
    monkeypatch.setenv(SETTING, str(ground.root / "none.yaml"))
    with pytest.raises(SpecError, match="cannot be used: .*no such file"):
        worker_guard()


def test_a_policy_that_those_may_write_whom_it_binds_is_refused(ground):
    ground.policy.chmod(0o666)
    with pytest.raises(SpecError, match="everybody may write .*policy.yaml; take that right away"):
        worker_guard()
    ground.policy.chmod(0o644)
    ground.write_policy(write=[str(ground.root)])
    with pytest.raises(SpecError, match="write: .* holds the policy itself; put the policy elsewhere"):
        worker_guard()


def test_local_paths_come_back_as_the_real_ones_that_were_checked(ground):
    os.symlink(ground.data / "t.csv", ground.data / "newest.csv")
    os.symlink(ground.data, ground.root / "also")
    guard = worker_guard()
    spec = parse(Spec, ground.spec(source={"path": str(ground.root / "also" / "newest.csv"), "label": "y"}))
    assert guard.admitted(spec).source.path == os.path.realpath(ground.data / "t.csv")
    spec = parse(Spec, ground.spec(source={"path": f"file://{ground.data}/t.csv", "label": "y"}))
    assert guard.admitted(spec).source.path == os.path.realpath(ground.data / "t.csv")
    words = {"inappropriate": {"file": str(ground.root / "also" / "words.txt")}}
    spec = guard.admitted(parse(Spec, ground.spec(validate=["duplicates", words])))
    assert spec.validators[1].params == {"file": os.path.realpath(ground.data / "words.txt")}


def test_what_is_within_the_policy_stays_as_it_is(ground):
    ground.write_policy(hub=["org/*"], modules=["tests.faults.faulty"], keys=["SPECIAL_KEY", "MAKEWEIGHT_KEY_*"])
    address = f"http://127.0.0.1:{ground.friend.port}/v1"
    generators = (
        {"name": "tests.faults.faulty:Faulty", "params": {"how": "hang"}},
        {"name": "causal_lm", "params": {"model": "org/model"}},
        {"name": "causal_lm"},
        {"name": "causal_lm", "params": {"model": str(ground.models / "m")}},
        {"name": "endpoint", "params": {"base_url": address, "model": "m", "api_key_env": "SPECIAL_KEY"}},
    )
    for generator in generators:
        for path in ("s3://good/data/t.csv", "s3://good/data", str(ground.data)):
            spec = parse(Spec, ground.spec(generator=generator, source={"path": path, "label": "y"}))
            assert worker_guard().admitted(spec) == spec


def test_stores_and_addresses_are_compared_as_a_whole():
    root = read_store("s3://bucket/data?endpoint_override=store:9000&scheme=http")
    assert root.holds(read_store("s3://bucket/data/a%20b.csv?scheme=http&endpoint_override=store:9000"))
    for other in ("s3://bucket/data/a.csv", "s3://bucket/data/a?endpoint_override=store:9000", "s3://bucket2/data"):
        assert not root.holds(read_store(other))
    assert read_origin("https://host/v1") == read_origin("https://host:443") == "https://host:443"
    assert read_origin("http://host") == "http://host:80"


STEPS = st.sampled_from(["data", "outside", "..", ".", "", "inner", "to_data", "to_outside", "t.csv", "secret.csv"])


@given(st.lists(STEPS, max_size=7), st.booleans())
@settings(deadline=None, max_examples=300)
def test_whatever_path_is_admitted_lies_where_it_may(tmp_path_factory, steps, as_uri):
    root = tmp_path_factory.getbasetemp() / "paths"
    data = root / "data"
    if not root.exists():
        (data / "inner").mkdir(parents=True)
        (root / "outside").mkdir()
        for name, target in (("to_data", data), ("to_outside", root / "outside")):
            os.symlink(target, data / name)
            os.symlink(target, root / name)
    path = f"{'file://' if as_uri else ''}{root}/{'/'.join(steps)}"
    guard = Guard(Policy(read=[str(data)]), "policy.yaml")
    try:
        admitted = guard.file_to_read(path)
    except SpecError:
        return
    assert admitted == os.path.realpath(admitted)
    assert Path(admitted).is_relative_to(os.path.realpath(data))
    assert os.path.realpath(resolve(path)[1]) == admitted or ".." in steps, "it is what would be opened"


OPTIONS = "endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
PARTS = ["good", "evil", "data", "..", ".", "%2e%2e", "%2F", "/", "//", "@", ":", "?", "#", "\\", "a b", "%"]
STARTS, ENDS = ["", "good/data/", "good/data"], [OPTIONS, "", "x=1"]


@given(st.lists(st.sampled_from(PARTS), max_size=6), st.sampled_from(STARTS), st.sampled_from(ENDS))
@settings(deadline=None, max_examples=500)
def test_whatever_store_is_admitted_is_the_one_that_would_be_opened(parts, start, options):
    uri = f"s3://{start}{''.join(parts)}?{options}"
    guard = Guard(Policy(read=[f"s3://good/data?{OPTIONS}"]), "policy.yaml")
    try:
        assert guard.file_to_read(uri) == uri
    except SpecError:
        return
    filesystem, inner = fs.FileSystem.from_uri(uri)
    assert filesystem.__reduce__()[1][0]["endpoint_override"] == "127.0.0.1:9"
    assert inner.rstrip("/") == "good/data" or inner.startswith("good/data/")
    assert not {"..", "."} & set(inner.split("/"))


SIGNS = ["host", "evil", ":", "8000", "@", "/", "\\", "#", "?", ".", "[", "]", "::1", "%40", "\t", "v1", "ß", "。"]
SCHEMES = ["http://", "http://host:8000", "https://host", "HTTP://host:8000"]


@given(st.lists(st.sampled_from(SIGNS), max_size=7), st.sampled_from(SCHEMES))
@settings(deadline=None, max_examples=300)
def test_whatever_address_is_admitted_is_the_one_that_would_be_called(signs, start):
    params = {"base_url": start + "".join(signs), "model": "m", "api_key_env": "MAKEWEIGHT_KEY_LLM"}
    spec = {"name": "t", "source": {"path": "/data/t.csv", "label": "y"}, "output": {"path": "/data/t"}}
    guard = Guard(Policy(read=["/data"], write=["/data"], hosts=["http://host:8000"]), "policy.yaml")
    try:
        admitted = guard.admitted(parse(Spec, spec | {"generator": {"name": "endpoint", "params": params}}))
    except SpecError:
        return
    called = httpx.URL(admitted.generator.params["base_url"])
    assert (called.scheme, called.host, called.port) == ("http", "host", 8000)
    assert not called.userinfo


def test_the_command_line_and_python_are_not_bound(ground, monkeypatch):
    monkeypatch.delenv(SETTING)
    plan = make_plan(parse(Spec, ground.spec(source={"path": str(ground.secret), "label": "y"})))
    assert plan.profile.rows == 60


@pytest.fixture
def scheduled(ground):
    """Return what a scheduled build of a spec file would be refused with."""

    def scheduled(path, *overrides):
        from flows.deployed.scheduled import read_spec

        with pytest.raises(SpecError) as refusal:
            check_task.fn(lambda guard: read_spec(guard.file_to_read(path), overrides))
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


def test_a_guard_without_a_file_allows_nothing():
    guard = Guard(Policy())
    spec = {"name": "t", "source": {"path": "/data/t.csv", "label": "y"}, "output": {"path": "/data/t"}}
    with pytest.raises(SpecError, match=f"start the worker with {SETTING} set to its path") as refusal:
        guard.admitted(parse(Spec, spec))
    assert len(refusal.value.faults) == 1, "one sentence, however much is not allowed"


@pytest.mark.usefixtures("engine")
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
