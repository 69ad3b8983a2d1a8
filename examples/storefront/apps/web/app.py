"""The frontend's routes. Run with ``python -m apps.web`` (port 3000); ``API_URL`` is the API.

``/health`` speaks of this program alone: a sick API must not make the load balancer stop every web task. Whoever
wants to know about the API asks ``/v1/api/health``, which is passed on like everything below ``/v1/api``.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Storefront</title></head>
<body><main><h1>Storefront</h1><p>Domains are activated at <code>/v1/api/domains</code>.</p></main></body></html>
"""
_PASSED_ON = ("content-type", "accept")


def build(api: httpx.AsyncClient) -> Starlette:
    """The application in front of an API."""

    def page(request: Request) -> Response:
        return HTMLResponse(_PAGE)

    def health(request: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def forward(request: Request) -> Response:
        headers = {key: request.headers[key] for key in _PASSED_ON if key in request.headers}
        body = await request.body()
        try:
            answer = await api.request(
                request.method, request.url.path, params=request.query_params, content=body, headers=headers
            )
        except httpx.HTTPError as error:
            return JSONResponse({"error": f"the API does not answer: {type(error).__name__}"}, 502)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with api:
            yield

    return Starlette(
        routes=[
            Route("/", page),
            Route("/health", health),
            Route("/v1/api/{path:path}", forward, methods=["GET", "POST", "DELETE"]),
        ],
        lifespan=lifespan,
    )


def create() -> Starlette:
    """The application in front of the API that ``API_URL`` names."""
    url = os.environ.get("API_URL", "http://127.0.0.1:3001")
    return build(httpx.AsyncClient(base_url=url, timeout=10, trust_env=False))
