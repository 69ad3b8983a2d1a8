"""One HTTP connection that is kept open: sends prepared bytes and reads the answer, whatever its framing.

The parser is llhttp, in the binding that Locust's FastHttpUser uses too (geventhttpclient). What a request does not need is
left out: header fields are not made into strings, bodies are counted and thrown away.
"""

import re
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import certifi
import gevent
import gevent.socket
import gevent.ssl
from gevent.monkey import get_original
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser
from geventhttpclient.response import HTTPConnectionClosed

BLOCK = 65536
SAMPLE = 200
"""Bytes of an unexpected answer's body that are kept to be shown."""
_HEAD = 65536
"""Bytes of an answer in which its ``Location`` is looked for."""
_FINAL = 200
"""The first status that is not an interim answer's."""
_INTERIM = re.compile(rb"HTTP/\d\.\d 1")
_LOCATION = re.compile(rb"^location:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


Address = tuple[Any, ...]


class Stream(Protocol):
    """A connected socket that lets other greenlets run while it waits."""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def recv(self, size: int) -> bytes:
        """Wait for the next bytes; none is the end."""
        ...

    def unread(self) -> bool:
        """Whether there is something to read, were it the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class PlainStream:
    """TCP. Waits first and reads then, as an answer is never there at once: one system call and one exception less."""

    def __init__(self, sock: gevent.socket.socket) -> None:
        hub = gevent.get_hub()
        self._sock: socket.socket = get_original("socket", "socket")(fileno=sock.detach())
        self._sock.setblocking(False)
        self._wait = hub.wait
        self._readable = hub.loop.io(self._sock.fileno(), 1)
        self._send = self._sock.send
        self._receive: Callable[[int], bytes] = self._sock.recv

    def sendall(self, data: bytes) -> None:
        """See `Stream`."""
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def recv(self, size: int) -> bytes:
        """See `Stream`."""
        while True:
            self._wait(self._readable)
            try:
                return self._receive(size)
            except BlockingIOError:
                continue  # woken for nothing

    def unread(self) -> bool:
        """See `Stream`."""
        return _unread(self._sock.fileno())

    def close(self) -> None:
        """See `Stream`."""
        self._readable.close()
        self._sock.close()

    def _send_rest(self, rest: memoryview) -> None:
        writable = gevent.get_hub().loop.io(self._sock.fileno(), 2)
        try:
            while rest:
                self._wait(writable)
                with suppress(BlockingIOError):
                    rest = rest[self._send(rest) :]
        finally:
            writable.close()


class TlsStream:
    """TLS over TCP."""

    def __init__(self, sock: gevent.ssl.SSLSocket) -> None:
        self._sock = sock
        self.sendall, self.recv, self.close = sock.sendall, sock.recv, sock.close

    def unread(self) -> bool:
        """See `Stream`."""
        return self._sock.pending() > 0 or _unread(self._sock.fileno())


class Connection(HTTPResponseParser):
    """Sends requests one after the other.

    About the last answer: its `status` (0: it did not get that far; interim answers, 1xx, are passed over), whether it is `complete`, the `size` of its body; and where the
    status is not the `expected` one, the `sample` that the body begins with.
    """

    # What the parser calls with parts that are not needed: a builtin that is false for any text, which means "go on".
    _on_status = _on_header_field = _on_header_value = staticmethod(callable)

    def __init__(self, stream: Stream, *, head: bool, expected: int) -> None:
        super().__init__()
        self._stream = stream
        self._receive = stream.recv
        self._head, self._expected = head, expected
        self._begun = b""
        self._surplus = False
        self.idle_since = 0
        """When the last answer was complete, in monotonic nanoseconds; 0: it has answered nothing yet."""
        self.heard = False
        """Whether a byte has come since the request was sent."""
        self.complete = False
        self.status = self.size = 0
        self.sample = b""

    def exchange(self, request: bytes) -> None:
        """Send a request and read the answer to its end.

        Raises:
            HTTPConnectionClosed: the other side closed it before that.
            HTTPParseError: what came back is not HTTP.
            OSError: from the network.
        """
        self.complete = self.heard = False
        self.status = self.size = 0
        self.sample = self._begun = b""
        self._stream.sendall(request)
        receive, take = self._receive, self._take
        while not self.complete:
            if not (data := receive(BLOCK)):
                self._ended()
                return
            self.heard = True
            if not self.status and len(self._begun) < _HEAD:
                self._begun = self._begun + data if self._begun else data
            take(data)

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the answer is over, and nothing came behind it."""
        return self.complete and not self._surplus and bool(self.should_keep_alive())

    @property
    def location(self) -> str:
        """Where the last answer refers to, if it does."""
        finals = (part for part in self._begun.split(b"\r\n\r\n") if not _INTERIM.match(part))
        found = _LOCATION.search(next(finals, b""))
        return found[1].decode("latin-1").strip() if found else ""

    def unread(self) -> bool:
        """Whether something has come that nobody asked for: the end, as a rule."""
        return self._stream.unread()

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def _take(self, data: bytes) -> None:
        try:
            self.feed(data)
        except HTTPParseError:
            if not self.complete:
                raise
            self._surplus = True

    def _ended(self) -> None:
        """The other side closed: the end of an answer without a length, too early for any other."""
        try:
            self.feed(b"")
        except HTTPParseError:
            self.complete = False
        if not self.complete:
            if self.status:
                raise HTTPConnectionClosed(f"status {self.status}: the connection ended within the body")
            when = "within the head of the" if self.heard else "before an"
            raise HTTPConnectionClosed(f"the connection ended {when} answer")

    def _on_message_begin(self) -> None:
        if self.complete:
            self._surplus = True

    def _on_headers_complete(self) -> bool:
        if not self.complete and (status := self.get_code()) >= _FINAL:
            self.status = status
        return self._head  # such an answer has no body, whatever its header says

    def _on_body(self, part: bytearray) -> None:
        if self.complete:
            return
        self.size += len(part)
        if self.status != self._expected and (room := SAMPLE - len(self.sample)) > 0:
            self.sample += part[:room]

    def _on_message_complete(self) -> None:
        if self.status:
            self.complete = True


class Connector:
    """Makes connections to one place; over TLS, certificates are verified."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool,
        head: bool,
        expected: int,
        kind: type[Connection] = Connection,
    ) -> None:
        self._host, self._port = host, port
        self._context = _context() if tls else None
        self._head, self._expected, self._kind = head, expected, kind

    def connect(self) -> Connection:
        """A new connection, to the first address of the host that takes it.

        Raises:
            OSError: the name does not resolve, nothing listens there, the certificate is not valid.
        """
        first: OSError | None = None
        for family, kind, protocol, _, address in self.addresses():
            try:
                stream = self._stream(gevent.socket.socket(family, kind, protocol), address)
            except OSError as error:
                first = first or error
            else:
                return self._kind(stream, head=self._head, expected=self._expected)
        raise first or OSError(f"{self._host} has no address")

    def addresses(self) -> list[Any]:
        """What the host's name resolves to, as ``getaddrinfo`` tells it.

        Raises:
            OSError: to nothing.
        """
        found: list[Any] = gevent.socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return found

    def _stream(self, sock: gevent.socket.socket, address: Address) -> Stream:
        try:
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return PlainStream(sock)
            return TlsStream(self._context.wrap_socket(sock, server_hostname=self._host))
        except BaseException:
            sock.close()
            raise


def _context() -> ssl.SSLContext:
    """What the machine trusts (``SSL_CERT_FILE`` too); where it names no file, also Mozilla's list."""
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks names and certificates
    context.load_default_certs()
    if ssl.get_default_verify_paths().cafile is None:
        context.load_verify_locations(certifi.where())
    return context


def _unread(number: int) -> bool:
    """Whether a file has bytes to read, or its end."""
    poll = get_original("select", "poll")()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
