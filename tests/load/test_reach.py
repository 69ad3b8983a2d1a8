"""What foreign code in the generator may reach, what holds it, and how its requests failed: each part by itself."""

import socket
import ssl
import sys
from collections.abc import Iterable
from typing import Any

import gevent
import pytest
import requests
import urllib3

from harness.load.generator.failures import failure, status_of
from harness.load.generator.reach import Reach, _Resolver
from harness.load.generator.watchdog import Watchdog
from harness.load.result import Kind


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("shop.example", 443, True),
        ("shop.example.", 80, True),
        ("api.example", 8080, True),
        ("api.example", 80, False),
        ("evil.example", 443, False),
        ("10.0.0.1", 80, True),
        ("10.0.0.2", 80, False),
        ("::1", 80, True),
        ("fe80::1%eth0", 80, False),
    ],
)
def test_names_and_addresses(host: str, port: int, allowed: bool) -> None:
    reach = Reach(["Shop.example", "api.example:8080", "10.0.0.1", "::1"], "load/a.py")
    reach.found("shop.example", ["203.0.113.1"])
    reach.found("api.example", ["203.0.113.2"])
    address = {
        "shop.example": "203.0.113.1",
        "shop.example.": "203.0.113.1",
        "api.example": "203.0.113.2",
    }.get(host, host)
    if allowed:
        reach.audit("socket.getaddrinfo", (host, port))
        reach.audit("socket.connect", (None, (address, port)))
        assert reach.refused == ""
        return
    with pytest.raises(PermissionError) as caught:
        reach.audit("socket.connect", (None, (address, port, 0, 0)))
    assert reach.refused == caught.value.strerror
    assert "gates.load.allowed_hosts is shop.example, api.example:8080" in reach.refused


def test_names_are_refused_before_they_are_looked_up() -> None:
    reach = Reach(["shop.example"], "load/a.py")
    for name in ("evil.example", b"evil.example", "shop.example.evil", "example"):
        with pytest.raises(PermissionError, match=r"load/a\.py reaches for"):
            reach.audit("socket.gethostbyname", (name,))
    first = reach.refused
    assert "evil.example" in first
    reach.audit("socket.getaddrinfo", (None, 80))
    reach.audit("socket.connect", (None, "/run/some.sock"))
    reach.audit("open", ("file", "r", 0))
    assert reach.refused == first


class _Fixed:
    """A resolver that knows one host."""

    def getaddrinfo(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.9", port))]

    def gethostbyname_ex(self, host: str) -> tuple[str, list[str], list[str]]:
        return host, [], ["203.0.113.10"]

    def gethostbyaddr(self, address: str) -> str:
        return f"name of {address}"


def test_what_an_allowed_name_leads_to_is_allowed() -> None:
    reach = Reach(["shop.example:443"], "load/a.py")
    resolver = _Resolver(_Fixed(), reach)
    with pytest.raises(PermissionError):
        reach.audit("socket.connect", (None, ("203.0.113.9", 443)))
    resolver.getaddrinfo("shop.example", 443)
    assert resolver.gethostbyname("shop.example") == "203.0.113.10"
    assert resolver.gethostbyaddr("203.0.113.9") == "name of 203.0.113.9"
    assert resolver.getaddrinfo(None, 80)
    resolver.getaddrinfo("203.0.113.9", 443)
    reach.audit("socket.connect", (None, ("203.0.113.9", 443)))
    reach.audit("socket.connect", (None, ("203.0.113.10", 443)))
    with pytest.raises(PermissionError, match="port 80"):
        reach.audit("socket.connect", (None, ("203.0.113.9", 80)))
    with pytest.raises(PermissionError):
        resolver.getaddrinfo("evil.example", 443)


def test_the_watchdog_says_what_holds_the_process() -> None:
    dog = Watchdog(0.0, lambda frame: f"{frame is sys._getframe()} of a frame" if frame else "none", code=3)
    told = dog.late()
    assert told.startswith("False of a frame has let nothing else run for 0 s"), "the frame is late's own"
    dog.limit = 60.0
    dog.beat()
    assert dog.late() == ""


def _wrapped(inner: Exception, kind: type[Exception] = requests.exceptions.ConnectionError) -> Exception:
    reason = urllib3.exceptions.ConnectTimeoutError("late")
    reason.__cause__ = inner
    return kind(urllib3.exceptions.MaxRetryError(urllib3.HTTPConnectionPool("h"), "/", reason))


class _MeantError(Exception):
    pass


class _Answered:
    def __init__(self, status: object) -> None:
        self.status_code = status


@pytest.mark.parametrize(
    ("exception", "response", "kind"),
    [
        (requests.exceptions.HTTPError("500"), _Answered(500), Kind.STATUS),
        (_MeantError("wrong"), _Answered(200), Kind.CONTENT),
        (AssertionError("wrong"), None, Kind.CONTENT),
        ("wrong", None, Kind.CONTENT),
        (_wrapped(ConnectionRefusedError()), _Answered(0), Kind.REFUSED),
        (_wrapped(socket.gaierror(-2, "unknown")), _Answered(None), Kind.DNS),
        (_wrapped(ssl.SSLCertVerificationError("bad")), None, Kind.TLS),
        (_wrapped(TimeoutError()), None, Kind.TIMEOUT),
        (gevent.Timeout(1), None, Kind.TIMEOUT),
        (_wrapped(ConnectionResetError()), None, Kind.CLOSED),
        (KeyboardInterrupt(), None, Kind.OTHER),
        (ValueError("odd"), None, Kind.OTHER),
        (42, None, Kind.OTHER),
    ],
)
def test_how_a_request_failed(exception: object, response: object, kind: Kind) -> None:
    assert failure(exception, response, said=_MeantError) is kind


def test_errors_that_lead_to_themselves() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__context__ = second, first
    assert failure(first) is Kind.OTHER
    statuses: Iterable[object] = (_Answered("no"), None, _Answered(204))
    assert [status_of(each) for each in statuses] == [0, 0, 204]
