"""Nothing a run starts outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

RUN = """
import os, subprocess, sys, time
from pathlib import Path
from harness.run.watcher import supervised

folder = Path(sys.argv[1])

def main():
    # A child that ignores being asked, and a grandchild that left for a session of its own.
    stubborn = "import signal,time,os,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1],'w').write(str(os.getpid())); time.sleep(60)"
    subprocess.Popen([sys.executable, "-c", stubborn, str(folder / "child")])
    orphan = "import os,sys,subprocess; subprocess.Popen([sys.executable,'-c',sys.argv[1],sys.argv[2]], start_new_session=True)"
    subprocess.run([sys.executable, "-c", orphan, stubborn, str(folder / "orphan")])
    while not ((folder / "child").exists() and (folder / "orphan").exists()): time.sleep(0.01)
    (folder / "run").write_text(str(os.getpid()))
    (folder / "watcher").write_text(str(os.getppid()))
    if sys.argv[2] == "stay":
        time.sleep(60)
    return 7

sys.exit(supervised(main))
"""


@pytest.fixture
def front(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path), request.param], start_new_session=True
    )
    yield child
    child.kill()
    child.wait()


def _pids(folder: Path, *names: str) -> list[int]:
    return [int(_when_written(folder / name)) for name in names]


def _when_written(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path.name} was never written"
        os.sched_yield()
    return path.read_text()


def _gone(pids: list[int]) -> bool:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("front", ["end"], indirect=True)
def test_the_runs_exit_code_is_passed_on_and_nothing_stays(
    front: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    assert front.wait(20) == 7
    assert _gone(_pids(tmp_path, "child", "orphan"))


@pytest.mark.parametrize("front", ["stay"], indirect=True)
@pytest.mark.parametrize("victim", ["front", "run", "watcher"])
def test_killing_any_of_the_three_ends_everything(
    front: "subprocess.Popen[bytes]", tmp_path: Path, victim: str
) -> None:
    pids = _pids(tmp_path, "child", "run", "watcher", "orphan")
    os.kill(front.pid if victim == "front" else _pids(tmp_path, victim)[0], signal.SIGKILL)
    assert front.wait(20) != 0
    # With the watcher gone, the run ends by its parent-death signal; what it started is the run's to end.
    assert _gone(pids if victim != "watcher" else pids[1:3])
    for pid in pids:
        if victim == "watcher" and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("front", ["stay"], indirect=True)
def test_interrupting_the_front_interrupts_the_run(front: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    pids = _pids(tmp_path, "child", "run", "watcher", "orphan")
    front.send_signal(signal.SIGTERM)
    assert front.wait(20) == 12
    assert _gone(pids)
