"""Journeys: what a profile may say of them, and that what is sent and counted is what the server saw."""

import asyncio
import json
import re
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.gates.load import LoadConfig
from harness.load.diagnosis import hint, lines, summary
from harness.load.generator.client import now
from harness.load.generator.journey import KEPT, Journeys
from harness.load.generator.recorder import Answer, Recorder
from harness.load.journeys import JourneyConfig, StepConfig, longest, traffic
from harness.load.metrics import METRICS
from harness.load.result import Kind, LoadResult
from harness.load.runner import run_scenario
from harness.load.scenario import Scenario
from harness.load.steps import Cookies, Extract, Journey, Page, Step, fill_json, lacking
from harness.load.validity import invalid_reasons
from harness.shapes import ValidationError

PAGE = Page(
    200,
    {"x-csrf": "c1", "location": "/orders/7"},
    b'{"access_token": "t0ken", "items": [{"id": 7, "ok": true}], "name=sid42": null}',
)


def step(**values: Any) -> StepConfig:
    return StepConfig(**{"name": "one", "path": "/", **values})


def journey(*steps: StepConfig, name: str = "buy", weight: int = 1) -> JourneyConfig:
    return JourneyConfig(name=name, weight=weight, steps=list(steps))


def scenario(**values: Any) -> Scenario:
    given = {"name": "shop", "base_url": "https://example.com", "journeys": [journey(step())], "rate": 10.0}
    return Scenario(**{**given, **values})


# What a profile may say


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: journey(), "at least 1"),
        (lambda: journey(step(), step()), "two steps are called 'one'"),
        (lambda: journey(step(), weight=0), "weight"),
        (lambda: step(path="https://evil.example/"), "stays on the host"),
        (lambda: step(path="//evil.example/"), "stays on the host"),
        (lambda: step(name="Über"), "pattern"),
        (lambda: step(extract={"sid": "regex:("}), "sid: '(' is not a regular expression"),
        (lambda: step(extract={"sid": "regex:a"}), "has 0 groups"),
        (lambda: step(extract={"sid": "xpath://a"}), "none of json:PATH"),
        (lambda: step(extract={"sid": "json:"}), "none of json:PATH"),
        (lambda: step(extract={"a-b": "json:a"}), "'a-b' cannot be the name of a value"),
        (lambda: step(extract={"unique": "json:a"}), "'unique' cannot be"),
        (lambda: step(body="a", json={"a": 1}), "body and json"),
        (lambda: step(method="HEAD", expect_text="a"), "HEAD has no body"),
        (lambda: step(method="HEAD", extract={"a": "json:a"}), "HEAD has no body"),
        (lambda: step(expect_status=[]), "no answer would be right"),
        (lambda: step(expect_status=[200, 1000]), "expect_status"),
        (lambda: step(max_time=0.0), "max_time"),
        (lambda: step(colour="red"), "colour"),
        (lambda: scenario(base_url=""), "journeys needs base_url"),
        (lambda: scenario(url="https://example.com/"), "it has url and journeys"),
        (lambda: scenario(journeys=[]), "it has none"),
        (lambda: scenario(method="POST"), "journeys does not take method"),
        (lambda: scenario(journeys=[journey(step()), journey(step())]), "two journeys are called 'buy'"),
        (
            lambda: scenario(
                rate=200.0, journeys=[journey(*(step(name=f"s{n}") for n in range(11)))], timeout=10.0
            ),
            "rate × timeout × steps lets 22000",
        ),
    ],
)
def test_what_no_journey_may_say(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "later",
    [
        {"path": "/orders/{order}"},
        {"headers": {"X": "{order}"}},
        {"body": "{order}"},
        {"json": {"a": [{"b": "{order}"}]}},
    ],
)
def test_a_value_must_be_extracted_before_it_is_put_in(later: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match=r"journey 'buy': step 'two' puts in \{order\}, which no step before"
    ):
        journey(step(extract={"odrer": "json:id"}), step(name="two", **later))
    journey(step(extract={"order": "json:id"}), step(name="two", **later))
    with pytest.raises(ValidationError, match="step 'one' puts in"):
        journey(step(extract={"order": "json:id"}, **later))


def test_a_journey_may_take_its_timeout_for_each_step() -> None:
    two = scenario(journeys=[journey(step(), step(name="two")), journey(step(), name="look")], timeout=3.0)
    plan = two.plan({})
    assert (two.patience, plan.timeout, longest([])) == (6.0, 6.0, 1)
    assert plan.slots == 76
    assert plan.traffic["timeout"] == 3.0
    assert (plan.kind, plan.url) == ("journeys", "https://example.com")
    assert [Journey.of(data).name for data in json.loads(plan.to_json())["traffic"]["journeys"]] == [
        "buy",
        "look",
    ]


# Pure parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("json:access_token", "t0ken"),
        ("json:items.0.id", 7),
        ("json:items.0.ok", True),
        ("header:X-CSRF", "c1"),
        (r"regex:name=(\w+)", "sid42"),
    ],
)
def test_extract(text: str, value: object) -> None:
    assert Extract.read(text).value(PAGE) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("json:items.1.id", "json:items.1.id is not there"),
        ("json:access_token.x", "is not there"),
        ("json:items", "is no single value"),
        ("header:X-None", "header:X-None is not there"),
        (r"regex:nome=(\w+)", "is not there"),
    ],
)
def test_nothing_to_extract(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Extract.read(text).value(PAGE)
    with pytest.raises(ValueError, match="the body is not JSON"):
        Extract.read("json:a").value(Page(200, {}, b"<html>"))
    with pytest.raises(ValueError, match="too long to be read as JSON"):
        Extract.read("json:a").value(Page(200, {}, b"[", whole=False))


def test_what_json_lacks() -> None:
    wanted = {"status": "ok", "order": {"paid": True}}
    assert lacking(wanted, {"status": "ok", "order": {"paid": True, "id": 1}, "more": 1}) == ""
    assert lacking(wanted, {"status": "ok", "order": {"paid": 1}}) == "'order.paid' is 1, not true"
    assert lacking(wanted, {"status": "ok", "order": {}}) == "the body has no 'order.paid'"
    assert lacking(wanted, {"status": "ok", "order": 3}) == "order is not a JSON object"
    assert lacking(wanted, []) == "the body is not a JSON object"


def test_values_are_put_in() -> None:
    values = {"id": 7, "name": "a/b c?", "yes": True}
    one = Step("one", "GET", "/orders/{id}/{name}?q={name}", body="{id} {yes} { x } {}")
    assert one.target(values) == "/orders/7/a%2Fb%20c%3F?q=a%2Fb%20c%3F"
    assert one.content(values) == b"7 true { x } {}"
    assert fill_json({"id": "{id}", "text": ["no. {id}", 1]}, values) == {"id": 7, "text": ["no. 7", 1]}
    assert Step("one", "POST", "/", json={"id": "{id}"}).content(values) == b'{"id": 7}'


def test_cookies() -> None:
    cookies = Cookies()
    cookies.take("sid=1; Path=/; HttpOnly", "/login")
    cookies.take("cart=2", "/shop/add?x=1")
    cookies.take("pref=3; path=/shop", "/")
    cookies.take("nothing", "/")
    assert cookies.header("/") == "sid=1"
    assert cookies.header("/shop/pay?x=/y") == "cart=2; pref=3; sid=1"
    assert cookies.header("/shopping") == "sid=1"
    cookies.take("sid=; Path=/; Max-Age=0", "/")
    cookies.take("pref=; path=/shop; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/")
    cookies.take("cart=4; Max-Age=soon; Expires=never", "/shop/x")
    assert cookies.header("/shop") == "cart=4"
    cookies.take("cart=5; Expires=never", "/shop/x")
    assert cookies.values() == {"cookie cart": "5"}


# The sender, against a server


Reply = Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], bytes]]


def serving(reply: Reply, *, body_of: list[bytes] | None = None) -> Any:
    """A server's behaviour: `reply` gets method, path and header fields; bodies of requests are read off the head."""

    async def behave(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        first, *fields = head.decode().strip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in fields)}
        status, extra, body = reply(method, path, headers)
        rows = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in extra.items())]
        rows += [f"Content-Length: {len(body)}", "", ""]
        writer.write("\r\n".join(rows).encode() + (b"" if method == "HEAD" else body))

    return behave


Send = Callable[..., Answer]


@pytest.fixture
def send(serve: Any, make_plan: Any) -> Send:
    """Sends one journey of these steps to a server that replies so."""

    def go(reply: Reply, *steps: StepConfig, timeout: float = 2.0, base: str = "", **values: Any) -> Answer:
        server = serve(serving(reply))
        kinds = [journey(*steps)]
        url = server.url.removesuffix("/path") + base
        given = traffic(kinds, timeout=timeout)
        plan = make_plan(url, kind="journeys", traffic=given, timeout=timeout * len(steps), **values)
        sender = Journeys(plan)
        sender.prime()
        try:
            return sender.send()
        finally:
            sender.close()

    return go


def test_a_whole_journey(send: Send) -> None:
    asked: list[tuple[str, str, dict[str, str]]] = []

    def shop(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        asked.append((method, path, headers))
        match path:
            case "/v1/login":
                return 201, {"Set-Cookie": "sid=s1; Path=/", "X-CSRF": "c1"}, b'{"access_token": "t0k en"}'
            case "/v1/cart/t0k%20en":
                return 200, {}, b'{"status": "ok", "items": [{"id": 5}]}'
            case _:
                return 302, {"Location": "/done"}, b"moved"

    answer = send(
        shop,
        step(
            name="login",
            path="/login",
            expect_status=[200, 201],
            extract={"token": "json:access_token", "csrf": "header:x-csrf"},
        ),
        step(
            name="cart",
            path="/cart/{token}",
            headers={"Authorization": "Bearer {token}", "X-CSRF": "{csrf}", "X-Of": "{unique}"},
            expect_json={"status": "ok"},
            expect_text="items",
            extract={"item": "json:items.0.id"},
            max_time=2.0,
        ),
        step(name="pay", path="/pay?item={item}", expect_status=302),
        base="/v1/",
        headers={"X-All": "1", "authorization": "none"},
    )
    assert answer.kind is None, answer.detail
    assert (answer.status, [taken.name for taken in answer.steps]) == (
        302,
        ["buy/login", "buy/cart", "buy/pay"],
    )
    assert all(taken.kind is None and taken.took > 0 for taken in answer.steps)
    (_, _, first), (_, _, second), (_, path, third) = asked
    assert path == "/v1/pay?item=5"
    assert "cookie" not in first
    assert (first["x-all"], first["authorization"]) == ("1", "none")
    assert (second["authorization"], second["cookie"], second["x-csrf"]) == ("Bearer t0k en", "sid=s1", "c1")
    assert re.fullmatch("[0-9a-f]{16}", second["x-of"])
    assert third["cookie"] == "sid=s1"


@pytest.mark.parametrize(
    ("wanted", "kind", "said"),
    [
        ({"expect_status": 404}, Kind.STATUS, "status 200, expected 404: {"),
        ({"expect_status": [201, 204]}, Kind.STATUS, "expected 201 or 204"),
        ({"expect_json": {"n": 2}}, Kind.CONTENT, "'n' is 1, not 2"),
        ({"expect_text": "welcome"}, Kind.CONTENT, "the body does not hold 'welcome'"),
        ({"extract": {"id": "json:id"}}, Kind.CONTENT, "nothing to extract as 'id': json:id is not there"),
        ({"max_time": 1e-6}, Kind.SLOW, "max_time is 1e-06 s"),
    ],
)
def test_a_step_that_fails_ends_the_journey(
    send: Send, wanted: dict[str, Any], kind: Kind, said: str
) -> None:
    asked = []

    def one(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return 200, {}, b'{"n": 1}'

    answer = send(one, step(path="/a", **wanted), step(name="two", path="/b"))
    assert (answer.kind, asked) == (kind, ["/a"])
    assert answer.detail.startswith("buy/one: ")
    assert said in answer.detail
    assert [(taken.name, taken.kind) for taken in answer.steps] == [("buy/one", kind)]


def test_what_was_taken_along_is_not_shown(send: Send) -> None:
    def leaky(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path == "/a":
            return 200, {"X-T": "t0p-secret", "Set-Cookie": "sid=c00kie-value"}, b""
        return 403, {}, b"no t0p-secret, no c00kie-value"

    answer = send(leaky, step(path="/a", extract={"token": "header:X-T"}), step(name="two", path="/b"))
    assert answer.detail == "buy/two: status 403, expected 200: no {token}, no {cookie sid}"


def test_a_value_that_no_header_may_hold(send: Send) -> None:
    def breaks(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b'{"t": "a\\r\\nX-Evil: 1"}'

    answer = send(breaks, step(extract={"t": "json:t"}), step(name="two", headers={"X-T": "{t}"}))
    assert (answer.kind, answer.detail) == (
        Kind.CONTENT,
        "buy/two: cannot be sent: a header holds a line break",
    )


def test_a_long_body_is_read_and_not_kept(send: Send) -> None:
    def long(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b'{"a": "' + b"x" * 10_000_000 + b'"}'

    answer = send(long, step(expect_text="xxx"), step(name="two", expect_json={"a": "x"}))
    assert (answer.kind, answer.size) == (Kind.CONTENT, 20_000_018)
    assert answer.detail == "buy/two: the body is too long to be read as JSON"
    assert KEPT < 10_000_000


def test_head_and_json_bodies(send: Send) -> None:
    asked = []

    def one(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        asked.append((method, headers.get("content-type"), headers.get("content-length")))
        return 200, {"X-Id": "5"}, b"body"

    answer = send(
        one,
        step(method="HEAD", extract={"id": "header:x-id"}),
        step(name="two", method="DELETE", path="/{id}"),
    )
    assert answer.kind is None, answer.detail
    assert asked == [("HEAD", None, None), ("DELETE", None, None)]


def test_each_step_has_the_timeout(serve: Any, make_plan: Any) -> None:
    async def slower(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if index == 3:
            await asyncio.Event().wait()
        await asyncio.sleep(0.15)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    steps = [step(name=name) for name in ("a", "b", "c")]
    server = serve(slower)
    plan = make_plan(
        server.url, kind="journeys", traffic=traffic([journey(*steps)], timeout=0.25), timeout=0.75
    )
    sender = Journeys(plan)
    began = now()
    answer = sender.send()
    took = now() - began
    sender.close()
    assert (answer.kind, answer.detail) == (Kind.TIMEOUT, "buy/c: no whole answer within 0.25 s")
    assert [taken.kind for taken in answer.steps] == [None, None, Kind.TIMEOUT]
    assert 0.5e9 < took < 0.75e9
    recorder = Recorder(plan)
    recorder.open(began)
    recorder.start(began, began)
    recorder.finish(began, began, began + took, answer)
    assert recorder.result(cpu=0.0).latency.most == took, "not the whole 0.75 s"


def test_the_choice_is_repeatable_and_weighted(make_plan: Any) -> None:
    given = traffic([journey(step(), name="a", weight=9), journey(step(), name="b")], timeout=0.1)

    def names(run: str) -> list[str]:
        sender = Journeys(make_plan(kind="journeys", traffic=given, run=run))
        return [sender.send().steps[0].name[0] for _ in range(300)]

    first = names("r1")
    assert first == names("r1")
    assert first != names("r2")
    assert 10 <= first.count("b") <= 60


def test_what_cannot_be_read_is_an_error(make_plan: Any) -> None:
    with pytest.raises(ToolError, match="its journeys cannot be read"):
        Journeys(make_plan(kind="journeys", traffic={"journeys": [{"name": "a", "weight": 1, "steps": []}]}))


# A whole run


def mixed(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    if path.startswith("/login"):
        return 200, {"Set-Cookie": "sid=1"}, b'{"token": "t"}'
    ok = headers.get("authorization") == "Bearer t" and headers.get("cookie") == "sid=1"
    return (200 if ok else 500), {}, b"{}"


JOURNEYS = [
    journey(
        step(name="login", path="/login", extract={"token": "json:token"}),
        step(name="pay", path="/pay", headers={"Authorization": "Bearer {token}"}),
        name="buy",
        weight=3,
    ),
    journey(step(name="look", path="/look"), step(name="never", path="/never"), name="browse"),
]


@pytest.mark.parametrize("model", ["open", "closed", pytest.param("two", marks=pytest.mark.slow)])
def test_what_is_counted_is_what_the_server_saw(
    serve: Any, make_plan: Any, tmp_path: Path, model: str
) -> None:
    server = serve(serving(mixed))
    base = server.url.removesuffix("/path")
    values: dict[str, Any] = {
        "open": {"rate": 80.0},
        "closed": {"users": 4, "think_time": 0.02},
        "two": {"rate": 80.0, "processes": 2},
    }[model]
    given = {"rate": None, **values}
    shop = scenario(base_url=base, journeys=JOURNEYS, duration=1.0, timeout=1.0, stop_early=False, **given)
    result = run_scenario(shop.plan({}), work=tmp_path / "work")
    steps = {name: (found.sent, found.failed) for name, found in result.steps.items()}
    assert sum(sent for sent, _ in steps.values()) == server.count
    assert steps.keys() == {"buy/login", "buy/pay", "browse/look"}
    assert steps["buy/login"][0] + steps["browse/look"][0] == result.sent
    assert steps["buy/login"] == steps["buy/pay"] == (result.succeeded, 0)
    assert steps["browse/look"] == (result.failures[Kind.STATUS],) * 2
    assert result.steps["buy/pay"].latency.count == result.succeeded
    assert 0 < result.succeeded < result.sent
    if model == "open":
        assert result.sent == 80
    said = "\n".join(lines(result))
    assert f"  buy/pay: {result.succeeded} sent, 0 failed, p50" in said
    assert "browse/look: status 500, expected 200: {}" in said
    assert summary(result)["step buy/login"].startswith(f"{result.succeeded} sent, 0 failed")
    assert "service's log" in hint(result)
    rate, _ = METRICS["success_rate"].value(result)
    assert rate == Fraction(result.succeeded, result.sent)
    assert not [text for text in invalid_reasons(result) if "lost" in text]


def test_hints_speak_of_steps(make_result: Callable[..., LoadResult]) -> None:
    assert "what they must hold" in hint(make_result(failures={Kind.CONTENT: 5}))
    assert "max_time" in hint(make_result(failures={Kind.SLOW: 5}))


def test_the_documented_examples_are_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "load.md").read_text()
    tables = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    hosts = ["staging.example.com", "api.staging.example.com", "127.0.0.1"]
    found = [
        LoadConfig.model_validate({"allowed_hosts": hosts, **table["gates"]["load"]}, strict=True)
        for table in tables
    ]
    assert {"checkout", "shoppers", "api"} <= {one.name for gate in found for one in gate.scenarios}
