"""Each declared network endpoint answers. Nothing answering is a failure here: the environment is deployed."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from harness.aws import endpoints
from harness.aws.endpoints import HttpEndpoint, TcpEndpoint, TcpState
from harness.aws.session import Aws
from harness.aws.survey import Survey, read_one
from harness.fixtures import Check, Patience, SideBySide
from harness.health import shortcomings
from harness.http import Answer, get
from harness.model import Unit
from harness.network import Connected

T = TypeVar("T")
Reached = tuple[TcpState, tuple[Connected, ...]]
_SHOWN = 500
_ROUTE = "see whether it runs, and whether the machine of the gate has a route to it (security groups, subnets, DNS)"
_TLS = "renew or replace the certificate, or trust its issuer on the machine of the gate (SSL_CERT_FILE)"


@pytest.fixture(scope="session")
def connections(request: pytest.FixtureRequest, survey: Survey) -> SideBySide[TcpEndpoint, Reached]:
    """A connection to each TCP endpoint, all at once."""

    def work(endpoint: TcpEndpoint) -> Reached:
        state = survey.state(endpoint, TcpState)
        return state, endpoints.connect(endpoint, state)

    return SideBySide(request, TcpEndpoint.fixture, work)


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> SideBySide[HttpEndpoint, Answer]:
    """An answer of each HTTP endpoint, all at once."""
    return SideBySide(request, HttpEndpoint.fixture, _ask)


def test_takes_connections(
    tcp_endpoint: TcpEndpoint,
    connections: SideBySide[TcpEndpoint, Reached],
    aws: Aws,
    patience: Patience,
    check: Check,
) -> None:
    """It takes a TCP connection; and a TLS handshake with a valid certificate where the profile says so."""

    def again() -> Reached:
        state = read_one(aws, tcp_endpoint, TcpState)
        return state, endpoints.connect(tcp_endpoint, state)

    state, seen = check.eventually(
        _first(lambda: connections.of(tcp_endpoint), again),
        lambda reached: not endpoints.connection_problems(*reached),
        timeout=patience.left,
    )
    check.snapshot("connections", seen)
    if state.status:
        check.fact("status", state.status)
    check.fact("tls", ", ".join(sorted({item.tls for item in seen if item.tls})) or "not asked for")
    if problems := endpoints.connection_problems(state, seen):
        check.fail(
            f"{tcp_endpoint.home} takes no connection: {'; '.join(problems)}", hint=_hint("; ".join(problems))
        )
    check.measure("connect_time", max(item.seconds for item in seen), Unit.SECONDS, sample=len(seen))


def test_answers(
    http_endpoint: HttpEndpoint,
    answers: SideBySide[HttpEndpoint, Answer],
    patience: Patience,
    check: Check,
) -> None:
    """It answers with the declared status and content, in time; redirects are not followed."""
    answer = check.eventually(
        _first(lambda: answers.of(http_endpoint), lambda: _ask(http_endpoint)),
        lambda seen: not shortcomings(http_endpoint, seen),
        timeout=patience.left,
    )
    check.snapshot("answer", {"status": answer.status, "error": answer.error, "seconds": answer.seconds})
    if answer.body:
        check.evidence("body.txt", answer.body[:_SHOWN])
    if not answer.error:
        check.measure("response_time", answer.seconds, Unit.SECONDS)
    if problems := shortcomings(http_endpoint, answer):
        if answer.body:
            check.diagnose(answer.body[:_SHOWN])
        check.fail(f"{http_endpoint.home}: {'; '.join(problems)}", hint=_hint("; ".join(problems)))


def _ask(endpoint: HttpEndpoint) -> Answer:
    return get(endpoint.url, timeout=endpoint.max_time)


def _first(begun: Callable[[], T], again: Callable[[], T]) -> Callable[[], T]:
    """What was begun side by side at first, then asked anew each time."""
    looks = iter([begun])

    def look() -> T:
        return next(looks, again)()

    return look


def _hint(problem: str) -> str:
    if "TLS" in problem:
        return _TLS
    if "no answer" in problem or "status" not in problem:
        return _ROUTE
    return "see the service's tasks and logs, and the load balancer's targets"
