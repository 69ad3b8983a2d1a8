"""Hosts of their own, made of network namespaces: a master in one, a worker in each other, and a link that goes down."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet_parts import SHARED, load_workers, wait_until
from harness.load.generator.channel import TOKEN

PORT = 5557
GATE = """
import asyncio, json, sys, threading
from pathlib import Path
from harness.errors import GonogoError
from harness.load.plan import Plan
from harness.load.runner import run_scenario
from harness.load.workers import MasterConfig, elsewhere

given = json.loads(sys.argv[1])
work = Path(given.pop("work"))
count = [0]

async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            count[0] += 1
            if count[0] == 30:
                (work / "under-way").touch()
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    except (OSError, asyncio.IncompleteReadError):
        writer.close()

async def listen():
    await asyncio.start_server(serve, given["host"], 8080)

loop = asyncio.new_event_loop()
loop.run_until_complete(listen())
threading.Thread(target=loop.run_forever, daemon=True).start()
host = given.pop("host")
plan = Plan(run="", scenario="api", url=f"http://{host}:8080/", result="", progress="", timeout=1.0, late_after=0.1, **given)
meeting = elsewhere(MasterConfig(bind=f"{host}:5557", wait=30))
try:
    result = run_scenario(plan, work=work, meeting=meeting)
    print(json.dumps({"sent": result.sent, "nodes": result.nodes, "counted": count[0]}))
except GonogoError as error:
    print(json.dumps({"error": error.message}))
"""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Hosts:
    """The namespaces: the gate's, and the workers', each with its address and the gate's end of its link."""

    gate: str
    address: str
    workers: tuple[str, ...]
    links: tuple[str, ...]


@contextmanager
def _hosts(count: int) -> Iterator[Hosts]:
    mark = f"gng{os.getpid() % 10_000}"
    gate, bridge = f"{mark}g", "br0"
    workers = tuple(f"{mark}w{number}" for number in range(count))
    made: list[str] = []
    try:
        for name in (gate, *workers):
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", gate, "link", "add", bridge, "type", "bridge")
        _ip("-n", gate, "addr", "add", "10.77.0.1/24", "dev", bridge)
        _ip("-n", gate, "link", "set", bridge, "up")
        for number, name in enumerate(workers):
            link = f"v{number}"
            _ip("-n", gate, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", gate, "link", "set", link, "master", bridge, "up")
            _ip("-n", name, "addr", "add", f"10.77.0.{number + 2}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        yield Hosts(gate, "10.77.0.1", workers, tuple(f"v{number}" for number in range(count)))
    finally:
        for name in made:
            _ip("netns", "del", name)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    try:
        with _hosts(2) as made:
            yield made
    except (FileNotFoundError, PermissionError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        pytest.skip(f"this machine makes no network namespaces: {said.decode().strip()}")


@contextmanager
def _gate(hosts: Hosts, work: Path, **values: Any) -> Iterator["subprocess.Popen[str]"]:
    work.mkdir()
    given = {"work": str(work), "host": hosts.address, "nodes": 2, "rate": 60.0, **values}
    gate = subprocess.Popen(
        ["ip", "netns", "exec", hosts.gate, sys.executable, "-c", GATE, json.dumps(given)],
        env={**os.environ, TOKEN: SHARED},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield gate
    finally:
        gate.kill()
        gate.communicate()


def _told(gate: "subprocess.Popen[str]", at_most: float) -> dict[str, Any]:
    said, _ = gate.communicate(timeout=at_most)
    found: dict[str, Any] = json.loads(said)
    return found


pytestmark = [pytest.mark.alone, pytest.mark.slow]


def test_workers_on_other_hosts(hosts: Hosts, tmp_path: Path) -> None:
    address = f"{hosts.address}:{PORT}"
    first, second = (("ip", "netns", "exec", name) for name in hosts.workers)
    with (
        _gate(hosts, tmp_path / "work", duration=1.0) as gate,
        load_workers(address, SHARED, prefix=first),
        load_workers(address, SHARED, prefix=second),
    ):
        assert _told(gate, 40) == {"sent": 60, "nodes": 2, "counted": 60}


def test_a_link_that_goes_down(hosts: Hosts, tmp_path: Path) -> None:
    """Nothing is closed: its host simply says nothing more."""
    address, work = f"{hosts.address}:{PORT}", tmp_path / "work"
    first, second = (("ip", "netns", "exec", name) for name in hosts.workers)
    with (
        _gate(hosts, work, duration=60.0) as gate,
        load_workers(address, SHARED, prefix=first),
        load_workers(address, SHARED, prefix=second),
    ):
        wait_until((work / "under-way").exists)
        _ip("-n", hosts.gate, "link", "set", hosts.links[1], "down")
        cut = time.monotonic()
        told = _told(gate, 30)
        assert time.monotonic() - cut < 12
    assert " of 2 has gone: no word for 5 s and no result" in told["error"]
    assert not (work / "result.json").exists()
