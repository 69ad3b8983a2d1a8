"""Load runs in the background, and workers of their own: started, watched, killed, and never left behind."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import environ
from pathlib import Path

import psutil

from harness.errors import GonogoError
from harness.load.generator.channel import TOKEN
from harness.load.plan import Plan
from harness.load.result import LoadResult
from harness.load.runner import run_scenario
from harness.load.workers import MasterConfig, Meeting, elsewhere
from harness.network import free_port

SHARED = "the-token-of-this-test"
LOAD_WORKER = (sys.executable, "-m", "harness.cli", "load-worker")


def meeting(wait: float = 20.0, host: str = "127.0.0.1") -> Meeting:
    """Where workers of this test come to."""
    return elsewhere(MasterConfig(bind=f"{host}:{free_port()}", wait=wait), token=SHARED)


@dataclass
class Background:
    """A load run in a thread; its result, or how it failed and when."""

    plan: Plan
    work: Path
    meeting: Meeting | None = None
    result: LoadResult | None = None
    error: GonogoError | None = None
    ended: float = 0.0
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self) -> None:
        try:
            self.result = run_scenario(self.plan, work=self.work, meeting=self.meeting)
        except GonogoError as error:
            self.error = error
        self.ended = time.monotonic()

    def wait(self, at_most: float) -> None:
        self._thread.join(at_most)
        assert not self._thread.is_alive(), "the run has not ended"


def wait_until(condition: Callable[[], bool], at_most: float = 30.0) -> None:
    deadline = time.monotonic() + at_most
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def locusts(of: psutil.Process | None = None) -> list[psutil.Process]:
    """Every process of Locust that this one (or `of`) has started."""
    found = []
    for child in (of or psutil.Process()).children(recursive=True):
        try:
            if "locust" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def forked() -> list[psutil.Process]:
    """The workers that are forks of a master."""
    every = locusts()
    return [one for one in every if one.ppid() in {other.pid for other in every}]


@contextmanager
def load_workers(
    address: str, *tokens: str, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A `gonogo load-worker` for each token, ended in the end."""
    started = [
        subprocess.Popen(
            [*prefix, *LOAD_WORKER, address, "--once", "--at-most", "60s"],
            env={**environ, **(env or {}), TOKEN: token},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for token in tokens
    ]
    try:
        yield started
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait(20)
