"""The ports in memory, and a client that calls an application without a network."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from apps.domains import Domains
from apps.memory import MemoryBus, MemoryStore

Call = Callable[..., httpx.Response]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def domains(store: MemoryStore, bus: MemoryBus) -> Domains:
    return Domains(store, bus)


@pytest.fixture
def call() -> Callable[[ASGIApp], Call]:
    """A function that makes a client for an application."""

    def client(app: ASGIApp) -> Call:
        async def send(method: str, path: str, **options: Any) -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                return await http.request(method, path, **options)

        def run(method: str, path: str, **options: Any) -> httpx.Response:
            return asyncio.run(send(method, path, **options))

        return run

    return client
