from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import alb
from harness.aws.alb import Listener, ListenerState, LoadBalancer, LoadBalancerState
from harness.aws.faults import Absent, Broken, Denied, Fault
from harness.aws.session import Aws
from harness.local.makers import alb as maker
from harness.local.plan import Plan
from harness.local.resources import Emulator
from harness.model import Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
MODERN, OLD = "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-2016-08"
WEB = LoadBalancer(
    name="web",
    listeners=[Listener(port=443), Listener(port=80, protocol="HTTP", redirect_to=443)],
    deletion_protection=True,
    access_logs="logs",
)
HTTPS = ListenerState(443, "HTTPS", MODERN, ("arn:cert",), ("forward",))
HTTP = ListenerState(80, "HTTP", "", (), ("redirect",), ("HTTPS:443",))
GOOD = LoadBalancerState(
    "web", "arn", "application", "internet-facing", "active", "", "d", (HTTP, HTTPS), True, "logs"
)


@pytest.fixture
def emulator(stack_url: str, credentials: str) -> Emulator:
    return Emulator(stack_url, "us-east-1", credentials)


class Paged:
    """An `Aws` that answers from a table, in pages, and counts what it is asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[tuple[str, dict[str, Any]]]()

    def call(self, key: str, about: str, /, **parameters: Any) -> Any:
        self.asked.append((key, parameters))
        answer = self.answers[key.partition(":")[2]]
        answer = answer(**parameters) if callable(answer) else answer
        if isinstance(answer, Fault):
            raise answer
        return answer

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        return list(self.call(key, about, **parameters)[field])

    shared_items = items

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found: list[Any] = []
        for thing in about:
            try:
                found.append(question(thing))
            except Fault as fault:
                found.append(fault)
        return found


def paged(**answers: Any) -> Any:
    return Paged(**answers)


def described(name: str, **more: Any) -> dict[str, Any]:
    return {
        "LoadBalancerName": name,
        "LoadBalancerArn": f"arn:{name}",
        "Type": "application",
        "Scheme": "internal",
        "State": {"Code": "active"},
        **more,
    }


PROTECTED = {"Attributes": [{"Key": "deletion_protection.enabled", "Value": "true"}]}


def test_what_the_stand_in_makes_is_what_is_declared(aws: Aws, emulator: Emulator) -> None:
    nlb = LoadBalancer(
        name="nlb", type="network", scheme="internal", listeners=[Listener(port=6, protocol="TCP")]
    )
    maker.make(emulator, [WEB, nlb], Plan("test", emulator.account, "us-east-1"))
    found = LoadBalancer.read(aws, [WEB, nlb, LoadBalancer(name="nosuch")])
    assert set(found) == {"web", "nlb"}
    for declared in (WEB, nlb):
        state = found[declared.id]
        assert isinstance(state, LoadBalancerState)
        assert state.status == "active"
        for problems in (
            alb.kind_problems,
            alb.listener_problems,
            alb.tls_problems,
            alb.redirect_problems,
        ):
            assert problems(declared, state) == ()
        assert state.deletion_protection is declared.deletion_protection
        assert state.access_logs == declared.access_logs
    del aws.calls["sts:GetCallerIdentity"]
    assert aws.calls == {
        "elbv2:DescribeLoadBalancers": 1,
        "elbv2:DescribeListeners": 2,
        "elbv2:DescribeLoadBalancerAttributes": 2,
    }


def test_names_are_asked_twenty_a_call_and_alone_only_where_one_is_missing() -> None:
    gone = Absent("gone", hint="")

    def describe(Names: list[str]) -> Any:  # noqa: N803 - AWS's word
        if "lb-25" in Names:
            return gone
        return {"LoadBalancers": [described(name) for name in Names]}

    stub = paged(
        DescribeLoadBalancers=describe,
        DescribeListeners={"Listeners": []},
        DescribeLoadBalancerAttributes=PROTECTED,
    )
    found = LoadBalancer.read(stub, [LoadBalancer(name=f"lb-{number:02}") for number in range(30)])
    assert len(found) == 29
    assert "lb-25" not in found
    asked = [len(each["Names"]) for key, each in stub.asked if key == "elbv2:DescribeLoadBalancers"]
    assert asked == [20, 10, *[1] * 10]


def test_every_page_is_read(stub: Any, http: Any, make_profile: Callable[..., Any], credentials: str) -> None:
    def page(name: str, marker: str) -> str:
        following = f"<NextMarker>{marker}</NextMarker>" if marker else ""
        return (
            '<DescribeLoadBalancersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">'
            f"<DescribeLoadBalancersResult><LoadBalancers><member><LoadBalancerName>{name}</LoadBalancerName>"
            f"<LoadBalancerArn>arn:{name}</LoadBalancerArn></member></LoadBalancers>{following}"
            "</DescribeLoadBalancersResult></DescribeLoadBalancersResponse>"
        )

    def answer(request: bytes) -> bytes:
        if b"GetCallerIdentity" in request:
            return bytes(http("200 OK", "<X><Y/></X>", "text/xml"))
        second = b"Marker=two" in request
        return bytes(http("200 OK", page("b", "") if second else page("a", "two"), "text/xml"))

    server = stub(answer)
    session = Aws(make_profile(server.url))
    items = session.items("elbv2:DescribeLoadBalancers", "x", "LoadBalancers", Names=["a", "b"])
    assert [item["LoadBalancerName"] for item in items] == ["a", "b"]
    assert session.calls["elbv2:DescribeLoadBalancers"] == 2


def test_what_cannot_be_asked_stays_a_fault() -> None:
    denied = Denied("no", hint="")
    assert LoadBalancer.read(paged(DescribeLoadBalancers=denied), [WEB]) == {"web": denied}
    stub = paged(DescribeLoadBalancers={"LoadBalancers": [described("web")]}, DescribeListeners=denied)
    assert LoadBalancer.read(stub, [WEB]) == {"web": denied}

    def partly(Names: list[str]) -> Any:  # noqa: N803 - AWS's word
        return Absent("gone", hint="") if len(Names) > 1 else denied

    two = [WEB, LoadBalancer(name="b")]
    assert LoadBalancer.read(paged(DescribeLoadBalancers=partly), two) == {"web": denied, "b": denied}


def test_one_that_goes_away_meanwhile_does_not_exist() -> None:
    stub = paged(
        DescribeLoadBalancers={"LoadBalancers": [described("web")]}, DescribeListeners=Absent("gone", hint="")
    )
    assert LoadBalancer.read(stub, [WEB]) == {}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"DescribeLoadBalancers": {"LoadBalancers": [{"Type": "x"}]}}, "has no LoadBalancerName"),
        (
            {"DescribeLoadBalancers": {"LoadBalancers": [{"LoadBalancerName": "web"}]}},
            "has no LoadBalancerArn",
        ),
        (
            {"DescribeLoadBalancers": {"LoadBalancers": [described("web", State={})]}},
            "has no Code",
        ),
        ({"DescribeLoadBalancerAttributes": {"Attributes": []}}, "has no deletion_protection.enabled"),
        (
            {"DescribeListeners": {"Listeners": [{"Port": 443, "Protocol": "HTTPS", "Certificates": [{}]}]}},
            "has no CertificateArn",
        ),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(answers: dict[str, Any], reason: str) -> None:
    whole: dict[str, Any] = {
        "DescribeLoadBalancers": {"LoadBalancers": [described("web")]},
        "DescribeListeners": {"Listeners": []},
        "DescribeLoadBalancerAttributes": PROTECTED,
    }
    fault = LoadBalancer.read(paged(**whole | answers), [WEB])["web"]
    assert isinstance(fault, Broken)
    assert reason in fault.message


def test_a_gateway_load_balancer_has_neither_scheme_nor_port() -> None:
    stub = paged(
        DescribeLoadBalancers={"LoadBalancers": [described("gw", Type="gateway") | {"Scheme": ""}]},
        DescribeListeners={"Listeners": [{"DefaultActions": [{"Type": "forward"}]}]},
        DescribeLoadBalancerAttributes=PROTECTED,
    )
    declared = LoadBalancer(name="gw", type="gateway")
    state = LoadBalancer.read(stub, [declared])["gw"]
    assert isinstance(state, LoadBalancerState)
    assert state.listeners == (ListenerState(0, "GENEVE", actions=("forward",)),)
    assert alb.kind_problems(declared, state) == ()


# Judging


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, ()),
        ({"type": "network"}, ("its type is network, declared application",)),
        ({"scheme": "internal"}, ("its scheme is internal, declared internet-facing",)),
        ({"scheme": ""}, ("its scheme is not told, declared internet-facing",)),
    ],
)
def test_kinds(change: dict[str, Any], problems: tuple[str, ...]) -> None:
    assert alb.kind_problems(WEB, replace(GOOD, **change)) == problems


@pytest.mark.parametrize(
    ("listeners", "problems"),
    [
        ((HTTP, HTTPS), ()),
        ((HTTP,), ("nothing listens on HTTPS:443",)),
        ((HTTP, replace(HTTPS, protocol="HTTP")), ("port 443 speaks HTTP, declared HTTPS",)),
        ((HTTP, HTTPS, ListenerState(8080, "HTTP")), ()),
    ],
)
def test_listeners(listeners: tuple[ListenerState, ...], problems: tuple[str, ...]) -> None:
    assert alb.listener_problems(WEB, replace(GOOD, listeners=listeners)) == problems


@pytest.mark.parametrize(
    ("wanted", "policy", "problem"),
    [
        ({}, MODERN, ""),
        ({}, "ELBSecurityPolicy-TLS-1-2-Ext-2018-06", ""),
        ({}, "ELBSecurityPolicy-FS-1-2-Res-2020-10", ""),
        ({}, "ELBSecurityPolicy-TLS13-1-3-2021-06", ""),
        ({"min_tls": "1.3"}, "ELBSecurityPolicy-TLS13-1-3-2021-06", ""),
        ({"min_tls": "1.3"}, MODERN, f"takes TLS 1.2 ({MODERN}), the oldest allowed is 1.3"),
        ({}, OLD, f"takes TLS 1.0 ({OLD}), the oldest allowed is 1.2"),
        (
            {},
            "ELBSecurityPolicy-FS-2018-06",
            "takes TLS 1.0 (ELBSecurityPolicy-FS-2018-06), the oldest allowed is 1.2",
        ),
        (
            {"min_tls": "1.2"},
            "ELBSecurityPolicy-TLS13-1-1-2021-06",
            "takes TLS 1.1 (ELBSecurityPolicy-TLS13-1-1-2021-06), the oldest allowed is 1.2",
        ),
        ({"min_tls": "1.0"}, OLD, ""),
        ({}, "MyPolicy", "has policy MyPolicy, whose TLS versions are not known: name it as `tls_policy`"),
        ({}, "", "has policy none, whose TLS versions are not known: name it as `tls_policy`"),
        ({"tls_policy": "MyPolicy"}, "MyPolicy", ""),
        ({"tls_policy": MODERN}, OLD, f"has policy {OLD}, declared {MODERN}"),
    ],
)
def test_tls_policies(wanted: dict[str, Any], policy: str, problem: str) -> None:
    declared = LoadBalancer(name="web", listeners=[Listener(port=443, **wanted)])
    state = replace(GOOD, listeners=(replace(HTTPS, tls_policy=policy),))
    assert alb.tls_problems(declared, state) == ((f"HTTPS:443 {problem}",) if problem else ())


def test_a_listener_that_nobody_declared_is_held_to_tls_1_2_and_needs_a_certificate_too() -> None:
    extra = ListenerState(8443, "TLS", OLD)
    problems = alb.tls_problems(WEB, replace(GOOD, listeners=(HTTP, HTTPS, extra)))
    assert problems == (
        "TLS:8443 has no certificate",
        f"TLS:8443 takes TLS 1.0 ({OLD}), the oldest allowed is 1.2",
    )


@pytest.mark.parametrize(
    ("listeners", "problems"),
    [
        ((HTTP,), ()),
        ((HTTPS,), ("port 80 is missing, declared is a redirect to HTTPS:443",)),
        (
            (replace(HTTP, actions=("forward",), redirects=()),),
            ("port 80 does forward, declared is a redirect to HTTPS:443",),
        ),
        (
            (replace(HTTP, actions=(), redirects=()),),
            ("port 80 does nothing, declared is a redirect to HTTPS:443",),
        ),
        (
            (replace(HTTP, redirects=("HTTP:443",)),),
            ("port 80 redirects to HTTP:443, declared is a redirect to HTTPS:443",),
        ),
    ],
)
def test_redirects(listeners: tuple[ListenerState, ...], problems: tuple[str, ...]) -> None:
    assert alb.redirect_problems(WEB, replace(GOOD, listeners=listeners)) == problems


def test_what_must_report() -> None:
    always = ("alb.is_active", "alb.is_of_its_kind")
    assert LoadBalancer(name="x").mandatory(None, Phase.PRE_DEPLOY) == always
    assert WEB.mandatory(None, Phase.PRE_DEPLOY) == (
        *always,
        "alb.has_its_listeners",
        "alb.encrypts_with_a_certificate",
        "alb.redirects_to_https",
        "alb.is_protected_from_deletion",
        "alb.writes_access_logs",
    )
    plain = LoadBalancer(name="x", listeners=[Listener(port=80, protocol="HTTP")])
    assert plain.mandatory(None, Phase.PRE_DEPLOY) == (*always, "alb.has_its_listeners")
    assert WEB.home == "load balancer web"


@pytest.mark.parametrize("port", [0, 65536])
def test_ports(port: int) -> None:
    with pytest.raises(ValidationError):
        Listener(port=port)
