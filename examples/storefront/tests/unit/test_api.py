"""The API's routes on fakes."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from apps.api.app import build
from apps.domains import STEPS, Change, Domain, Domains, Status
from apps.faults import Faults
from apps.memory import MemoryBus, MemoryStore

Call = Callable[..., httpx.Response]


@pytest.fixture
def api(store: MemoryStore, domains: Domains, call: Callable[[ASGIApp], Call]) -> Call:
    return call(build(store, domains))


def test_health_is_good_while_the_database_answers(api: Call) -> None:
    answer = api("GET", "/v1/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "database": "ok"})


def test_health_is_bad_when_the_database_is_gone(api: Call, store: MemoryStore) -> None:
    store.down = True
    answer = api("GET", "/v1/api/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unhealthy"


def test_a_domain_is_activated_listed_and_deactivated(api: Call, store: MemoryStore) -> None:
    answer = api("POST", "/v1/api/domains", json={"name": "Example.com"})
    assert (answer.status_code, answer.json()) == (202, {"name": "example.com", "status": "activating"})
    assert api("GET", "/v1/api/domains").json() == {"domains": [answer.json()]}
    shown = api("GET", "/v1/api/domains/EXAMPLE.com").json()
    assert shown == {**answer.json(), "steps": dict.fromkeys(STEPS, "waiting")}
    answer = api("DELETE", "/v1/api/domains/example.com")
    assert (answer.status_code, answer.json()["status"]) == (202, "deactivating")
    assert store.rows["example.com"] == Domain("example.com", Status.DEACTIVATING, 2)


def test_an_inactive_domain_is_purged(api: Call, store: MemoryStore) -> None:
    store.rows["example.com"] = Domain("example.com", Status.INACTIVE, 2)
    assert api("DELETE", "/v1/api/domains/example.com?purge=true").status_code == 204
    assert api("DELETE", "/v1/api/domains/example.com?purge=true").status_code == 404


def test_an_active_domain_is_not_purged_without_force(api: Call, store: MemoryStore) -> None:
    store.rows["example.com"] = Domain("example.com", Status.ACTIVE)
    answer = api("DELETE", "/v1/api/domains/example.com?purge=true")
    assert answer.status_code == 409
    assert "only an inactive domain can be purged" in answer.json()["error"]
    assert api("DELETE", "/v1/api/domains/example.com?purge=force").status_code == 204
    assert not store.rows


def test_steps_are_shown_as_far_as_they_are(api: Call, store: MemoryStore) -> None:
    api("POST", "/v1/api/domains", json={"name": "example.com"})
    change = Change("example.com", Status.ACTIVE, 1)
    store.received(change, STEPS[0])
    store.done(change, STEPS[2])
    steps = api("GET", "/v1/api/domains/example.com").json()["steps"]
    assert list(steps.values()) == ["received", "waiting", "done"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'"text"'])
def test_a_body_without_a_name_is_refused(api: Call, body: Any) -> None:
    assert api("POST", "/v1/api/domains", content=body).status_code == 400


def test_a_bad_name_is_refused_with_the_reason(api: Call) -> None:
    answer = api("POST", "/v1/api/domains", json={"name": "not a domain"})
    assert answer.status_code == 422
    assert "is not a domain name" in answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_domain_is_not_found(api: Call, method: str) -> None:
    assert api(method, "/v1/api/domains/example.com").status_code == 404


def test_a_bus_that_is_gone_is_said(api: Call, bus: MemoryBus) -> None:
    bus.down = True
    assert api("POST", "/v1/api/domains", json={"name": "example.com"}).status_code == 503


def test_half_of_the_requests_fail_on_demand(
    store: MemoryStore, domains: Domains, call: Callable[[ASGIApp], Call]
) -> None:
    api = call(build(store, domains, Faults(error_ratio=0.5)))
    assert [api("GET", "/v1/api/health").status_code for _ in range(6)] == [200, 500] * 3
