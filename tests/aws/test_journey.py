"""What a journey is made of, apart from the application: names of probe domains, answers, one request, one query."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.aws import postgres
from harness.aws.activation import Activation
from harness.aws.faults import NoCredentials
from harness.aws.journey import DomainJourney, JourneyState, is_leftover, probe_domain
from harness.aws.postgres import LoginFailed
from harness.aws.secrets import Credentials
from harness.aws.session import Aws
from harness.aws.traces import Transcript, Web
from harness.http import send
from harness.model import Phase
from harness.shapes import ValidationError

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
SUFFIX = "journey.example.com"


def journey(**keys: Any) -> DomainJourney:
    return DomainJourney.model_validate(
        {"name": "j", "url": "http://127.0.0.1:1", "suffix": SUFFIX, "timeout": 0.2, **keys}
    )


def test_a_probe_domain_says_when_and_by_which_run_it_was_made() -> None:
    name = probe_domain(SUFFIX, "20261122T233000Z-abc123", NOW)
    assert name.startswith("gonogo-20261122t233000z-abc123")
    assert name.endswith(f".{SUFFIX}")
    assert name != probe_domain(SUFFIX, "20261122T233000Z-abc123", NOW)
    assert max(len(label) for label in name.split(".")) <= 63


def test_only_an_old_probe_domain_is_a_leftover() -> None:
    name = probe_domain(SUFFIX, "run", NOW)
    later = NOW + timedelta(hours=1)
    assert not is_leftover(name, SUFFIX, later)
    assert is_leftover(name, SUFFIX, later + timedelta(seconds=1))
    assert is_leftover(f"{name}.", SUFFIX, later + timedelta(days=1))


@pytest.mark.parametrize(
    "name",
    [
        f"example.{SUFFIX}",
        SUFFIX,
        f"gonogo-20200101t000000z-abc.x{SUFFIX}",
        f"gonogo-20200101t000000z-abc.{SUFFIX}.org",
        f"gonogo-20201301t000000z-abc.{SUFFIX}",
        f"gonogo-2020-abc.{SUFFIX}",
        f"a.gonogo-20200101t000000z-abc.{SUFFIX}",
        "gonogo-20200101t000000z-abc.journeyxexample.com",
    ],
)
def test_nothing_else_ever_is_one(name: str) -> None:
    assert not is_leftover(name, SUFFIX, NOW)


@pytest.mark.parametrize(
    "keys",
    [
        {"table": 'domains"; DROP TABLE domains; --'},
        {"name_column": "a b"},
        {"path": "v1"},
        {"timeout": 0},
        {"scope": "environment"},
        {"suffix": "Not a domain"},
        {"suffix": "localhost"},
    ],
)
def test_what_cannot_be_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        journey(**keys)


def test_it_is_mandatory_where_it_may_be_made(make_profile: Any) -> None:
    check = ("journey.activates_and_deactivates_a_domain",)
    assert journey().mandatory(make_profile(access="read-write"), Phase.PRE_DEPLOY) == check
    assert journey().mandatory(make_profile(access="read-only"), Phase.PRE_DEPLOY) == ()
    assert journey().home == "journey j"


def test_reading_it_asks_nothing(make_profile: Any) -> None:
    aws = Aws(make_profile())
    assert DomainJourney.read(aws, [journey()]) == {"j": JourneyState(SUFFIX)}
    assert not aws.calls


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    said: bytes | None = None

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {"method": self.command, "path": self.path, "type": self.headers.get("Content-Type")}
        text = self.said if self.said is not None else json.dumps({**seen, "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def echo() -> Iterator[tuple[str, type[Handler]]]:
    handler = type("OwnHandler", (Handler,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_has_its_method_and_body(echo: tuple[str, type[Handler]]) -> None:
    url, _ = echo
    asked = json.loads(send("POST", f"{url}/a", timeout=5, json_body={"name": "x"}).body)
    assert asked == {"method": "POST", "path": "/a", "type": "application/json", "body": '{"name": "x"}'}
    asked = json.loads(send("DELETE", f"{url}/a?purge=true", timeout=5).body)
    assert asked == {"method": "DELETE", "path": "/a?purge=true", "type": None, "body": ""}


@pytest.mark.parametrize("said", [b"", b"text", b"[]", b'{"steps": []}'])
def test_an_answer_without_what_is_wanted_shows_nothing(echo: tuple[str, type[Handler]], said: bytes) -> None:
    url, handler = echo
    handler.said = said
    shown = Web(journey(url=url), Transcript()).show("x.example")
    assert (shown.code, shown.status, shown.steps) == (200, "", {})


def test_the_same_answer_is_written_once() -> None:
    transcript = Transcript()
    for saw in ("a", "a", "a", "b"):
        transcript.add("look", saw)
    assert [(line["saw"], line.get("times", 1)) for line in transcript.lines] == [("a", 3), ("b", 1)]


def test_without_credentials_nothing_is_begun(make_profile: Any) -> None:
    with pytest.raises(NoCredentials):
        Activation(journey(), Aws(make_profile()), "run").run()


def test_an_answer_about_something_else_fails_the_request(
    echo: tuple[str, type[Handler]], make_profile: Any, credentials: str
) -> None:
    url, handler = echo
    handler.said = b'{"name": "other", "status": "active"}'
    seen = Activation(journey(url=url, hosted_zone=False), Aws(make_profile()), "run").run()
    assert seen.fault is not None
    assert "the answer does not speak of gonogo-" in seen.fault.message
    assert seen.left, "it still answers for the domain, so it is told"


def test_a_secret_that_does_not_say_where_is_said() -> None:
    with pytest.raises(LoginFailed, match="does not say where it is"):
        postgres.select(Credentials("u", "p"), "SELECT 1")


def test_a_server_that_is_gone_is_said() -> None:
    with pytest.raises(LoginFailed, match="does not answer"):
        postgres.select(Credentials("u", "p", "127.0.0.1", 1, "d"), "SELECT 1")
