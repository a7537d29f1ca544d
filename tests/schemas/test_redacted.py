"""Redaction: what is planted is hidden, what holds no secret stays as it is, and nonsense of any size ends."""

import pickle
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Fault, ShortfallError, SpecError
from schemas.secrets import HIDDEN, all_redacted, redacted

SECRET = st.text(string.ascii_letters + string.digits + "+/.~_-", min_size=8, max_size=60).map(lambda text: f"q7{text}")
HOST = st.sampled_from(["host", "example.org", "127.0.0.1:9000", "[::1]:80", "bucket/key"])
AROUND = st.text(string.ascii_letters + string.digits + " .,:/\n()[]{}<>%*~öß中\t\0", max_size=80)
"""Words and signs, none of which assigns, and no `@`."""
PLANTS = (
    "s3://AKIA:{secret}@{host}",
    "https://{secret}@{host}",
    "redis://:{secret}@{host}",
    "postgresql+asyncpg://prefect:{secret}@{host}",
    "https://{host}/a?token={secret}",
    "https://{host}/a?x=1&X-Amz-Signature={secret}&y=2",
    "https://{host}/a?X-Amz-Credential={secret}",
    "https://{host}/a?AWSAccessKeyId={secret}&Expires=1",
    "https://{host}/a?sv=1&sig={secret}",
    "https://{host}/a?key={secret}",
    "https://{host}/a;api_key={secret}",
    "access_token={secret}",
    "ACCESS_KEY={secret}",
    "host={host} password={secret} user=me",
    "host=h password='{secret} with blanks' user=me",
    'pwd="{secret}"',
    "Server=h;UID=me;PWD={secret};",
    "auth={secret}",
    "x-amz-credential={secret}",
    "sig={secret}",
    "client_secret={secret}",
    "Authorization: Bearer {secret}",
    "authorization: Basic {secret}",
    '"Authorization": "token {secret}"',
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIA, Signature={secret}",
    "curl -H bearer 0123456789{secret}",
    "s3://AKIA:pa@ss{secret}@{host}",
    "http://user:a@b@{secret}@{host}",
    "http://u:12345]{secret}@{host}",
    "http://u:p\n{secret}@{host}",
    "s3://AK:8080, {secret}@{host}",
    "MAKEWEIGHT_PUSHGATEWAY='user:{secret}@{host}'",
    "user:{secret}@hooks.slack.com/services",
    "user:a@{secret}@h",
    "user:a:{secret}@h",
    "AccountName=me;AccountKey={secret};EndpointSuffix=core",
    "x-api-key: {secret}",
    "X-Auth-Token: {secret}",
    "x-amz-security-token:{secret}",
    "{{'api_key': '{secret}'}}",
    '{{"api_key": "{secret} in words"}}',
    r"{{\"password\":\"{secret}\"}}",
    "?secret%5Fkey={secret}&x=1",
    "--set 'api_key:{secret}'",
    "password: {secret}",
    "Password = {secret}",
    "authorization: {secret}",
)


def planted(plant, secret, host):
    """Return the secret as it can stand there, and the text; where a host may end, as in a token, it holds no `/`."""
    secret = secret.replace("/", "-") if re.match("https://{secret}|.*@.*{secret}", plant) else secret
    return secret, plant.format(secret=secret, host=host)


@given(st.sampled_from(PLANTS), SECRET, HOST, AROUND, AROUND)
@settings(deadline=None, max_examples=400)
def test_what_is_planted_is_hidden(plant, secret, host, before, after):
    secret, text = planted(plant, secret, host)
    text = f"{before} {text} {after}"
    assert secret not in redacted(text)
    assert HIDDEN in redacted(text)
    assert redacted(redacted(text)) == redacted(text), "what was hidden stays so"


@given(st.sampled_from(PLANTS), st.sampled_from(PLANTS), SECRET, SECRET)
@settings(deadline=None, max_examples=200)
def test_two_secrets_in_one_line_are_both_hidden(one, other, first, second):
    (first, start), (second, end) = planted(one, first, "h"), planted(other, second, "h")
    told = redacted(f"{start} then {end}")
    assert first not in told
    assert second not in told


@given(
    AROUND, st.sampled_from(["a@b", "x = 1", "max_tokens=5", "design=new", "s3://bucket/key", "mail me@example.org"])
)
@settings(deadline=None, max_examples=400)
def test_what_holds_no_secret_stays_as_it_is(text, more):
    for whole in (text, f"{more} {text}" if "://" not in text or "@" not in more else text):
        assert redacted(whole) == whole


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8000/v1 does not answer; ask admin@example.org",
        "http://localhost:8000, and user@host",
        "balance.target: must be largest, got 'a=b'",
        "Bearer certificates are basic, and no secret",
        "the key=value pairs of --set",
        "s3://bucket/key?endpoint_override=host:9000&scheme=http&region=us-east-1",
        "authorization failed: try again",
        "file:///data/a@b.csv",
        "s3://bucket/2024-01-01T10:00@noon.csv",
        "class 'token': 412 of 1,000 rows accepted after 20 attempts a row",
        "balance.target.secret: must be a number, got 'many'",
        "generator.params.api_key: unknown key 'api_key'; did you mean 'api_key_env'?",
        "spec.yaml:3: source.path: no such file",
        "build img/x:tag@sha of user@host",
    ],
)
def test_messages_without_secrets_are_left_alone(text):
    assert redacted(text) == text


def test_passwords_of_odd_signs_are_hidden_whole():
    assert redacted("s3://AK:a/b+c%2F?d#e@bucket/x: not there") == "s3://***@bucket/x: not there"
    assert redacted("s3://AK:a b@bucket/x") == "s3://***@bucket/x"
    assert redacted("a://u:p@h, b://u:p@h") == "a://***@h, b://***@h"
    assert redacted("s3://AKIA:pa@ssw0rd@bucket/a@b.csv") == "s3://***@bucket/a@b.csv"
    assert redacted("RAY_ADDRESS='user:hu@sh@h:1'") == "RAY_ADDRESS='***@h:1'"
    assert redacted("http://localhost:8000/v1\n@property\nsee http://u:a\nb@h") == (
        "http://localhost:8000/v1\n@property\nsee http://***@h"
    )


def test_what_a_message_goes_on_with_stays():
    assert redacted("password=hush: not there") == "password=***: not there"
    assert redacted("pwd=hu:sh:\nnot there") == "pwd=***:\nnot there"
    assert redacted("token=hush:") == "token=***:"


def test_names_of_the_source_that_look_like_credentials_are_spared_and_those_around_them_are_not():
    fault = Fault(("balance", "target", "password=on"), "no class 'password=on'; did you mean 'password=one'?",
                  names=("password=on", "password=one", "sig=a"))  # fmt: skip
    told = "balance.target.password=on: no class 'password=on'; did you mean 'password=one'?"
    assert str(SpecError(fault)) == told
    assert str(SpecError(fault).located("s.yaml", {})) == f"s.yaml: {told}"
    assert str(pickle.loads(pickle.dumps(SpecError(fault)))) == told  # noqa: S301 as a task hands it on
    other = Fault((), "password=hush in s3://key:hush@bucket, of password=one", names=("password=one",))
    assert str(SpecError(other)) == "password=*** in s3://***@bucket, of password=one"


def test_so_are_those_of_other_errors():
    told = ShortfallError("class 'password=one': 3 of 9 rows accepted; token=hush").naming(["password=one"])
    for error in (told, pickle.loads(pickle.dumps(told))):  # noqa: S301 as a task hands it on
        assert str(error) == "class 'password=one': 3 of 9 rows accepted; token=***"


def test_every_uri_within_data_is_redacted_and_other_texts_are_handed_on_as_they_are():
    data = ["auth==1", "a.token >= 3", {"prompt": "password={label}", "x": ["https://hush@host/", 1, None, True]}]
    assert all_redacted(data) == [*data[:2], {"prompt": "password={label}", "x": ["https://***@host/", 1, None, True]}]


HOSTILE = (
    *("?key", "://a:", "://a@", "://a:1/", "://@", "://a:b \n@", "@", "=", "a=", "et=", "&key=b", "key='", 'pwd="'),
    *(
        "a:",
        "a:b@",
        ":@",
        "://a:b@\n",
        "a:b\n",
        "***@",
        "x-api-key: ",
        "'token': '",
        "password: a ",
        "et:",
        "%5fkey=",
        '\\"',
    ),
    *("token=", "authorization: ", "authorization: bearer ", "bearer ", "Bearer aaaaaaaaaaaaaaaa ", "a", "\n", "?" * 9),
)
ALL_NAMES = " ?key=a token=a secret=a password=a pwd=a sig=a auth=a credential=a @ authorization: bearer a"


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_nonsense_ends(piece):
    """Ends at all: with one step a sign for each sign before it, each of these would take a quarter of an hour."""
    text = piece * (1_000_000 // len(piece))
    for end in ("", "@", ALL_NAMES):
        assert redacted(text + end)


def test_the_patterns_hold_no_quantifier_that_can_give_back():
    """What is possessive never tries again, which is where more than linear time comes from."""
    from schemas import secrets

    names = "_TOKEN", "_USER", "_SCHEMELESS", "_MORE", "_VALUE", "_SCHEMES", "_BEARER"
    patterns = [*(getattr(secrets, name) for name in names), *secrets._ASSIGNED.values()]
    for pattern in patterns:
        unbounded = re.findall(r"[\])][*+](?!\+)|\{\d+,\}(?!\+)", pattern.pattern)
        assert unbounded == [], pattern.pattern
