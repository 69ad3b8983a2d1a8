"""The programs of a stand-in: started so that they die with the supervisor, ended together. Standard library only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LAUNCH = str(Path(__file__).with_name("launch.py"))


class Children:
    """Started programs, by name; each logs to ``<name>.log``."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, tuple[subprocess.Popen[bytes], signal.Signals]] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        uid: int | None = None,
        end: signal.Signals = signal.SIGTERM,
        death: signal.Signals = signal.SIGKILL,
        descriptors: Sequence[int] = (),
        talks: bool = False,
        reads: Path | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a program.

        Args:
            name: what it is called, here and in its log's name.
            command: the program, by absolute path, and its arguments.
            env: its whole environment.
            cwd: the folder it runs in.
            uid: the user it runs as; default: ours.
            end: the signal that asks it to end.
            death: the signal the kernel sends it when we die.
            descriptors: file descriptors it inherits.
            talks: whether its stdin and stdout are pipes to us.
            reads: a file that is its stdin.
        """
        user = os.getuid() if uid is None else uid
        with (self._logs / f"{name}.log").open("ab") as log, (reads or Path(os.devnull)).open("rb") as given:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), str(int(death)), str(user), *command],
                stdin=subprocess.PIPE if talks else given,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                env=dict(env),
                cwd=cwd,
                pass_fds=descriptors,
            )
        self._running[name] = (child, end)
        return child

    def log(self, name: str) -> str:
        """What a program has said."""
        path = self._logs / f"{name}.log"
        return path.read_text(errors="replace") if path.is_file() else ""

    def end(self, *names: str, within: float = 0.4) -> None:
        """End the named programs, or all: ask, wait `within` seconds, insist."""
        ending = [self._running.pop(name) for name in names or tuple(self._running)]
        for child, number in ending:
            if child.poll() is None:
                child.send_signal(number)
        deadline = time.monotonic() + within
        for child, _ in ending:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        for child, _ in ending:
            if child.poll() is None:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
