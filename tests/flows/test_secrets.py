"""Credentials in a spec: neither Prefect, nor the log, nor what is published or printed ever shows them."""

import json
import logging

import pytest

from flows.build import build
from flows.cli import app
from flows.commands.server import shown_hook
from generators import base
from generators.tabular.smote import SMOTE
from generators.text.endpoint import Endpoint, EndpointParams
from pipelines.storage.encryption import read_key
from schemas.errors import GeneratorError, MakeweightError, SpecError
from schemas.secrets import all_redacted
from schemas.spec import Spec, parse
from tests.machine import s3_bucket

HUSH = "hush-hush"


class Keyed(SMOTE):
    """A generator of a user's own, with an address among its parameters."""

    class Params(base.Params):
        """An address that may hold a password."""

        address: str


@pytest.fixture
def bucket(source):
    """A bucket with the source on a real S3 server on this machine; yields its URI and a client."""
    with s3_bucket(HUSH) as (uri, client):
        client.put_object(Bucket="data", Key="payments.csv", Body=source.read_bytes())
        yield uri, client


NEWEST = {
    "flow_runs": "START_TIME_DESC",
    "task_runs": "EXPECTED_START_TIME_DESC",
    "logs": "TIMESTAMP_DESC",
    "artifacts": "CREATED_DESC",
}


def all_that_prefect_keeps():
    """Return what the Prefect server holds of the newest runs, with their states, as it gives it to any client."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        answers = [client.request("POST", f"/{kind}/filter", json={"sort": sort}) for kind, sort in NEWEST.items()]
    return "\n".join(answer.raise_for_status().text for answer in answers)


@pytest.mark.usefixtures("engine")
def test_secrets_in_uris_reach_nothing_that_is_kept(make_spec, bucket, caplog, capfd):
    uri, client = bucket
    parts = {"source": {"path": uri.format("payments.csv"), "label": "label"}}
    spec = make_spec(**parts, output={"path": uri.format("out"), "shard_rows": 400})
    missing = make_spec(source={"path": uri.format("none.csv"), "label": "label"}, output={"path": uri.format("no")})
    with caplog.at_level(logging.DEBUG, logger="prefect"):
        build(spec)
        with pytest.raises(MakeweightError, match="none.csv"):
            build(missing)
    kept = all_that_prefect_keeps()
    assert "s3://***@data/payments.csv" in kept, "what is looked through does hold the flow's parameters"
    told = capfd.readouterr()
    for text in (kept, caplog.text, told.out, told.err):
        assert HUSH not in text
    for item in client.list_objects_v2(Bucket="data")["Contents"]:
        assert HUSH.encode() not in client.get_object(Bucket="data", Key=item["Key"])["Body"].read(), item["Key"]


def test_the_plan_that_is_printed_holds_none(tmp_path, source, capsys):
    spec = {
        "name": "t",
        "source": {"path": str(source), "label": "label"},
        "generator": {"name": "tests.flows.test_secrets:Keyed", "params": {"address": f"http://me:{HUSH}@host/v1"}},
        "output": {"path": f"s3://key:{HUSH}@data/out"},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    with pytest.raises(SystemExit) as end:
        app(["plan", str(tmp_path / "spec.yaml"), "--json"])
    told = capsys.readouterr()
    assert end.value.code == 0, told
    assert "http://***@host/v1" in told.out
    assert HUSH not in told.out + told.err


def test_a_spec_whose_secrets_were_left_out_says_so(make_spec):
    spec = make_spec(output={"path": f"s3://key:{HUSH}@data/out"})
    kept = json.loads(spec.model_dump_json(by_alias=True))
    assert spec.output.path == f"s3://key:{HUSH}@data/out", "the spec itself is whole"
    with pytest.raises(SpecError, match="output.path: the credentials were left out where this spec was kept"):
        parse(Spec, kept)


def test_every_text_within_is_redacted():
    data = {"a": [f"s3://key:{HUSH}@b/c", 1, None], "b": {"c": f"https://h/p?token={HUSH}&x=1"}}
    assert all_redacted(data) == {"a": ["s3://***@b/c", 1, None], "b": {"c": "https://h/p?token=***&x=1"}}


def test_an_error_shows_none():
    assert str(MakeweightError(f"http://me:{HUSH}@host/v1: no answer")) == "http://***@host/v1: no answer"


KEYS = ("00112233445566778899aabbccddeeff", "a0112233445566778899aabbccddeeff", "sk-abc", f"sk-proj-{HUSH}",
        "AKIAIOSFODNN7EXAMPLE",
        "sk_live_4eC39HqLyjW", "hf_abcdefgh", "aGVsbG8gd29ybGQxMjM0", "MY KEY", 112233, ["k3y"], "")  # fmt: skip
FIELDS = {
    "output.encryption_key_env": ("resample", "output"),
    "generator.params.api_key_env": ("endpoint", "params"),
    "generator.params.noise_key_env": ("dp_autoregressive", "params"),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("field", FIELDS)
def test_a_key_where_its_name_belongs_is_refused_and_not_quoted(tmp_path, source, capsys, field, key):
    (name, part), last = FIELDS[field], field.rpartition(".")[2]
    params = {"api_key_env": {"base_url": "http://localhost:1/v1", "model": "m"}, "noise_key_env": {"epsilon": 1}}
    spec = {
        "name": "t",
        "source": {"path": str(source), "label": "label"},
        "generator": {"name": name, "params": params.get(last, {}) | ({last: key} if part == "params" else {})},
        "output": {"path": str(tmp_path / "out")} | ({last: key} if part == "output" else {}),
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    with pytest.raises(SystemExit) as end:
        app(["plan", str(tmp_path / "spec.yaml"), "--json"])
    told = capsys.readouterr()
    assert end.value.code == 2
    assert f"{field}: must be the name of an environment variable" in told.out
    assert not key or str(key if isinstance(key, str | int) else key[0]) not in told.out + told.err


def test_a_name_that_may_be_a_key_is_not_quoted_where_it_is_not_set(monkeypatch):
    with pytest.raises(
        SpecError, match=r"^output.encryption_key_env: the environment variable of that name is not set"
    ):
        read_key("abcdefabcdefabcdefabcdefabcdefab")
    with pytest.raises(SpecError, match="the environment variable 'MW_KEY_1' is not set"):
        read_key("MW_KEY_1")


def test_no_key_is_sent_where_the_variable_that_was_named_is_not_set(monkeypatch):
    monkeypatch.delenv("MY_LLM_KEY", raising=False)
    told = r"^the environment variable 'MY_LLM_KEY' \(generator.params.api_key_env\) is not set, and nothing was sent"
    with pytest.raises(GeneratorError, match=told):
        Endpoint(EndpointParams(base_url="http://localhost:1/v1", model="m", api_key_env="MY_LLM_KEY"))._read_key()
    plain = Endpoint(EndpointParams(base_url="http://localhost:1/v1", model="m"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert plain._read_key() == "none", "an endpoint of one's own needs none"


def test_what_was_overridden_wrongly_is_told_without_it(tmp_path, capsys):
    (tmp_path / "spec.yaml").write_text("{name: t}")
    with pytest.raises(SystemExit):
        app(["plan", str(tmp_path / "spec.yaml"), "--set", f"api_key:{HUSH}"])
    assert "'api_key:***'" in (told := capsys.readouterr().err)
    assert HUSH not in told


def test_of_a_webhook_only_its_host_is_told():
    for url in (f"https://hooks.slack.com/services/T0/B0/{HUSH}", f"http://me:{HUSH}@hooks.slack.com/x?a={HUSH}"):
        assert shown_hook(url) == f"{url.partition(':')[0]}://hooks.slack.com/***"
