"""External programs as supervised jobs: a process group and a budget of their own, output in files, no survivor.

The app's tests, scanners, linters and Locust all run through `run`. Nothing here interprets what a program
says: the caller reads the exit code *and* the report.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ToolError

GRACE = 2.0
"""Seconds between asking a process tree to end and ending it."""
_POLL = 0.05


@dataclass(frozen=True)
class Finished:
    """A program that is over. `ended` is ``exited``, or the bound it broke; `memory` is its tree's peak in bytes."""

    argv: tuple[str, ...]
    exit_code: int
    ended: Literal["exited", "budget", "memory"]
    duration: float
    stdout: Path
    stderr: Path
    memory: int = 0

    def tail(self, lines: int = 15) -> tuple[str, ...]:
        """The last lines it said, for a diagnosis: of stderr, or of stdout where that is empty."""
        text = (
            self.stderr.read_text(errors="replace").strip() or self.stdout.read_text(errors="replace").strip()
        )
        return tuple(text.splitlines()[-lines:])


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

    Args:
        argv: the program and its arguments; never a shell line.
        cwd: the folder it runs in.
        output: the folder that receives ``<name>.out`` and ``<name>.err``.
        name: what the files are called.
        budget: seconds it may take.
        memory: bytes its process tree may hold; 0 for no bound.
        env: its whole environment; default: this process's.

    Raises:
        ToolError: the program cannot be started.
    """
    output.mkdir(parents=True, exist_ok=True)
    out, err = output / f"{name}.out", output / f"{name}.err"
    started = time.monotonic()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env) if env is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(
                f"{name}: cannot start {argv[0]} ({error.strerror or error})",
                hint=f"install {Path(argv[0]).name} in the environment that runs the gates, or correct its path",
            ) from error
        bound = Bound(child.pid, budget=budget, memory=memory)
        try:
            ended = bound.wait(child)
        except BaseException:
            end_tree(child.pid)
            child.wait()
            raise
    return Finished(
        tuple(argv), child.returncode, ended, time.monotonic() - started, out, err, memory=bound.peak
    )


class Bound:
    """Watches a process tree against a budget and a memory bound."""

    def __init__(self, pid: int, *, budget: float, memory: int = 0) -> None:
        self._pid = pid
        self._deadline = time.monotonic() + budget
        self._memory = memory
        self.peak = 0

    def broken(self) -> Literal["budget", "memory"] | None:
        """Which bound is broken now, if any."""
        if time.monotonic() >= self._deadline:
            return "budget"
        if self._memory:
            self.peak = max(self.peak, tree_memory(self._pid))
            if self.peak > self._memory:
                return "memory"
        return None

    def wait(self, child: "subprocess.Popen[bytes]") -> Literal["exited", "budget", "memory"]:
        """Wait for `child`; end its tree when a bound breaks."""
        while True:
            try:
                child.wait(_POLL)
            except subprocess.TimeoutExpired:
                if (bound := self.broken()) is not None:
                    end_tree(child.pid, grace=GRACE if bound == "budget" else 0.0)
                    child.wait()
                    return bound
            else:
                end_tree(child.pid)
                return "exited"


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and all its descendants; what has just gone counts nothing."""
    import psutil

    total = 0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def end_tree(pid: int, *, grace: float = 0.0) -> None:
    """End a process, its descendants and its process group: ask first where `grace` allows, then insist.

    Does nothing where they are gone already. The caller still reaps `pid` if it is its child.
    """
    import psutil

    processes = _tree(pid)
    if grace:
        for process in processes:
            _signal(process.pid, signal.SIGTERM)
        psutil.wait_procs(processes, timeout=grace)
        processes = list({*processes, *_tree(pid)})
    _signal_group(pid, signal.SIGKILL)
    for process in processes:
        if process.is_running():
            _signal(process.pid, signal.SIGKILL)


def _tree(pid: int) -> "list[psutil.Process]":  # noqa: F821 - imported where used
    import psutil

    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
