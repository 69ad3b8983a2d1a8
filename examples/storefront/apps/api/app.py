"""The API's routes. Run with ``python -m apps.api`` (port 3001).

``GET /v1/api/domains/{name}`` shows how far each step is: ``waiting``, ``received`` by its worker, or ``done``.
``DELETE`` deactivates; ``?purge=true`` forgets an inactive domain for good, ``?purge=force`` one in any state.
"""

import json
import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apps.domains import Domain, Domains, InvalidName, Store, Unavailable, Unfinished
from apps.faults import FaultMiddleware, Faults


def build(store: Store, domains: Domains, faults: Faults | None = None) -> Starlette:
    """The application on the given ports. Endpoints block on the database, so they run in threads."""

    def health(request: Request) -> Response:
        store.ping()
        return JSONResponse({"status": "healthy", "database": "ok"})

    def listing(request: Request) -> Response:
        return JSONResponse({"domains": [_shown(domain) for domain in store.all()]})

    def one(request: Request) -> Response:
        domain = store.get(request.path_params["name"].lower())
        if domain is None:
            return _error(404, "no such domain")
        return JSONResponse({**_shown(domain), "steps": domains.progress(domain)})

    def deactivate(request: Request) -> Response:
        name = request.path_params["name"]
        if purge := request.query_params.get("purge", ""):
            known = domains.purge(name, anyway=purge == "force")
            return Response(status_code=204) if known else _error(404, "no such domain")
        domain = domains.deactivate(name)
        return JSONResponse(_shown(domain), 202) if domain else _error(404, "no such domain")

    async def activate(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        try:
            name = json.loads(await request.body())["name"]
        except (ValueError, KeyError, TypeError):
            return _error(400, 'send {"name": "example.com"}')
        return JSONResponse(_shown(await run_in_threadpool(domains.activate, str(name))), 202)

    return Starlette(
        routes=[
            Route("/v1/api/health", health),
            Route("/v1/api/domains", listing, methods=["GET"]),
            Route("/v1/api/domains", activate, methods=["POST"]),
            Route("/v1/api/domains/{name}", one, methods=["GET"]),
            Route("/v1/api/domains/{name}", deactivate, methods=["DELETE"]),
        ],
        middleware=[Middleware(FaultMiddleware, faults=faults)] if faults else [],
        exception_handlers={InvalidName: _invalid, Unavailable: _unavailable, Unfinished: _unfinished},
    )


def create() -> Starlette:
    """The application on PostgreSQL and SNS, as the environment says."""
    from apps.config import client, database, names, parameter
    from apps.messaging import SnsBus
    from apps.postgres import PostgresStore

    known = names(os.environ)
    store = PostgresStore(database(client("secretsmanager"), known.database_secret))
    store.create()
    topic = parameter(client("ssm"), known.topic_parameter)
    return build(store, Domains(store, SnsBus(client("sns"), topic)), Faults.read(os.environ))


def _shown(domain: Domain) -> dict[str, str]:
    return {"name": domain.name, "status": str(domain.status)}


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


def _invalid(request: Request, error: Exception) -> Response:
    return _error(422, str(error))


def _unfinished(request: Request, error: Exception) -> Response:
    return _error(409, str(error))


def _unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"status": "unhealthy", "error": str(error)}, 503)
