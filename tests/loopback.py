"""What answers in the place of an environment's endpoints: a web server and a TCP port on loopback."""

import json
import socket
import threading
from collections.abc import Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTHY = (200, json.dumps({"status": "healthy", "database": "ok"}))


class Loopback:
    """A web server whose `answers` (path -> status and body) may be changed, and a port that takes connections."""

    def __init__(self) -> None:
        loopback = self
        self.answers: dict[str, tuple[int, str]] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = loopback.answers.get(self.path, HEALTHY)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._port = socket.create_server(("127.0.0.1", 0))

    def environ(self) -> Mapping[str, str]:
        """The variables that lead `staging`'s endpoints here."""
        return {
            "WEB_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "REDIS_ADDRESS": f"127.0.0.1:{self._port.getsockname()[1] if self._port.fileno() >= 0 else 9}",
        }

    def close_port(self) -> None:
        """From here on connections to the TCP port are refused."""
        self._port.close()

    def reset(self) -> None:
        """Everything answers again."""
        self.answers.clear()
        if self._port.fileno() < 0:
            self._port = socket.create_server(("127.0.0.1", 0))


@cache
def loopback() -> Loopback:
    """The one of this process; it ends with it."""
    return Loopback()
