import asyncio
import logging
import socket

import pyarrow as pa
import pytest

from generators.text.endpoint import Endpoint
from generators.text.prompts import read_rows
from schemas.errors import BudgetError, GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import parse
from tests.chat_server import ChatServer, Reply, rows_for

TABLE = pa.table(
    {
        "message": [f'real text {n} {{of}} the "tail"' for n in range(9)] + ["the head"] * 20,
        "label": ["tail"] * 9 + ["head"] * 20,
    }
)


def request(rows=40, chunk=0, stratum="tail"):
    return SampleRequest(stratum=stratum, chunk=chunk, rows=rows, seed=2**63 - 9 + chunk)


@pytest.fixture
def server():
    with ChatServer().running() as running:
        yield running


@pytest.fixture
def make(server, tmp_path, monkeypatch):
    monkeypatch.setattr("generators.text.calls._LONGEST_PAUSE", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def made(**params):
        params = {"base_url": server.url, "model": "tiny", "cache": str(tmp_path / "answers"), **params}
        generator = Endpoint(parse(Endpoint.Params, params))
        generator.fit(TABLE, "label", 3)
        return generator

    return made


def texts(table):
    return table["message"].to_pylist()


def test_rows_come_in_the_order_of_the_calls(server, make):
    server.behave = lambda number, body: Reply(rows_for(body), delay=0.05 * (number % 3))
    table = make().sample(request())
    assert table.schema == TABLE.schema
    assert table["label"].unique().to_pylist() == ["tail"]
    seeds = [int(text.split()[1]) for text in texts(table)[::8]]
    assert len(set(seeds)) == 5


def test_examples_and_seed_follow_from_the_request(server, make):
    make(examples=3).sample(request(32))
    shown = [body["messages"][0]["content"] for body in server.bodies]
    assert all(prompt.count("real text") == 3 for prompt in shown)
    assert len(set(shown)) > 1
    assert len({body["seed"] for body in server.bodies}) == 4
    assert all(body["response_format"]["type"] == "json_schema" for body in server.bodies)


def test_thousand_rows_from_a_slow_server_that_fails_one_call_in_ten(server, make):
    failures = [Reply(status=429), Reply(status=500), Reply(cut=True), Reply("no JSON"), Reply("[]")]
    server.behave = lambda number, body: (
        failures[number // 10 % 5] if number % 10 == 0 else Reply(rows_for(body), delay=0.2)
    )
    generator = make()
    first = generator.sample(request(1000))
    assert first.num_rows == len(set(texts(first))) == 1000
    assert server.most >= 30
    before = server.calls
    assert make().sample(request(1000)).equals(first)
    assert server.calls == before


def test_answers_before_a_failure_are_not_paid_for_again(server, make):
    server.behave = lambda number, body: Reply(rows_for(body)) if number <= 6 else Reply(status=401, message="no")
    with pytest.raises(
        GeneratorError, match=r"refuses the key in the environment variable 'OPENAI_API_KEY' \(401: no\)"
    ):
        make(concurrency=2).sample(request(100))
    server.behave = lambda _, body: Reply(rows_for(body))
    before = server.calls
    make(concurrency=2).sample(request(100))
    assert server.calls - before == 13 - 6


@pytest.mark.parametrize("failure", [Reply(status=429), Reply(status=503), Reply(cut=True), Reply(status=500)])
def test_passing_failures_are_tried_again(server, make, failure):
    server.behave = lambda number, body: failure if number < 3 else Reply(rows_for(body))
    assert make().sample(request(8)).num_rows == 8
    assert server.calls == 3


@pytest.mark.parametrize(
    "bad",
    [
        Reply("this is not JSON"),
        Reply('{"rows": ["cut off'),
        Reply(None, refusal="I cannot"),
        Reply(None, finish="content_filter"),
        Reply('{"rows": ["  ", ""]}'),
        Reply('{"rows": [1, null]}'),
        Reply("[" * 100_000),
    ],
)
def test_answers_without_rows_are_asked_for_again_by_another_call(server, make, bad):
    server.behave = lambda number, body: bad if number == 1 else Reply(rows_for(body))
    first = make().sample(request(8))
    assert server.calls == 2
    assert make().sample(request(8)).equals(first)
    assert server.calls == 2


def test_too_few_rows_are_filled_up(server, make):
    server.behave = lambda _, body: Reply(rows_for(body, 3))
    assert make().sample(request(20)).num_rows == 20
    assert server.calls == 3 + 2 + 1 + 1  # 9 rows, 6 more, 3, 3


def test_a_model_that_never_gives_rows_ends_with_what_it_said(server, make):
    server.behave = lambda number, _: Reply(None, refusal="no") if number % 2 else Reply('{"rows', finish="length")
    with pytest.raises(GeneratorError, match=r"0 of 8 rows in 6 calls; of the answers were 3 \S+.*, 3 .*max_tokens"):
        make().sample(request(8))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=403, message="forbidden"), "refuses the key in the environment variable 'OPENAI_API_KEY'"),
        (Reply(status=404, message="no such model"), r"not found \(404: no such model\); check base_url"),
        (Reply(status=400, message="maximum context length is 12"), "context is too short for the prompt"),
        (Reply(status=400, code="context_length_exceeded"), "context is too short for the prompt"),
        (Reply(status=400, message="temperature"), r"refuses the request \(400: temperature\)"),
        (Reply(raw=b"<html>hello</html>"), "is not one of a chat endpoint"),
        (Reply(raw=b"<html>hello</html>", headers={"content-type": "text/html"}), "is not one of a chat endpoint"),
        (Reply(raw=b'{"choices": "none"}'), "is not one of a chat endpoint"),
    ],
)
def test_what_never_mends_ends_with_one_clear_message(server, make, reply, message):
    server.behave = lambda *_: reply
    with pytest.raises(GeneratorError, match=message):
        make(retries=1).sample(request(8))
    assert server.calls <= 2


def test_no_money_left_is_a_budget_error(server, make):
    server.behave = lambda *_: Reply(status=429, code="insufficient_quota", message="quota")
    with pytest.raises(BudgetError, match="has no money left"):
        make().sample(request(8))


def test_endpoint_that_is_not_there_is_named(make):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(GeneratorError, match=rf"{url}: cannot be reached .*3 attempts"):
        make(base_url=url).sample(request(8))


def test_slow_endpoint_runs_into_the_timeout(server, make):
    server.behave = lambda _, body: Reply(rows_for(body), delay=0.5)
    with pytest.raises(GeneratorError, match="no answer in time; raise generator.params.timeout"):
        make(timeout=0.1, retries=1).sample(request(8))


def test_unknown_response_formats_fall_back(server, make):
    def behave(_, body):
        if "response_format" in body:
            return Reply(status=400, message=f"unknown response_format {body['response_format']['type']}")
        return Reply(f"Here you are:\n```json\n{rows_for(body)}\n```")

    server.behave = behave
    assert make().sample(request(8)).num_rows == 8
    assert server.calls == 3
    make().sample(request(8))
    assert server.calls == 3


def test_token_cap_holds_and_raising_it_goes_on(server, make):
    with pytest.raises(BudgetError, match=r"[\d,]+ calls, [\d,]+ tokens of max_tokens_total 5,000 .*run the same"):
        make(max_tokens_total=5000, max_tokens=100).sample(request(800))
    paid = server.calls
    assert 20 <= paid <= 5000 / 150
    with pytest.raises(BudgetError):
        make(max_tokens_total=5000, max_tokens=100).sample(request(800, chunk=1))
    assert server.calls == paid
    make(max_tokens_total=10**6, max_tokens=100).sample(request(800))
    assert server.calls == 100


def test_money_cap_holds(server, make):
    price = {"input": 10, "output": 20}  # 0.002 a call
    with pytest.raises(BudgetError, match=r"0\.0\d+ of max_cost 0\.05"):
        make(max_cost=0.05, price_per_million=price, max_tokens=60).sample(request(800))
    assert 10 <= server.calls <= 25


def test_requests_a_minute_are_spread(server, make):
    make(requests_per_minute=600).sample(request(40))
    assert server.times[-1] - server.times[0] > 0.25


def test_key_is_sent_and_written_nowhere(server, make, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    generator = make(api_key_env="SECRET_KEY")
    generator.sample(request(8))
    assert server.keys == ["Bearer sk-very-secret"]
    server.behave = lambda *_: Reply(status=401, message="wrong key sk-very-secret")
    with pytest.raises(GeneratorError) as refused:
        generator.sample(request(8, chunk=1))
    generator.save(tmp_path)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"very-secret" not in written
    assert "very-secret" not in str(refused.value) + caplog.text


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base_url": "localhost:8000"}, "must be an address that begins with http"),
        ({"base_url": "http://me:secret@host/v1"}, "must hold no user, password or query"),
        ({"prompt": "give {number}"}, r"got \{number\}, and knows \{label\}"),
        ({"prompt": 'like {"rows": []}'}, "write {{ and }} for braces"),
        ({"max_cost": 1}, "max_cost needs price_per_million"),
        ({"output": "text"}, "output text gives one row a call"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(SpecError, match=message) as refused:
        parse(Endpoint.Params, {"base_url": "http://host/v1", "model": "m", **params})
    assert "secret" not in str(refused.value)


def test_cache_that_cannot_be_used_is_named(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GeneratorError, match=r"the answer cache .*file.* cannot be used"):
        make(cache=str(tmp_path / "file")).sample(request(8))
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "answers.sqlite3").write_text(
        "this is no database, and long enough to be seen as none" * 20
    )
    with pytest.raises(GeneratorError, match="not a database"):
        make().sample(request(8))


def test_it_works_where_an_event_loop_runs(make):
    async def notebook():
        return make().sample(request(8))

    assert asyncio.run(notebook()).num_rows == 8


@pytest.mark.parametrize(
    ("reply", "rows"),
    [
        ('{"rows": ["a", " b "]}', ["a", "b"]),
        ('["a", {"text": "b"}]', ["a", "b"]),
        ('```json\n{"texts": ["a"]}\n```', ["a"]),
        ('Sure! {"rows": ["a}"]} Enjoy.', ["a}"]),
        ('{"a": [1], "b": [2]}', []),
        ("null", []),
        (None, []),
    ],
)
def test_read_rows(reply, rows):
    assert read_rows(reply) == rows
