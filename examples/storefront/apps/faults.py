"""Faults on demand, so that a release check can be shown a sick API. Off unless the environment asks for one.

``FAULT_API_DELAY``
    Seconds that every answer is late.
``FAULT_API_ERROR_RATIO``
    The share of requests (0 to 1) that are answered with 500, spread evenly.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class Faults:
    """Which faults are on."""

    delay: float = 0.0
    error_ratio: float = 0.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Faults":
        """From the environment; nonsense is a `ValueError`, for a fault that stays away proves nothing."""
        faults = cls(
            float(environ.get("FAULT_API_DELAY") or 0), float(environ.get("FAULT_API_ERROR_RATIO") or 0)
        )
        if not (faults.delay >= 0 and 0 <= faults.error_ratio <= 1):
            msg = f"not a fault: {faults}"
            raise ValueError(msg)
        return faults

    def __bool__(self) -> bool:
        return bool(self.delay or self.error_ratio)


class FaultMiddleware:
    """Lets requests through late, or not at all."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults
        self._due = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or spoil it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(self._faults.delay)
        self._due += self._faults.error_ratio
        if self._due >= 1:
            self._due -= 1
            await JSONResponse({"error": "fault: error on demand"}, 500)(scope, receive, send)
            return
        await self._app(scope, receive, send)
