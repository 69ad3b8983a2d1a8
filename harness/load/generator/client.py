"""A lean HTTP client for Locust's process: one prepared request, sent again and again over kept-alive connections.

Built on the connection pool and parser below Locust's FastHttpUser (geventhttpclient). Redirects are answers like any
other, proxies are not used, certificates are verified, bodies are read to their end and thrown away.
"""

import errno
import socket
import ssl
import time
from dataclasses import replace

import gevent
import gevent.socket
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPSocketPoolResponse

from harness.errors import ToolError
from harness.load.generator.recorder import Answer
from harness.load.plan import Plan, Target, target
from harness.load.result import Kind

_BLOCK = 65536
_SAMPLE = 200
"""Bytes of an unexpected answer's body that are kept to be shown."""
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_ENDED = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, HTTPConnectionClosed)


class _StaleConnectionError(Exception):
    """The server closed a kept connection while it was idle."""


class _Fresh:
    """Tells a connection that was just made from a kept one: only the latter may have been closed while idle."""

    fresh: set[int]
    """The ids of the sockets that have not been used yet."""

    def _create_socket(self) -> gevent.socket.socket:
        sock = super()._create_socket()  # type: ignore[misc] # of the pool that this is mixed into
        self.fresh.add(id(sock))
        return sock


class _Plain(_Fresh, ConnectionPool):
    pass


class _Tls(_Fresh, SSLConnectionPool):
    pass


class Client:
    """Sends the plan's request."""

    def __init__(self, plan: Plan) -> None:
        where = target(plan.url)
        kind = _Tls if where.scheme == "https" else _Plain
        self._pool: _Plain | _Tls = kind(
            where.host,
            where.port,
            where.host,
            where.port,
            size=plan.slots,
            connection_timeout=plan.timeout * 2,  # ours, over the whole exchange, comes first
            network_timeout=plan.timeout * 2,
        )
        self._pool.fresh = set()
        self._host = where.host
        self._method = plan.method
        self._timeout = plan.timeout
        self._expected = plan.expect_status
        self._request = prepare(plan, where)

    def prime(self) -> None:
        """Look the host up once, so that the first request is not billed for starting the resolver."""
        with gevent.Timeout(min(self._timeout, 2.0), exception=False):
            try:
                gevent.socket.getaddrinfo(self._host, None)
            except OSError:
                return  # every request will say so

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()

    def send(self) -> Answer:
        """Send the request once and read the answer to its end."""
        try:
            with gevent.Timeout(self._timeout):
                return self._send()
        except gevent.Timeout:
            return Answer(Kind.TIMEOUT, detail=f"no whole answer within {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's failure and is counted
            return Answer(kind_of(error), detail=_say(error))

    def _send(self) -> Answer:
        retried = False
        while True:
            try:
                answer = self._exchange()
            except _StaleConnectionError:
                retried = True  # each time closes one kept connection; a new one ends this
                continue
            return replace(answer, retried=retried)

    def _exchange(self) -> Answer:
        """One request on one connection.

        Raises:
            _StaleConnectionError: a kept connection had gone, and the request may be sent again (RFC 9110, 9.2.2).
        """
        sock = self._pool.get_socket()
        fresh = id(sock) in self._pool.fresh
        self._pool.fresh.discard(id(sock))
        try:
            try:
                sock.sendall(self._request)
            except BaseException:
                self._pool.release_socket(sock)
                raise
            response = HTTPSocketPoolResponse(sock, self._pool, block_size=_BLOCK, method=self._method)
        except _ENDED as error:
            if not fresh and self._method in _IDEMPOTENT:
                raise _StaleConnectionError from error
            raise
        try:
            return self._read(response)
        finally:
            response.release()

    def _read(self, response: HTTPSocketPoolResponse) -> Answer:
        size, sample = 0, b""
        while chunk := response.read(_BLOCK):
            size += len(chunk)
            if len(sample) < _SAMPLE:
                sample += chunk[: _SAMPLE - len(sample)]
        status = response.get_code()
        if not response.message_complete:
            return Answer(Kind.CLOSED, status, f"{status}: the connection ended within the body", size)
        if status == self._expected:
            return Answer(None, status, size=size)
        text = " ".join(sample.decode(errors="replace").split())
        moved = f" to {response.get('location')}" if "location" in response else ""
        return Answer(
            Kind.STATUS,
            status,
            f"status {status}{moved}, expected {self._expected}{': ' if text else ''}{text}",
            size,
        )


def prepare(plan: Plan, where: Target) -> bytes:
    """The bytes of the plan's request, the same each time.

    Raises:
        ToolError: a header that cannot be sent.
    """
    body = plan.body.encode()
    headers = {"Host": where.authority, "User-Agent": "gonogo-load", "Accept": "*/*"}
    if body or plan.method in {"POST", "PUT"}:
        headers["Content-Length"] = str(len(body))
    given = {name.lower() for name in plan.headers}
    lines = [f"{plan.method} {where.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in plan.headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ToolError(
            f"scenario {plan.scenario!r}: a header holds a line break",
            hint="correct its headers in the profile",
        )
    return "\r\n".join([*lines, "", ""]).encode("latin-1", errors="replace") + body


def kind_of(error: Exception) -> Kind:
    """How a request failed that raised `error`."""
    match error:
        case OSError(errno=number) if number in _OURS:
            return Kind.GENERATOR
        case socket.gaierror():
            return Kind.DNS
        case ssl.SSLError():
            return Kind.TLS
        case ConnectionRefusedError():
            return Kind.REFUSED
        case TimeoutError():
            return Kind.TIMEOUT
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError() | HTTPConnectionClosed():
            return Kind.CLOSED
        case HTTPParseError():
            return Kind.PROTOCOL
        case _:
            return Kind.OTHER


def _say(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]


def now() -> int:
    """The generator's clock: monotonic nanoseconds."""
    return time.monotonic_ns()
