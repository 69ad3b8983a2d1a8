"""The whole thing: real Locust in a process of its own against real servers."""

import asyncio
import ssl
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleet_parts import wait_until
from harness.errors import ToolError
from harness.load import runner
from harness.load.metrics import measurements
from harness.load.result import Kind, LoadResult
from harness.load.runner import command, environment, run_scenario


def run(plan: Any, tmp_path: Path, **options: Any) -> LoadResult:
    return run_scenario(plan, work=tmp_path / "work", **options)


def figure(result: LoadResult, metric: str) -> Fraction | None:
    return next(found.value for found in measurements(result) if found.metric == metric)


@pytest.mark.alone
def test_known_latency(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    took: list[float] = []

    async def fifty_milliseconds(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        started = time.monotonic()
        await asyncio.sleep(0.05)
        took.append(time.monotonic() - started)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(fifty_milliseconds)
    result = run(make_plan(server.url, rate=50.0, duration=1.5, warm_up=0.2), tmp_path)
    assert (result.sent, result.planned, result.warm_up) == (75, 75, 10)
    assert server.count == result.sent + result.warm_up
    assert result.succeeded == result.completed == 75
    truth = sum(took) / len(took)
    mean = figure(result, "avg_response_time")
    assert mean is not None
    assert truth < mean < truth + 0.015
    assert figure(result, "success_rate") == 1
    assert result.cpu < 0.9
    progress = (tmp_path / "work" / "progress.jsonl").read_text().splitlines()
    assert 1 <= len(progress) <= 3


def test_closed_model(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def slow(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(slow)
    result = run(make_plan(server.url, users=5, think_time=0.03, duration=0.8, warm_up=0.1), tmp_path)
    assert result.model == "closed"
    assert server.count == result.sent + result.warm_up
    assert 5 < result.sent <= 80
    assert result.succeeded == result.sent


def test_half_the_answers_are_errors(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def every_other(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if index % 2:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\ntoo busy")

    server = serve(every_other)
    result = run(make_plan(server.url, rate=60.0, duration=1.0), tmp_path)
    assert server.count == result.sent == 60
    assert figure(result, "success_rate") == Fraction(1, 2)
    assert result.failures == {Kind.STATUS: 30}
    assert result.statuses == {"200": 30, "503": 30}
    assert len(result.first_failures) == 5
    assert "status 503, expected 200: too busy" in result.first_failures[0].detail


@pytest.mark.alone
def test_a_stall_is_met_by_every_request_that_was_due_in_it(
    serve: Any, make_plan: Any, tmp_path: Path
) -> None:
    """The server freezes for 0.6 s of a run of 1.5 s; uniform arrivals see what it says it took, request by request."""
    stall: list[float] = []
    took: list[float] = []

    async def freezes(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        started = time.monotonic()
        if index == 40:
            stall.append(started + 0.6)
        if stall and started < stall[0]:
            await asyncio.sleep(stall[0] - started)
        took.append(time.monotonic() - started)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    result = run(make_plan(serve(freezes).url, rate=100.0, duration=1.5, timeout=2.0), tmp_path)
    assert result.sent == result.succeeded == len(took) == 150
    ordered = sorted(took)
    mean, p95 = figure(result, "avg_response_time"), figure(result, "p95")
    assert mean is not None
    assert p95 is not None
    assert sum(took) / 150 > 0.1
    assert float(mean) == pytest.approx(sum(took) / 150, abs=0.015)
    assert float(p95) == pytest.approx(ordered[142], abs=0.03)


def test_tls_with_a_certificate_that_is_trusted(
    serve: Any,
    make_plan: Any,
    tmp_path: Path,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = serve(tls=certificate[1])
    result = run(make_plan(server.url, rate=20.0, duration=0.5), tmp_path)
    assert server.count == result.succeeded == 10


def test_no_secret_reaches_the_disk(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def echoes(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n" % len(head) + head)

    secret = "tok-3n-of-some-length"
    headers = {"Authorization": f"Bearer {secret}"}
    server = serve(echoes)
    plan = make_plan(f"{server.url}?api_key=qu3ry-secret", rate=20.0, duration=0.2, headers=headers)
    result = run(plan, tmp_path)
    assert secret.encode() in server.heads[0]
    assert result.failures == {Kind.STATUS: 4}
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"status 500" in written
    assert secret.encode() not in written
    assert b"qu3ry-secret" not in written


def test_a_killed_locust_is_an_error(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    failed: list[ToolError] = []

    def go() -> None:
        try:
            run(make_plan(server.url, rate=20.0, duration=30.0), tmp_path)
        except ToolError as error:
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    wait_until(lambda: server.count >= 3)
    for child in psutil.Process().children(recursive=True):
        if "locust" in child.cmdline():
            child.kill()
    thread.join(30)
    assert not thread.is_alive()
    assert "exit code -9" in failed[0].message
    assert not (tmp_path / "work" / "result.json").exists()


def test_a_run_over_its_budget_is_an_error(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"was ended after \d+ s \(budget\)"):
        run(make_plan(serve().url, duration=30.0), tmp_path, budget=1.0)


def test_locust_that_cannot_run_its_file_is_an_error(
    make_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "result.json").write_text("{}")
    broken = tmp_path / "locustfile.py"
    broken.write_text("def broken(:\n")
    monkeypatch.setattr(runner, "LOCUSTFILE", broken)
    with pytest.raises(ToolError, match="exit code 1"):
        run(make_plan(), tmp_path)
    assert not (tmp_path / "work" / "result.json").exists(), "an older result is gone"


def test_a_run_that_breaks_inside_is_an_error(make_plan: Any, tmp_path: Path) -> None:
    """Its result cannot be written: the folder it belongs into goes away (here: a plan that names another one)."""
    work = tmp_path / "work"

    def elsewhere(plan: Any, folder: Path, _meeting: object) -> dict[str, str]:
        return environment(replace(plan, result=str(tmp_path / "missing" / "result.json")), folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "environment", elsewhere)
        with pytest.raises(ToolError, match="exit code 3") as caught:
            run_scenario(make_plan(rate=20.0, duration=0.1), work=work)
    assert "No such file" in caught.value.message


def test_nothing_configures_locust_but_the_plan(
    make_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_USERS", "5000")
    given = environment(make_plan(), tmp_path)
    assert not any(name.startswith("LOCUST") for name in given)
    assert given["HOME"] == str(tmp_path)
    assert make_plan(headers={"X-Key": "hush"}).url not in " ".join(command(make_plan()))


def test_what_locust_says_is_masked_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_KEPT", 100)
    said = tmp_path / "locust.out"
    said.write_bytes(b"first line\npassword=hunter2-and-more \xff\nlast line\n")
    runner._mask(said)
    assert said.read_text() == "first line\npassword=**** \ufffd\nlast line\n"
    said.write_text("x" * 60 + "\n" + "y" * 60 + "\nlast line\n")
    runner._mask(said)
    assert said.read_text() == f"(the first 32 bytes are left out)\n{'y' * 60}\nlast line\n"
