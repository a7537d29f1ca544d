"""A policy lets pass what it names, and compares paths, stores and addresses as they would be opened."""

import os
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from flows.deployed.policy import worker_guard
from flows.deployed.worker import check_task
from pipelines.plan.policy import SETTING, Guard
from pipelines.storage.folder import resolve
from schemas.errors import SpecError
from schemas.policy import Policy, read_origin, read_store
from schemas.spec import Spec, parse
from tests.hostile.ground import Ground, Listener


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """A worker's machine, with a policy."""
    with Listener().running() as friend, Listener().running() as foe:
        made = Ground(tmp_path, friend, foe)
        monkeypatch.setenv(SETTING, str(made.policy))
        yield made


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


def test_a_guard_without_a_file_allows_nothing():
    guard = Guard(Policy())
    spec = {"name": "t", "source": {"path": "/data/t.csv", "label": "y"}, "output": {"path": "/data/t"}}
    with pytest.raises(SpecError, match=f"start the worker with {SETTING} set to its path") as refusal:
        guard.admitted(parse(Spec, spec))
    assert len(refusal.value.faults) == 1, "one sentence, however much is not allowed"
