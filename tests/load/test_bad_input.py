"""What a profile or a service may get wrong: each has a clear outcome, in bounded time and memory."""

import asyncio
import socket
import ssl
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from fleet_parts import locusts
from harness import process
from harness.errors import ProfileError
from harness.load.metrics import measurements
from harness.load.plan import MAX_IN_FLIGHT, target
from harness.load.result import Kind, LoadResult
from harness.load.runner import run_scenario
from harness.load.scenario import Scenario
from harness.load.validity import invalid_reasons
from harness.shapes import ValidationError

RULES = ("success_rate >= 95%",)
MEMORY = 200_000_000
"""What Locust with Python and our recording needs at most, in bytes, whatever the service sends."""


def run(make_plan: Any, tmp_path: Path, url: str, **values: Any) -> LoadResult:
    """A second of load that may end earlier; bounded in time, and with nothing left behind."""
    given = {"rate": 40.0, "duration": 1.0, "timeout": 0.5, "rules": RULES, **values}
    began = time.monotonic()
    result = run_scenario(make_plan(url, **given), work=tmp_path / "work")
    assert time.monotonic() - began < 40
    assert locusts() == []
    return result


def fails_by(result: LoadResult, kind: Kind) -> None:
    """All requests failed in this way: the run is valid (however late a busy machine was), and its rule is broken."""
    assert result.failures == {kind: result.sent}
    assert result.sent > 0
    assert result.succeeded == 0
    assert [judged.state for judged in result.judged] == ["fail"]
    figures = {found.metric: found.value for found in measurements(result)}
    assert figures["success_rate"] == Fraction(0)
    assert (figures["avg_response_time"] is None) == (kind is not Kind.TIMEOUT), (
        "quick refusals improve no figure"
    )
    assert invalid_reasons(result, limit=Fraction(60)) == ()


def test_a_host_that_does_not_resolve(make_plan: Any, tmp_path: Path) -> None:
    result = run(make_plan, tmp_path, "http://no-such-host.invalid/")
    fails_by(result, Kind.DNS)
    assert result.first_failures[0].detail


def test_a_port_that_nobody_listens_on(make_plan: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        fails_by(run(make_plan, tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/"), Kind.REFUSED)


def test_a_certificate_that_nobody_vouches_for(
    serve: Any, make_plan: Any, tmp_path: Path, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    server = serve(tls=certificate[1])
    result = run(make_plan, tmp_path, server.url)
    fails_by(result, Kind.TLS)
    assert "certificate" in result.first_failures[0].detail
    assert server.count == 0, "nothing is said to who cannot be trusted"


@pytest.mark.slow
def test_a_certificate_of_another_name(
    serve: Any,
    make_plan: Any,
    tmp_path: Path,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = serve(tls=certificate[1])
    fails_by(run(make_plan, tmp_path, server.url.replace("127.0.0.1", "localhost")), Kind.TLS)
    assert server.count == 0


@pytest.mark.slow
def test_plain_http_where_tls_is_expected(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    """The server waits for the end of a request line that never comes, or answers what is no TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = serve(raw=answer)
    fails_by(run(make_plan, tmp_path, server.url.replace("http:", "https:")), Kind.TLS)


def test_a_redirect_loop(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def around(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /path\r\nContent-Length: 0\r\n\r\n")

    server = serve(around)
    result = run(make_plan, tmp_path, server.url)
    fails_by(result, Kind.STATUS)
    assert result.statuses == {"302": result.sent}
    assert server.count == result.sent, "no redirect is followed"
    assert "302 to /path" in result.first_failures[0].detail


def test_a_body_of_10_megabytes(
    serve: Any, make_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read to its end and thrown away; eight at a time."""
    block = b"x" * 1_000_000

    async def large(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(10):
            writer.write(block)
            await writer.drain()

    finished: list[process.Finished] = []
    original = process.run

    def watched(*args: Any, **values: Any) -> process.Finished:
        finished.append(original(*args, **values))
        return finished[-1]

    monkeypatch.setattr(process, "run", watched)
    result = run(make_plan, tmp_path, serve(large).url, rate=None, users=8, timeout=5.0)
    assert result.sent > 0
    assert result.succeeded == result.sent
    assert 0 < finished[0].memory < MEMORY


def test_a_body_without_an_end(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def endless(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    fails_by(run(make_plan, tmp_path, serve(endless).url), Kind.TIMEOUT)


@pytest.mark.slow
def test_headers_without_an_end(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def drips(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    fails_by(run(make_plan, tmp_path, serve(drips).url), Kind.TIMEOUT)


def test_a_server_that_never_answers(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def silent(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    result = run(make_plan, tmp_path, serve(silent).url)
    fails_by(result, Kind.TIMEOUT)
    assert result.timed_out == result.sent
    assert result.service_time.least == result.service_time.most == 500_000_000


@pytest.mark.slow
def test_a_server_that_hangs_up(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    fails_by(run(make_plan, tmp_path, serve(raw=hangs_up).url), Kind.CLOSED)


def test_a_server_that_talks_something_else(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def garbage(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(range(256)) * 4)

    fails_by(run(make_plan, tmp_path, serve(garbage).url), Kind.PROTOCOL)


def test_an_answer_cut_short(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def cut(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        writer.close()

    fails_by(run(make_plan, tmp_path, serve(cut).url), Kind.CLOSED)


@pytest.mark.slow
def test_a_service_that_answers_nobody_in_time_keeps_nobody_waiting(
    serve: Any, make_plan: Any, tmp_path: Path
) -> None:
    """10,000 requests that never end: failed early, with the connections that it took, and no more."""

    async def silent(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = serve(silent)
    result = run(make_plan, tmp_path, server.url, rate=200.0, duration=50.0, timeout=0.3)
    assert result.ended_early
    fails_by(result, Kind.TIMEOUT)


# What is refused before anything is sent

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rate": 0.0}, "a rate of 0"),
    ({"rate": -1.0}, "sends nothing"),
    ({"rate": float("nan")}, ""),
    ({"rate": float("inf")}, ""),
    ({"rate": 1_000_000.0}, "requests be open"),
    ({"users": 1_000_000}, "less than or equal to 10000"),
    ({"users": 0}, ""),
    ({"rate": 10.0, "duration": 0.0}, "a duration of 0"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_load_that_cannot_be_meant(values: dict[str, Any], said: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValidationError) as caught:
        Scenario(**{"name": "api", "url": "http://127.0.0.1/", **values})
    assert said in str(caught.value)
    assert time.monotonic() - began < 1, "nothing is laid out before it is refused"


def test_what_is_open_at_the_same_time_is_bounded() -> None:
    assert MAX_IN_FLIGHT <= 20_000


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1/path", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ProfileError):
        target(url)
