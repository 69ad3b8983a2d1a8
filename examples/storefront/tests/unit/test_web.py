"""The frontend in front of an API that is called without a network."""

from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp

from apps.api.app import build as build_api
from apps.domains import Domains
from apps.memory import MemoryStore
from apps.web.app import build, create

Call = Callable[..., httpx.Response]


@pytest.fixture
def web(store: MemoryStore, domains: Domains, call: Callable[[ASGIApp], Call]) -> Call:
    transport = httpx.ASGITransport(app=build_api(store, domains))
    return call(build(httpx.AsyncClient(transport=transport, base_url="http://api")))


def test_health_speaks_of_itself_alone(web: Call, store: MemoryStore) -> None:
    store.down = True
    assert web("GET", "/health").json() == {"status": "healthy"}


def test_there_is_a_page(web: Call) -> None:
    answer = web("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>Storefront</h1>" in answer.text


def test_api_requests_are_passed_on_and_back(web: Call, store: MemoryStore) -> None:
    answer = web("POST", "/v1/api/domains", json={"name": "example.com"})
    assert (answer.status_code, answer.json()["status"]) == (202, "activating")
    assert answer.headers["content-type"] == "application/json"
    assert "example.com" in store.rows


def test_the_apis_health_is_reachable(web: Call, store: MemoryStore) -> None:
    assert web("GET", "/v1/api/health").status_code == 200
    store.down = True
    assert web("GET", "/v1/api/health").status_code == 503


def test_an_api_that_is_gone_is_said(call: Callable[[ASGIApp], Call]) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    web = call(build(httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://api")))
    answer = web("GET", "/v1/api/health")
    assert (answer.status_code, answer.json()["error"]) == (502, "the API does not answer: ConnectError")


def test_the_environment_says_where_the_api_is(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[ASGIApp], Call]
) -> None:
    monkeypatch.setenv("API_URL", "http://127.0.0.1:1")
    answer = call(create())("GET", "/v1/api/health")
    assert answer.status_code == 502
