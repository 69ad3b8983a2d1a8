"""Real servers on random loopback ports, in a thread each, that count what they were asked; and plans for them."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.load.latency import Latency
from harness.load.plan import Plan
from harness.load.result import SCHEMA, Kind, LoadResult
from harness.load.windows import Window, Windows

Behaviour = Callable[[int, bytes, asyncio.StreamWriter], Awaitable[None]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def ok(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@dataclass
class Server:
    """Answers each request by its behaviour, which gets the request's number, its bytes, and where to write.

    `raw` is what is done with each connection instead.
    """

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    raw: Raw | None = None
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def count(self) -> int:
        return len(self.heads)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/path"

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self.raw or self._serve, "127.0.0.1", 0, ssl=self.tls)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self.behaviour(self.count, head, writer)
                await writer.drain()
        with suppress(OSError, asyncio.CancelledError):
            writer.close()
        self._tasks.discard(task)

    async def _stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Serve(Protocol):
    def __call__(
        self, behaviour: Behaviour = ..., tls: ssl.SSLContext | None = None, raw: Raw | None = None
    ) -> Server: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Server] = []

    def start(behaviour: Behaviour = ok, tls: ssl.SSLContext | None = None, raw: Raw | None = None) -> Server:
        started.append(Server(behaviour, tls, raw))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that vouches for itself, and a server's context with it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


class MakePlan(Protocol):
    def __call__(self, url: str = ..., **values: Any) -> Plan: ...


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    def make(url: str = "http://127.0.0.1:9/", **values: Any) -> Plan:
        given: dict[str, Any] = {
            "run": "r1",
            "scenario": "api",
            "url": url,
            "result": str(tmp_path / "result.json"),
            "progress": str(tmp_path / "progress.jsonl"),
            "duration": 1.0,
            "timeout": 1.0,
            "late_after": 0.04,
        }
        if "users" not in values:
            given["rate"] = 50.0
        return Plan(**{**given, **values})

    return make


class MakeResult(Protocol):
    def __call__(self, **values: Any) -> LoadResult: ...


@pytest.fixture
def series() -> Callable[[int], Latency]:
    """`count` times of 10 ms each."""

    def make(count: int, value: int = 10_000_000) -> Latency:
        if not count:
            return Latency(0, 0, None, None, exact=True, percentiles={}, buckets={})
        found = dict.fromkeys(("p50", "p90", "p95", "p99"), value)
        return Latency(
            count, count * value, value, value, exact=True, percentiles=found, buckets={"4037": count}
        )

    return make


@pytest.fixture
def make_result(series: Callable[..., Latency]) -> MakeResult:
    """A valid result: 100 requests planned and sent in a second, all successful, unless told otherwise."""

    def make(**values: Any) -> LoadResult:
        failures: dict[Kind, int] = values.get("failures", {})
        sent: int = values.get("sent", 100)
        timed_out = failures.get(Kind.TIMEOUT, 0)
        succeeded = sent - sum(failures.values())
        counted = series(succeeded + timed_out)
        given: dict[str, Any] = {
            "schema": SCHEMA,
            "run": "r1",
            "scenario": "api",
            "complete": True,
            "model": "open",
            "started": "2026-01-01T00:00:00+00:00",
            "planned": 100,
            "sent": sent,
            "completed": sent - timed_out,
            "timed_out": timed_out,
            "succeeded": succeeded,
            "dropped": 0,
            "late": 0,
            "retried": 0,
            "warm_up": 0,
            "duration": 1_000_000_000,
            "elapsed": 1_000_000_000,
            "cpu": 0.1,
            "latency": counted,
            "service_time": counted,
            "lag": series(sent, 1_000_000),
            "failures": failures,
            "statuses": {"200": succeeded} if succeeded else {},
            "slowest": (),
            "first_failures": (),
            "windows": Windows(
                1_000_000_000,
                (
                    Window(
                        sent,
                        0,
                        sent,
                        succeeded,
                        sent - succeeded - timed_out,
                        timed_out,
                        counted.buckets,
                        counted.buckets,
                    ),
                ),
            ),
        }
        return LoadResult(**{**given, **values})

    return make
