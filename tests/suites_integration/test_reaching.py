"""The suites on load balancers, target groups and endpoints, with states that the emulator never shows."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness import codec
from harness.aws.alb import LoadBalancer, LoadBalancerState
from harness.aws.census import Census, Status
from harness.aws.ecs import EcsService
from harness.aws.endpoints import Address, HttpEndpoint, TcpEndpoint, TcpState
from harness.aws.survey import Survey
from harness.aws.target_groups import Target, TargetGroup, TargetGroupState
from harness.fixtures import Check, Ended, Patience
from harness.http import Answer
from harness.model import Outcome
from harness.network import Connected
from suite_parts import suite

WEB = LoadBalancer(name="web")
BALANCER = LoadBalancerState("web", "arn", "application", "internet-facing", "active", "", "d", (), False)
GROUP = TargetGroup(name="web", service="web-service")
TARGETS = TargetGroupState(
    "web", "arn", "HTTP", 3000, (), "HTTP", "/", "200", 30, 5, 5, 2, (Target("10.0.0.1", 3000, "healthy"),)
)
SERVICE = EcsService(cluster="main", service="web-service")
NOBODY: Any = None


def survey(**states: Mapping[str, object]) -> Survey:
    dumped = {
        kind: {id_: codec.dump(state) for id_, state in found.items()} for kind, found in states.items()
    }
    return Survey(Census(Status.PRESENT), dumped)


def ended(judge: Callable[..., None], *arguments: Any) -> Ended:
    with pytest.raises(Ended) as caught:
        judge(*arguments)
    assert caught.value.hint, "it says what to do"
    return caught.value


def now() -> Patience:
    return Patience(0)


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("provisioning", "", "load balancer web is provisioning, not active"),
        ("failed", "no free addresses", "load balancer web is failed, not active: no free addresses"),
    ],
)
def test_a_load_balancer_that_is_not_active(check: Check, status: str, reason: str, said: str) -> None:
    state = replace(BALANCER, status=status, reason=reason)
    failure = ended(
        suite("alb").test_is_active, WEB, survey(load_balancer={"web": state}), NOBODY, now(), check
    )
    assert (failure.outcome, failure.reason) == (Outcome.FAILED, said)


def service_state(desired: int) -> Mapping[str, object]:
    """As the survey has it: plain values, whatever else belongs to it."""
    from harness.aws.ecs_state import ServiceState

    return codec.dump(  # type: ignore[no-any-return]
        ServiceState(
            service="web-service",
            cluster="main",
            status="ACTIVE",
            desired=desired,
            running=desired,
            pending=0,
            task_definition="t:1",
            deployments=(),
            circuit_breaker=True,
            rolls_back=True,
            events=("(service web-service) has begun draining connections on 1 tasks.",),
        )
    )


def profile(*services: EcsService) -> Any:
    class Declares:
        def of(self, _: object) -> tuple[EcsService, ...]:
            return services

    return Declares()


@pytest.mark.parametrize("declared", [(SERVICE,), ()], ids=["declared", "not declared"])
def test_targets_of_a_service(check: Check, declared: tuple[EcsService, ...]) -> None:
    sick = Target("10.0.0.2", 3000, "unhealthy", "Target.Timeout", "Request timed out")
    group = replace(TARGETS, targets=(*TARGETS.targets, sick))
    seen = survey(target_group={"web": group}, ecs_service={"web-service": service_state(2)})
    judge = suite("target_groups").test_targets_are_healthy
    failure = ended(judge, GROUP, seen, NOBODY, profile(*declared), now(), check)
    if not declared:
        assert failure.outcome is Outcome.ERROR
        assert failure.reason == "target group web: its service web-service is not declared in this profile"
        return
    assert failure.outcome is Outcome.FAILED
    assert failure.reason == (
        "target group web: 1 targets are healthy, 2 tasks are desired; "
        "10.0.0.2:3000 is unhealthy (Target.Timeout: Request timed out)"
    )
    assert check.notes == [
        "event of web-service: (service web-service) has begun draining connections on 1 tasks."
    ]
    measured = {item.metric: item.value for item in check.measurements}
    assert measured == {"healthy_targets": 1, "registered_targets": 2, "desired_tasks": 2}


def test_targets_of_nobody_in_particular(check: Check) -> None:
    judge = suite("target_groups").test_targets_are_healthy
    seen = survey(target_group={"web": TARGETS})
    judge(TargetGroup(name="web"), seen, NOBODY, NOBODY, now(), check)
    failure = ended(judge, TargetGroup(name="web", min_healthy=2), seen, NOBODY, NOBODY, now(), check)
    assert failure.reason == "target group web: 1 targets are healthy, the profile wants at least 2"


def test_a_group_behind_another_load_balancer(check: Check) -> None:
    group = TargetGroup(name="web", load_balancer="web")
    seen = survey(target_group={"web": replace(TARGETS, load_balancers=("old", "older"))})
    failure = ended(suite("target_groups").test_is_behind_its_load_balancer, group, seen, check)
    assert failure.reason == (
        "no listener of load balancer web forwards to target group web; those of old, older do"
    )


class Alone:
    """An `Aws` for what needs no question."""

    def anew(self) -> "Alone":
        return self

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        return [question(thing) for thing in about]


class Began:
    """What was begun side by side."""

    def __init__(self, result: object) -> None:
        self.result = result

    def of(self, _: object) -> object:
        return self.result


def test_an_endpoint_that_has_no_address_yet(check: Check) -> None:
    endpoint = TcpEndpoint(name="redis", replication_group="cache")
    begun = Began((TcpState((), "creating"), ()))
    failure = ended(suite("endpoints").test_takes_connections, endpoint, begun, NOBODY, now(), check)
    assert failure.reason == (
        "endpoint redis of replication group cache takes no connection: it has no address yet (creating)"
    )
    assert check.facts["status"] == "creating"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("connection refused", "security groups"),
        ("DNS: the name cannot be resolved (Name or service not known)", "security groups"),
        ("TLS: the certificate is not accepted: certificate has expired", "renew or replace the certificate"),
    ],
)
def test_every_reason_has_its_hint(check: Check, error: str, hint: str) -> None:
    endpoint = TcpEndpoint(name="redis", address="a:1")
    begun = Began((TcpState((Address("a", 1),)), (Connected("a:1", 0.1, error=error),)))
    failure = ended(suite("endpoints").test_takes_connections, endpoint, begun, NOBODY, now(), check)
    assert error in failure.reason
    assert hint in failure.hint
    answered = Began(Answer(0, "", 0.1, f"no answer: {error}"))
    http = HttpEndpoint(name="web", url="https://web.example.com/health?key=canary")
    failure = ended(suite("endpoints").test_answers, http, answered, now(), check)
    assert error in failure.reason
    assert "canary" not in failure.reason
    assert hint in failure.hint


def test_what_is_asked_again_is_asked_anew(check: Check) -> None:
    """The first look is the one that was begun side by side, the second a connection of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = TcpEndpoint(name="redis", address=f"127.0.0.1:{listener.getsockname()[1]}")
        begun = Began((TcpState((Address("a", 1),)), (Connected("a:1", 0.1, error="connection refused"),)))
        suite("endpoints").test_takes_connections(endpoint, begun, Alone(), Patience(10), check)
    (measured,) = check.measurements
    assert (measured.metric, measured.sample) == ("connect_time", 1)
    assert check.facts == {"tls": "not asked for"}


def test_an_answer_that_comes_good(check: Check, stub: Any, http: Any) -> None:
    server = stub(lambda _: http("200 OK", '{"status": "ok", "password": "canary-value"}'))
    endpoint = HttpEndpoint(name="web", url=server.url, expect_json={"status": "ok"})
    begun = Began(Answer(503, "starting", 0.1))
    suite("endpoints").test_answers(endpoint, begun, Patience(10), check)
    assert server.asked == 1
    everything = "".join(path.read_text() for path in check.folder.rglob("*") if path.is_file())
    assert "status" in everything
    assert "canary-value" not in everything


def test_a_wrong_answer_shows_what_was_said(check: Check) -> None:
    endpoint = HttpEndpoint(name="web", url="http://127.0.0.1:9/health", expect_body="^ok$")
    begun = Began(Answer(200, "database is away", 0.1))
    failure = ended(suite("endpoints").test_answers, endpoint, begun, now(), check)
    assert failure.reason == "endpoint web (http://127.0.0.1:9/health): the body does not match '^ok$'"
    assert check.notes == ["database is away"]
