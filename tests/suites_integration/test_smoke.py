"""The smoke gate's own suite, run for real against endpoints that are well and endpoints that are not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.gates.smoke import Endpoint, SmokeConfig
from harness.health import shortcomings
from harness.http import Answer, get
from harness.model import CheckResult, Outcome, Phase

RunGate = Callable[..., dict[str, CheckResult]]
Http = Callable[..., bytes]
Stub = Callable[..., Any]


@pytest.fixture
def smoke(run_gate: RunGate) -> Callable[..., dict[str, CheckResult]]:
    """Judge endpoints: name -> (url, further settings)."""

    def judge(**endpoints: tuple[str, str]) -> dict[str, CheckResult]:
        text = "".join(
            f'''
[[gates.smoke.endpoints]]
name = "{name}"
url = "{url}"
interval = "10ms"
timeout = "300ms"
{more}
'''
            for name, (url, more) in endpoints.items()
        )
        results = run_gate("smoke", phase=Phase.POST_DEPLOY, more=text)
        return {result.resource: result for result in results.values()}

    return judge


SOON = 'deadline = "500ms"'
WRONG = {
    "missing": ("404 Not Found", "", "", "status 404, not 200"),
    "elsewhere": ("302 Found", "", "", "status 302, not 200"),
    "broken": ("500 Internal Server Error", "it broke: password=hunter2-canary", "", "status 500, not 200"),
    "starting": ("200 OK", "starting", 'expect_body = "^ready"', "the body does not match '^ready'"),
    "list": ("200 OK", "[]", "expect_json = { a = 1 }", "the body is not a JSON object"),
}


def test_health_is_good_answers_in_a_row(
    smoke: Callable[..., dict[str, CheckResult]], stub: Stub, http: Http
) -> None:
    good = stub(lambda _: http("200 OK", '{"status": "ok", "database": true}'))
    answers: Iterator[str] = iter(
        ["200 OK", "200 OK", "503 Service Unavailable", "200 OK", "200 OK", "200 OK"]
    )
    late = stub(lambda _: http(next(answers), "{}"))
    wanted = 'probes = 4\nexpect_json = { status = "ok", database = true }\nexpect_body = "ok"'
    results = smoke(good=(good.url, wanted), late=(late.url, 'deadline = "20s"'))
    assert {result.outcome for result in results.values()} == {Outcome.PASSED}
    measured = {m.metric: m for m in results["good"].measurements}
    assert measured["attempts"].value == measured["good_in_a_row"].value == 4
    assert measured["response_time"].sample == 4
    assert (good.asked, late.asked) == (4, 6)


def test_an_answer_is_not_health_and_none_is_a_failure(
    smoke: Callable[..., dict[str, CheckResult]], stub: Stub, http: Http
) -> None:
    endpoints = {
        name: (stub(lambda _, status=status, body=body: http(status, body)).url, f"{SOON}\n{more}")
        for name, (status, body, more, _) in WRONG.items()
    }
    endpoints |= {"closes": (stub(lambda _: b"").url, SOON), "silent": (stub(lambda _: None).url, SOON)}
    results = smoke(**endpoints)
    assert {result.outcome for result in results.values()} == {Outcome.FAILED}
    for name, (status, _, _, reason) in WRONG.items():
        assert reason in results[name].reason
        assert results[name].diagnosis[0].startswith(f"last probe: status {status[:3]}")
    for name in ("closes", "silent"):
        assert "no answer: " in results[name].reason
    assert "hunter2-canary" not in str(results)


# Judging


def endpoint(**more: Any) -> Endpoint:
    return Endpoint(name="web", url="http://127.0.0.1:9", **more)


@pytest.mark.parametrize(
    ("wanted", "body", "found"),
    [
        ({"a": True}, '{"a": 1}', ("'a' is 1, not true",)),
        ({"a": 1}, '{"a": true}', ("'a' is true, not 1",)),
        ({"a": 1}, '{"a": 1.0}', ("'a' is 1.0, not 1",)),
        ({"a": "x"}, '{"b": "x"}', ("the body has no 'a'",)),
        ({"a": "x", "b": 1}, '{"a": "x", "b": 1, "c": 2}', ()),
        ({"a": "x"}, "not json", ("the body is not a JSON object",)),
    ],
)
def test_json_is_compared_with_its_types(wanted: dict[str, Any], body: str, found: tuple[str, ...]) -> None:
    assert shortcomings(endpoint(expect_json=wanted), Answer(200, body, 0.1)) == found


def test_an_expression_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a regular expression"):
        endpoint(expect_body="(")


def test_every_endpoint_must_report() -> None:
    config = SmokeConfig(endpoints=[endpoint()])
    assert [check.id for check in config.expected("smoke", None, Phase.POST_DEPLOY)] == [
        "smoke.endpoints.is_healthy[web]"
    ]


# One request


def test_redirects_are_not_followed(stub: Stub, http: Http) -> None:
    target = stub(lambda _: http("200 OK", "{}"))
    away = f"HTTP/1.1 302 Found\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode()
    assert get(stub(lambda _: away).url, timeout=2).status == 302
    assert target.asked == 0


def test_an_answer_that_trickles_is_cut_off(stub: Stub) -> None:
    """Each piece comes in time, the whole does not: the server goes on for as long as anybody reads."""
    import http.server
    import threading

    class Trickle(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            over = threading.Event()
            try:
                while not over.wait(0.02):
                    self.wfile.write(b"x")
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        answer = get(f"http://127.0.0.1:{server.server_port}", timeout=0.3)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (answer.status, answer.error) == (0, "no answer: the answer was not whole in time")
    assert answer.seconds < 3


def test_a_long_body_is_cut(stub: Stub, http: Http) -> None:
    answer = get(stub(lambda _: http("200 OK", "x" * 1_500_000)).url, timeout=5)
    assert len(answer.body) == 1_000_000


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/hostname", "nonsense", "http://[broken"])
def test_other_addresses_are_refused(url: str) -> None:
    answer = get(url, timeout=1)
    assert answer.status == 0
    assert answer.error


def test_an_answer_that_is_no_http(stub: Stub) -> None:
    assert get(stub(lambda _: b"SSH-2.0-OpenSSH\r\n\r\n").url, timeout=1).error.startswith("no answer: ")
