"""A lean HTTP client for Locust's process: one prepared request, sent again and again over kept-alive connections.

Redirects are answers like any other, proxies are not used, certificates are verified, bodies are read to their end and
thrown away.
"""

import errno
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Protocol

import gevent
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from harness.errors import ToolError
from harness.load.generator.connection import Connection, Connector
from harness.load.generator.deadline import Deadlines, Overdue
from harness.load.generator.recorder import Answer
from harness.load.plan import Plan, Target, nanoseconds, target
from harness.load.result import Kind

_IDLE = 20_000_000
"""Nanoseconds of idleness after which a kept connection is looked at before it is used again."""
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods of requests that may be sent again when a kept connection was found closed (RFC 9110, 9.2.2)."""
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_ENDED = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, HTTPConnectionClosed)


class Sender(Protocol):
    """Sends one request to its end, whatever that is; never raises."""

    def send(self) -> Answer:
        """Send it."""
        ...


class Client:
    """Sends the plan's request."""

    def __init__(self, plan: Plan) -> None:
        where = target(plan.url)
        self._connector = Connector(
            where.host,
            where.port,
            tls=where.scheme == "https",
            head=plan.method == "HEAD",
            expected=plan.expect_status,
        )
        self._idle: list[Connection] = []
        self._request = prepare(plan, where)
        self._repeatable = plan.method in IDEMPOTENT
        self._look_after = _IDLE if self._repeatable else 0
        self._expected = plan.expect_status
        self._deadlines = Deadlines(nanoseconds(plan.timeout))
        self._prime_within = min(plan.timeout, 2.0)
        self._late = Answer(Kind.TIMEOUT, detail=f"no whole answer within {plan.timeout:g} s")
        self._success = Answer(None, plan.expect_status)
        """The last one: answers of one size are the same."""

    def prime(self) -> None:
        """Look the host up once, so that the first request is not billed for starting the resolver."""
        with gevent.Timeout(self._prime_within, exception=False):
            try:
                self._connector.addresses()
            except OSError:
                return  # every request will say so

    def close(self) -> None:
        """Close the kept connections."""
        self._deadlines.close()
        while self._idle:
            self._idle.pop().close()

    def send(self) -> Answer:
        """Send the request once and read the answer to its end."""
        due = self._deadlines.enter()
        try:
            answer = self._send(self._request, repeatable=self._repeatable)
        except Overdue:
            return self._late
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's failure and is counted
            return Answer(kind_of(error), detail=say(error))
        finally:
            self._deadlines.leave()
        return answer if now() <= due else self._late

    def _send(self, request: bytes, *, repeatable: bool) -> Answer:
        """On a kept connection if there is one; on another where that has gone and the request may be sent again."""
        retried = False
        while True:
            connection = self._kept() or self._connector.connect()
            try:
                connection.exchange(request)
            except _ENDED as error:
                if repeatable and connection.idle_since and not connection.heard:
                    retried = (
                        True  # RFC 9110, 9.2.2; each time uses up one kept connection, so that this ends
                    )
                    continue
                if isinstance(error, HTTPConnectionClosed):
                    return Answer(Kind.CLOSED, connection.status, str(error), connection.size, retried)
                raise
            finally:
                if connection.reusable:
                    connection.idle_since = now()
                    self._idle.append(connection)
                else:
                    connection.close()
            return self._answer(connection, retried=retried)

    def _kept(self) -> Connection | None:
        """The kept connection that was used last, as far as can be seen still open."""
        while self._idle:
            connection = self._idle.pop()
            if now() - connection.idle_since < self._look_after or not connection.unread():
                return connection
            connection.close()
        return None

    def _answer(self, connection: Connection, *, retried: bool) -> Answer:
        status, size = connection.status, connection.size
        if status == self._expected:
            if retried:
                return Answer(None, status, size=size, retried=True)
            if size != self._success.size:
                self._success = Answer(None, status, size=size)
            return self._success
        text = " ".join(connection.sample.decode(errors="replace").split())
        moved = f" to {where}" if (where := connection.location) else ""
        detail = f"status {status}{moved}, expected {self._expected}{': ' if text else ''}{text}"
        return Answer(Kind.STATUS, status, detail, size, retried)


def prepare(plan: Plan, where: Target) -> bytes:
    """The bytes of the plan's request, the same each time.

    Raises:
        ToolError: a header that cannot be sent.
    """
    try:
        return written(plan.method, where, plan.headers, plan.body.encode())
    except ValueError as error:
        raise ToolError(
            f"scenario {plan.scenario!r}: {error}", hint="correct its headers in the profile"
        ) from error


def written(method: str, where: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes over the wire.

    Raises:
        ValueError: a header that cannot be sent.
    """
    own = {"Host": where.authority, "User-Agent": "gonogo-load", "Accept": "*/*"}
    if body or method in {"POST", "PUT", "PATCH"}:
        own["Content-Length"] = str(len(body))
    given = {name.lower() for name in headers}
    lines = [f"{method} {where.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in own.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        msg = "a header holds a line break"
        raise ValueError(msg)
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


def say(error: Exception) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]


def now() -> int:
    """The generator's clock: monotonic nanoseconds."""
    return time.monotonic_ns()
