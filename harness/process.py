"""External programs as supervised jobs: a process group and a budget of their own, output in files, no survivor.

The app's tests, scanners, linters and Locust all run through `run`. Nothing here interprets what a program
says: the caller reads the exit code *and* the report. Linux only: it relies on pidfds and ``/proc``.

A job is ended with everything it started. Its descendants and its process group are known to the kernel; a daemon
that left both (forked twice, ``setsid``) is known by a mark in its environment. Only a program that leaves both
*and* replaces its environment escapes; `harness.run.watcher`, the sub-reaper of the whole run, ends that one.
"""

import math
import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import ToolError
from harness.frozen import dataclass

if TYPE_CHECKING:
    import psutil

GRACE = 2.0
"""Seconds between asking a process tree to end and ending it."""
MARK = "_GONOGO_JOB"
"""The variable that marks what belongs to a job; a job inside a job carries both marks, ``outer/inner``."""
_POLL = 0.05
_SAMPLE = 0.25
"""Seconds between two looks at the memory of a tree that has no bound."""
_ROUNDS = 20
_TAIL = 65_536


@dataclass(frozen=True)
class Finished:
    """A program that is over. `ended` is ``exited``, or the bound it broke; `memory` is its tree's peak in bytes.

    `exit_code` is negative where a signal ended it. `memory` is the largest of samples, 0 for a program that was
    over before the first.
    """

    argv: tuple[str, ...]
    exit_code: int
    ended: Literal["exited", "budget", "memory"]
    duration: float
    stdout: Path
    stderr: Path
    memory: int = 0

    def tail(self, lines: int = 15) -> tuple[str, ...]:
        """The last lines it said, for a diagnosis: of stderr, or of stdout where that is empty."""
        text = _end_of(self.stderr).strip() or _end_of(self.stdout).strip()
        return tuple(text.splitlines()[-lines:])


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return file.read().decode(errors="replace")


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    output: Path,
    name: str,
    budget: float,
    memory: int = 0,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end, or end it with everything it started when it breaks its budget or memory bound.

    What it started is ended as well when it exits by itself, and when this process is interrupted.

    Args:
        argv: the program and its arguments; never a shell line.
        cwd: the folder it runs in.
        output: the folder that receives ``<name>.out`` and ``<name>.err``.
        name: what the files are called.
        budget: seconds it may take.
        memory: bytes its process tree may hold; 0 for no bound.
        env: its whole environment (`MARK` is added); default: this process's.

    Raises:
        ToolError: the program cannot be started.
    """
    if not cwd.is_dir():
        raise ToolError(f"{name}: the folder {cwd} does not exist", hint="correct the path in the profile")
    output.mkdir(parents=True, exist_ok=True)
    out, err = output / f"{name}.out", output / f"{name}.err"
    environment, mark = marked(os.environ if env is None else env)
    started = time.monotonic()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ToolError(
                f"{name}: cannot start {argv[0]} ({reason})",
                hint=f"install {Path(argv[0]).name} in the environment that runs the gates, or correct its path",
            ) from error
        try:
            bound = Bound(child.pid, budget=budget, memory=memory, mark=mark)
            ended = bound.wait(child)
        except BaseException:
            end_tree(child.pid, mark=mark)
            child.wait()
            raise
    return Finished(
        tuple(argv), child.returncode, ended, time.monotonic() - started, out, err, memory=bound.peak
    )


class Bound:
    """Watches a process tree against a budget and a memory bound; `peak` is the most bytes it was seen to hold."""

    def __init__(self, pid: int, *, budget: float, memory: int = 0, mark: str = "") -> None:
        self._pid = pid
        self._deadline = time.monotonic() + budget
        self._memory = memory
        self._mark = mark
        self._next_sample = 0.0
        self.peak = 0

    def broken(self) -> Literal["budget", "memory"] | None:
        """Which bound is broken now, if any."""
        now = time.monotonic()
        if now >= self._deadline:
            return "budget"
        if self._memory or now >= self._next_sample:
            self._next_sample = now + _SAMPLE
            self.peak = max(self.peak, tree_memory(self._pid))
        return "memory" if self._memory and self.peak > self._memory else None

    def wait(self, child: "subprocess.Popen[bytes]") -> Literal["exited", "budget", "memory"]:
        """Wait for `child`; end its tree when a bound breaks, and what it leaves behind when it exits."""
        while not _exited(child.pid, _POLL):
            if (bound := self.broken()) is not None:
                end_tree(child.pid, grace=GRACE if bound == "budget" else 0.0, mark=self._mark)
                child.wait()
                return bound
        # Before it is reaped: until then nobody else can be given its number.
        end_tree(child.pid, mark=self._mark)
        child.wait()
        return "exited"


def marked(env: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """An environment that marks a process and all it starts, and the mark, for `end_tree`."""
    outer = os.environ.get(MARK, "")
    mark = f"{outer}/{uuid.uuid4().hex}" if outer else uuid.uuid4().hex
    return {**env, MARK: mark}, mark


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and all its descendants; what has just gone counts nothing."""
    import psutil

    total = 0
    for process in _tree(pid):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def end_tree(pid: int, *, grace: float = 0.0, mark: str = "") -> None:
    """End a process, its descendants, its group and whatever carries `mark`: ask first where `grace` allows, then insist.

    Returns when they are gone, or after `_ROUNDS` tries; does nothing where they are gone already. The caller still
    reaps `pid` if it is its child: nothing here takes an exit status away from it.
    """
    if grace:
        _wait_gone(_send(pid, mark, signal.SIGTERM), grace)
    for _ in range(_ROUNDS):
        # Again and again: what forks while it is being ended turns up in the next round.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        members = _send(pid, mark, signal.SIGKILL)
        if not members:
            return
        _wait_gone(members, 1.0)


def _send(pid: int, mark: str, number: signal.Signals) -> "list[psutil.Process]":
    """Signal what belongs to a job and lives: once, and as soon as it is found, before it forks again."""
    import psutil

    signalled: dict[int, psutil.Process] = {}
    for process in chain(_tree(pid), _carriers(mark) if mark else ()):
        with suppress(psutil.Error):
            alive = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            if alive and process.pid not in signalled:
                process.send_signal(number)
                signalled[process.pid] = process
    return list(signalled.values())


def _tree(pid: int) -> "list[psutil.Process]":
    import psutil

    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _carriers(mark: str) -> "Iterable[psutil.Process]":
    """The processes whose environment holds `mark`, as it was when their program started."""
    import psutil

    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        with suppress(OSError, psutil.Error):
            variables = (entry / "environ").read_bytes().split(b"\0")
            if any(each == wanted or each.startswith(wanted + b"/") for each in variables):
                yield psutil.Process(int(entry.name))


def _wait_gone(processes: "Iterable[psutil.Process]", timeout: float) -> None:
    """Wait until all have exited. Not psutil's own wait, which reaps: the exit code would be lost to the caller."""
    deadline = time.monotonic() + timeout
    for process in processes:
        if process.is_running() and not _exited(process.pid, max(0.0, deadline - time.monotonic())):
            return


def _exited(pid: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for a process to exit; it stays to be reaped by its parent."""
    with ExitStack() as stack:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        stack.callback(os.close, descriptor)
        return bool(readable([descriptor], timeout))


def readable(descriptors: Iterable[int], timeout: float | None = None) -> list[int]:
    """Those of some descriptors that can be read, or are at their end, waited for up to `timeout` seconds.

    Whatever their numbers: ``select.select`` takes none above 1,023, and a long-lived process may have as many.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [found for found, _ in poll.poll(None if timeout is None else math.ceil(max(0.0, timeout) * 1000))]
