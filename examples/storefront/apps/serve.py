"""Serves an application: on ``PORT``, or on a socket that whoever starts it has opened (``SOCKET_FD``)."""

import os
import socket
from collections.abc import Callable, Mapping

import uvicorn
from starlette.applications import Starlette


def listen(environ: Mapping[str, str], port: int) -> socket.socket:
    """The socket that the environment asks for; `port` where it asks for none."""
    if descriptor := environ.get("SOCKET_FD"):
        return socket.socket(fileno=int(descriptor))
    return socket.create_server((environ.get("HOST", "127.0.0.1"), int(environ.get("PORT", port))))


def serve(create: Callable[[], Starlette], *, port: int) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(create, factory=True, access_log=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listen(os.environ, port)])
