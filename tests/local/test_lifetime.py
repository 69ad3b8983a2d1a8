"""Nothing of a stand-in survives whoever started it, however that ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from harness.local import StandIn, sweep
from harness.local.area import base

pytestmark = [pytest.mark.stand_in, pytest.mark.usefixtures("own_tmp")]
Alive = Callable[[int], bool]
Start = Callable[..., StandIn]

_OWNER = """
import json, os, subprocess, sys
from pathlib import Path
from harness.gates import tables
from harness.local import start
from harness.profile.loader import load_profile

profile = load_profile("local", tables(), folder=Path("profiles"), environ={})
made = start(profile, Path(sys.argv[1]), progress=lambda text: print(json.dumps({"step": text}), flush=True))
pipe = made._process.stdin.fileno()
os.set_inheritable(pipe, True)
heir = subprocess.Popen(["sleep", "600"], close_fds=False)  # holds the pipe's end open, as a careless fork does
print(json.dumps({"pid": made.info.pid, "folder": made.info.folder, "heir": heir.pid}), flush=True)
sys.stdin.read()
"""


@contextmanager
def owner(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that starts a stand-in and then waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def family(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def is_running(stand_in: StandIn) -> bool:
    return stand_in.running


def until(true: Callable[[], bool], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_stop_leaves_nothing_but_logs(
    begin: Start, alive: Alive, segments: Callable[[], set[str]], tmp_path: Path
) -> None:
    before = segments()
    stand_in = begin()
    processes = family(stand_in.info.pid)
    assert len(processes) > 5
    assert is_running(stand_in)
    stand_in.stop()
    stand_in.stop()
    assert not [pid for pid in processes if alive(pid)]
    assert not Path(stand_in.info.folder).exists()
    assert not is_running(stand_in)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["logs"]
    assert segments() <= before


@pytest.mark.slow
def test_two_at_once_do_not_see_each_other(begin: Start, client: Callable[..., Any]) -> None:
    one, two = begin(folder="one"), begin("queue-missing", folder="two")
    places = [
        {value for key, value in made.info.environ.items() if key.endswith("ENDPOINT")} for made in (one, two)
    ]
    assert not places[0] & places[1]
    queues = [len(client(made.info, "sqs").list_queues()["QueueUrls"]) for made in (one, two)]
    assert queues == [4, 3]
    one.stop()
    with httpx.Client(base_url=two.info.environ["WEB_ENDPOINT"], trust_env=False) as http:
        assert http.get("/v1/api/health").status_code == 200


def test_a_killed_owner_takes_everything_along(tmp_path: Path, alive: Alive) -> None:
    with owner(tmp_path) as process:
        *_, found = (line for line in _until_ready(process))
        processes = family(found["pid"])
        process.kill()
        try:
            until(lambda: not any(alive(pid) for pid in processes), "processes are left")
        finally:
            os.kill(found["heir"], signal.SIGKILL)
    assert not Path(found["folder"]).exists()


def _until_ready(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    for line in lines(process):
        yield line
        if "pid" in line:
            return


def test_an_owner_killed_while_it_starts_takes_everything_along(tmp_path: Path, alive: Alive) -> None:
    before = set(base().iterdir())
    with owner(tmp_path) as process:
        next(lines(process))
        processes = family(process.pid)[1:]
        process.kill()
        until(lambda: not any(alive(pid) for pid in processes), "processes are left")
    assert set(base().iterdir()) <= before | {base() / "lock"}


def test_what_a_killed_supervisor_leaves_is_swept(
    begin: Start, alive: Alive, segments: Callable[[], set[str]]
) -> None:
    before = segments()
    stand_in = begin()
    processes = family(stand_in.info.pid)
    folder = Path(stand_in.info.folder)
    os.kill(stand_in.info.pid, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in processes), "processes are left")
    assert folder.exists()
    assert folder in sweep()
    assert not folder.exists()
    assert segments() <= before


def test_sweeping_leaves_the_living_alone(begin: Start) -> None:
    stand_in = begin("nothing-deployed")
    assert Path(stand_in.info.folder) not in sweep()
    assert Path(stand_in.info.folder).exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [index / 10 for index in range(1, 31, 3)])
def test_killed_at_any_moment(tmp_path: Path, alive: Alive, moment: float) -> None:
    before = set(base().iterdir())
    with owner(tmp_path) as process:
        deadline = time.monotonic() + moment
        seen: set[int] = set()
        while time.monotonic() < deadline:
            seen |= set(family(process.pid)[1:])
            time.sleep(0.01)
        process.kill()
        until(lambda: not any(alive(pid) and "sleep" not in _name(pid) for pid in seen), "processes are left")
        for pid in seen:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
    sweep()
    assert set(base().iterdir()) <= before | {base() / "lock"}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
