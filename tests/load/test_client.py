"""The client against real servers, in this process."""

import asyncio
import errno
import socket
import ssl
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from harness.load.generator.client import Client, kind_of
from harness.load.generator.connection import PlainStream
from harness.load.generator.recorder import Answer
from harness.load.plan import Plan
from harness.load.result import Kind


@pytest.fixture
def open_client() -> Iterator[Callable[[Plan], Client]]:
    opened: list[Client] = []

    def start(plan: Plan) -> Client:
        opened.append(Client(plan))
        return opened[-1]

    yield start
    for client in opened:
        client.close()


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_connections_are_kept(serve: Any, make_plan: Any, open_client: Any) -> None:
    server = serve()
    client = open_client(make_plan(server.url))
    client.prime()
    answers = [client.send() for _ in range(5)]
    assert [(answer.kind, answer.status, answer.size) for answer in answers] == [(None, 200, 2)] * 5
    assert (server.count, server.connections) == (5, 1)


def test_what_is_sent(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def read_body(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("201 Created"))
        writer.close()

    server = serve(read_body)
    plan = make_plan(
        f"{server.url}?q=1",
        method="POST",
        body="{}",
        headers={"host": "other.example", "X-A": "é"},
        expect_status=201,
    )
    assert open_client(plan).send().kind is None
    lines = server.heads[0].decode("latin-1").split("\r\n")
    assert lines[0] == "POST /path?q=1 HTTP/1.1"
    assert set(lines[1:-2]) == {
        "host: other.example",
        "X-A: é",
        "User-Agent: gonogo-load",
        "Accept: */*",
        "Content-Length: 2",
    }


@pytest.mark.parametrize(
    "status", ["404 Not Found", "500 Internal Server Error", "204 No Content", "302 Found"]
)
def test_another_status_is_a_failure(serve: Any, make_plan: Any, open_client: Any, status: str) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        body = b"" if status.startswith("204") else b"why it is so"
        writer.write(response(status, body, "Location: /elsewhere"))

    server = serve(behaviour)
    answer = open_client(make_plan(server.url)).send()
    assert (answer.kind, answer.status) == (Kind.STATUS, int(status[:3]))
    assert f"status {status[:3]} to /elsewhere, expected 200" in answer.detail
    assert server.count == 1


def test_a_large_body_is_read_to_its_end_and_not_kept(serve: Any, make_plan: Any, open_client: Any) -> None:
    size = 10_000_000

    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("200 OK").replace(b"Content-Length: 0", b"Content-Length: %d" % size))
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()

    client = open_client(make_plan(serve(behaviour).url, timeout=20.0))
    tracemalloc.start()
    try:
        answer = client.send()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.kind, answer.size) == (None, size)
    assert peak < 1_500_000


def test_head_has_no_body(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")

    client = open_client(make_plan(serve(behaviour).url, method="HEAD"))
    assert [client.send().kind for _ in range(3)] == [None, None, None]


def test_never_answers(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    answer = open_client(make_plan(serve(behaviour).url, timeout=0.1)).send()
    assert answer.kind is Kind.TIMEOUT
    assert "0.1 s" in answer.detail


def test_an_answer_by_drops_is_bounded_as_a_whole(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("200 OK").replace(b"Content-Length: 0", b"Content-Length: 1000"))
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert open_client(make_plan(serve(behaviour).url, timeout=0.15)).send().kind is Kind.TIMEOUT


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", Kind.CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Kind.CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Kind.CLOSED),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Kind.PROTOCOL),
    ],
)
def test_ends_early(serve: Any, make_plan: Any, open_client: Any, sent: bytes, kind: Kind) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = serve(behaviour)
    answer = open_client(make_plan(server.url)).send()
    assert answer.kind is kind
    assert server.count == 1, "a request on a new connection is never sent twice"


def test_an_idle_connection_closed_by_the_server_is_no_failure(
    serve: Any, make_plan: Any, open_client: Any
) -> None:
    async def closes_on_the_next(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if index == 2:
            writer.close()  # as if it had closed just before: no byte of an answer
        else:
            writer.write(response("200 OK"))

    server = serve(closes_on_the_next)
    client = open_client(make_plan(server.url))
    assert not client.send().retried
    second = client.send()
    assert (second.kind, second.retried) == (None, True)
    assert server.connections == 2


def test_what_changes_something_is_not_sent_twice(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def closes_on_the_next(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("200 OK")) if index == 1 else writer.close()

    server = serve(closes_on_the_next)
    client = open_client(make_plan(server.url, method="POST"))
    assert client.send().kind is None
    assert client.send().kind is Kind.CLOSED
    assert server.count == 2


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("sent", "size", "kept"),
    [
        (WHOLE, 2, True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
            5,
            True,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WHOLE, 2, True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2, False),
        (WHOLE + b"more", 2, False),
        (WHOLE + b"HTTP/1.1 500 Nobody asked\r\nContent-Length: 1\r\n\r\n!", 2, False),
        (WHOLE + b"HTTP/1.1 500 Nobody as", 2, False),
    ],
)
def test_framing(serve: Any, make_plan: Any, open_client: Any, sent: bytes, size: int, *, kept: bool) -> None:
    async def at_once(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    async def byte_by_byte(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in sent:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    for behaviour in (at_once, byte_by_byte) if kept else (at_once,):
        server = serve(behaviour)
        client = open_client(make_plan(server.url))
        answers = [client.send() for _ in range(3)]
        assert answers == [Answer(None, 200, size=size)] * 3
        assert server.connections == (1 if kept else 3)


def test_a_body_without_a_length_ends_with_the_connection(
    serve: Any, make_plan: Any, open_client: Any
) -> None:
    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        writer.close()

    client = open_client(make_plan(serve(behaviour).url))
    assert [client.send() for _ in range(2)] == [Answer(None, 200, size=13)] * 2


def test_where_a_redirect_goes_is_read_from_its_own_head(
    serve: Any, make_plan: Any, open_client: Any
) -> None:
    body = b"\r\nLocation: /body\r\n"

    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLocation: /hint\r\n\r\n")
        writer.write(response("301 Moved", body, *(["LOCATION:  /there "] if index == 1 else [])))

    client = open_client(make_plan(serve(behaviour).url))
    assert client.send().detail == "status 301 to /there, expected 200: Location: /body"
    assert client.send().detail == "status 301, expected 200: Location: /body"


def test_a_large_request_is_sent_whole(serve: Any, make_plan: Any, open_client: Any) -> None:
    size, received = 5_000_000, asyncio.Queue[bytes]()

    async def behaviour(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        reader = writer.transport.get_protocol()._stream_reader  # type: ignore[attr-defined]
        received.put_nowait(await reader.readexactly(size))
        writer.write(response("200 OK"))

    body = "".join(chr(97 + index % 26) for index in range(size))
    server = serve(behaviour)
    assert open_client(make_plan(server.url, method="POST", body=body, timeout=20.0)).send().kind is None
    assert received.get_nowait() == body.encode()


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(
    serve: Any, make_plan: Any, open_client: Any
) -> None:
    async def closes_without_saying_so(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("200 OK"))
        writer.close()

    server = serve(closes_without_saying_so)
    client = open_client(make_plan(server.url, method="POST"))
    for _ in range(3):
        assert client.send() == Answer(None, 200)
        with gevent.Timeout(5):
            while not all(connection.unread() for connection in client._idle):
                gevent.sleep(0.001)
    assert (server.count, server.connections) == (3, 3)


def test_over_tls(
    serve: Any,
    make_plan: Any,
    open_client: Any,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def large(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response("200 OK", b"x" * 300_000))

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = serve(large, tls=certificate[1])
    for method in ("GET", "POST"):
        client = open_client(make_plan(server.url, method=method))
        assert [client.send() for _ in range(3)] == [Answer(None, 200, size=300_000)] * 3
    assert (
        server.connections <= 4
    )  # a session ticket that came late may look like an answer that nobody asked for


def test_what_comes_after_the_limit_is_too_late(serve: Any, make_plan: Any, open_client: Any) -> None:
    """The answer is there, but this process is held up before it can read it."""
    client = open_client(make_plan(serve().url, timeout=0.1))
    request = gevent.spawn(client.send)
    gevent.spawn(time.sleep, 0.15)
    assert request.get(timeout=5).kind is Kind.TIMEOUT


async def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with an error instead of an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def test_a_connection_that_is_reset(serve: Any, make_plan: Any, open_client: Any) -> None:
    async def every_other(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if index % 2:
            writer.write(response("200 OK"))
        else:
            await reset(writer)

    server = serve(every_other)
    client = open_client(make_plan(server.url))
    assert [client.send().retried for _ in range(3)] == [False, True, True]
    client.close()
    answer = client.send()
    assert (answer.kind, answer.retried) == (Kind.CLOSED, False), "a new connection, and the sixth request"
    assert server.count == 6


def test_many_at_once_do_not_mix(serve: Any, make_plan: Any, open_client: Any) -> None:
    sizes: list[int] = []

    async def varied(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        sizes.append(index % 97)
        await asyncio.sleep(index % 5 / 1000)
        writer.write(response("200 OK", b"x" * (index % 97)))

    server = serve(varied)
    client = open_client(make_plan(server.url, timeout=20.0))
    users = [gevent.spawn(lambda: [client.send() for _ in range(20)]) for _ in range(30)]
    answers = [answer for user in users for answer in user.get(timeout=30)]
    assert {answer.kind for answer in answers} == {None}
    assert (len(answers), server.count, server.connections) == (600, 600, 30)
    assert sorted(answer.size for answer in answers) == sorted(sizes)


def test_a_stream_whose_buffer_is_full_and_that_is_woken_for_nothing() -> None:
    near, far = socket.socketpair()
    with far:
        stream = PlainStream(gevent.socket.socket(fileno=near.detach()))
        sent = 0
        with suppress(BlockingIOError):
            while True:
                sent += stream._sock.send(b"a" * 65536)
        sending = gevent.spawn(stream.sendall, b"b" * 1_000_000)
        gevent.sleep(0)
        far.setblocking(False)
        received = bytearray()
        with gevent.Timeout(10):
            while len(received) < sent + 1_000_000:
                with suppress(BlockingIOError):
                    received += far.recv(1_000_000)
                gevent.sleep(0)
        sending.get(timeout=1)
        assert received == b"a" * sent + b"b" * 1_000_000
        waits = iter([lambda _: None, gevent.get_hub().wait])
        stream._wait = lambda watcher: next(waits)(watcher)
        assert not stream.unread()
        gevent.spawn(far.send, b"late")
        assert stream.recv(10) == b"late"
        stream.close()


def test_mozillas_list_where_the_machine_names_no_file(
    make_plan: Any, open_client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    context = open_client(make_plan("https://127.0.0.1:9/"))._connector._context
    assert len(context.get_ca_certs()) > 50
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_refused(make_plan: Any, open_client: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets it
        answer = open_client(make_plan(f"http://127.0.0.1:{taken.getsockname()[1]}/")).send()
    assert answer.kind is Kind.REFUSED


def test_does_not_resolve(make_plan: Any, open_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gevent.socket, "getaddrinfo", nowhere)
    client = open_client(make_plan("http://nowhere.invalid/"))
    client.prime()
    answer = client.send()
    assert answer.kind is Kind.DNS
    assert "Name or service not known" in answer.detail


def test_a_certificate_that_nobody_vouches_for(
    serve: Any, make_plan: Any, open_client: Any, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    server = serve(tls=certificate[1])
    answer = open_client(make_plan(server.url)).send()
    assert answer.kind is Kind.TLS
    assert "CERTIFICATE_VERIFY_FAILED" in answer.detail
    assert server.count == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EMFILE, "Too many open files"), Kind.GENERATOR),
        (OSError(errno.EADDRNOTAVAIL, "no port"), Kind.GENERATOR),
        (socket.gaierror(-2, "unknown"), Kind.DNS),
        (ssl.SSLCertVerificationError("self-signed"), Kind.TLS),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Kind.REFUSED),
        (TimeoutError("timed out"), Kind.TIMEOUT),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Kind.CLOSED),
        (BrokenPipeError(), Kind.CLOSED),
        (HTTPConnectionClosed("closed"), Kind.CLOSED),
        (HTTPParseError("garbage"), Kind.PROTOCOL),
        (OSError(errno.EHOSTUNREACH, "no route"), Kind.OTHER),
        (RuntimeError("?"), Kind.OTHER),
    ],
)
def test_kinds(error: Exception, kind: Kind) -> None:
    assert kind_of(error) is kind


def test_a_header_with_a_line_break_is_never_sent(make_plan: Any, open_client: Any) -> None:
    from harness.errors import ToolError

    with pytest.raises(ToolError, match="line break"):
        open_client(make_plan(headers={"X-A": "a\r\nX-B: b"}))
