"""What can be wrong with an endpoint."""

from breakages.parts import Breakage, World


def _redis_is_gone(world: World) -> None:
    world.loopback.close_port()


def _web_is_unavailable(world: World) -> None:
    world.loopback.answers["/health"] = (503, "no healthy upstream")


def _api_is_not_found(world: World) -> None:
    world.loopback.answers["/v1/api/health"] = (404, "")


BREAKAGES = (
    Breakage(
        "nothing listens where Redis should be",
        "endpoints.takes_connections[redis]",
        _redis_is_gone,
        ("takes no connection: 127.0.0.1:", "connection refused"),
    ),
    Breakage(
        "the web endpoint answers 503",
        "endpoints.answers[web]",
        _web_is_unavailable,
        ("status 503, not 200", "no healthy upstream"),
    ),
    Breakage(
        "the API answers 404",
        "endpoints.answers[api]",
        _api_is_not_found,
        ("/v1/api/health): status 404, not 200",),
    ),
)
