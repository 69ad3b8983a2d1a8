"""Faults are off unless they are asked for, and nonsense is refused."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.faults import FaultMiddleware, Faults

Call = Callable[..., httpx.Response]


def test_off_by_default() -> None:
    assert not Faults.read({"FAULT_API_DELAY": ""})


def test_read_from_the_environment() -> None:
    assert Faults.read({"FAULT_API_DELAY": "2.5", "FAULT_API_ERROR_RATIO": "0.5"}) == Faults(2.5, 0.5)


@pytest.mark.parametrize(
    "environ",
    [
        {"FAULT_API_DELAY": "-1"},
        {"FAULT_API_DELAY": "soon"},
        {"FAULT_API_ERROR_RATIO": "1.1"},
        {"FAULT_API_DELAY": "nan"},
    ],
)
def test_nonsense_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Faults.read(environ)


def test_answers_are_late(call: Callable[[ASGIApp], Call]) -> None:
    api = call(FaultMiddleware(PlainTextResponse("late"), Faults(delay=0.02)))
    started = time.monotonic()
    assert api("GET", "/").text == "late"
    assert time.monotonic() - started >= 0.02


def test_only_requests_are_spoiled() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        """Nothing is sent."""

    app = FaultMiddleware(inner, Faults(delay=60, error_ratio=1))
    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert seen == ["lifespan"]
