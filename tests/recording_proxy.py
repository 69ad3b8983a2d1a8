"""An HTTP proxy in front of the emulator that knows which AWS operation each request is, and can answer in its place."""

import http.client
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}
_SIGNED_AS = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "es": "opensearch",
    "servicequotas": "service-quotas",
}
"""The name in a signature -> botocore's name, where they differ."""


@dataclass(frozen=True)
class Asked:
    """One request: whose, and what."""

    service: str
    operation: str
    access_key: str

    @property
    def key(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass
class Proxy:
    """`asked` is every request that came, retries included; `fault` may answer one: (status, headers, body), or `CLOSED`."""

    url: str
    target: str
    asked: list[Asked] = field(default_factory=list)
    fault: Callable[[Asked], tuple[int, dict[str, str], bytes] | None] = lambda _: None

    @property
    def keys(self) -> set[str]:
        return {item.key for item in self.asked}


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """(method, path, operation) of a REST service, the most specific path first."""
    import botocore.session

    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        rule = model.operation_model(name).http
        path = rule["requestUri"].partition("?")[0].rstrip("/")
        pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda m: ".+" if m[2] else "[^/]+", re.escape(path))
        found.append((rule["method"], re.compile(pattern + "/?"), name))
    return sorted(found, key=lambda row: row[1].pattern.count("[^/]+"))


def identify(method: str, path: str, headers: Any, body: bytes) -> Asked:
    """Which operation a request is, by its signature's scope and its protocol."""
    scope = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
    key, signed = (scope[1], scope[2]) if scope else ("", "")
    service = _SIGNED_AS.get(signed, signed)
    if target := headers.get("X-Amz-Target"):
        return Asked(service, target.rpartition(".")[2], key)
    if match := re.fullmatch(r"/service/[^/]+/operation/(\w+)", path):
        return Asked(service, match[1], key)
    if action := re.search(rb"(?:^|&)Action=(\w+)", body):
        return Asked(service, action[1].decode(), key)
    plain = urllib.parse.urlsplit(path).path
    for verb, pattern, name in _routes(service) if service else ():
        if verb == method and pattern.fullmatch(plain):
            return Asked(service, name, key)
    return Asked(service, f"{method} {plain}", key)


def throttled(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """How AWS says "too many requests", as the protocol of most of its services has it."""
    if asked.service in {"rds", "sns", "elbv2", "cloudformation", "route53", "iam", "sts", "elasticache"}:
        body = (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
            b"<Message>Rate exceeded</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
        return 400, {"Content-Type": "text/xml"}, body
    body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, body


CLOSED: tuple[int, dict[str, str], bytes] = (0, {}, b"")
"""No answer at all: the connection is closed."""


def unavailable(_: Asked) -> tuple[int, dict[str, str], bytes]:
    """A 503 without a word that a parser could take for an answer."""
    return 503, {"Content-Type": "text/plain"}, b""


@contextmanager
def recording(target: str) -> Iterator[Proxy]:
    """A proxy in front of `target` (an URL on loopback), ended with the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = identify(self.command, self.path, self.headers, body)
            proxy.asked.append(asked)
            answer = proxy.fault(asked)
            if answer is None:
                answer = self._forward(body)
            if answer is None or answer is CLOSED:
                self.close_connection = True
                return
            status, headers, data = answer
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
            where = urllib.parse.urlsplit(proxy.target)
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                data = response.read()
            except OSError:
                return None  # the target is away: whoever asked sees a closed connection
            finally:
                connection.close()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            return response.status, kept, data

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}", target)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
