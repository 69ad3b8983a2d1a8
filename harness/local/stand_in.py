"""Starting, stopping and finding a stand-in, from the side of whoever owns it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness import codec
from harness.errors import ToolError, UsageError
from harness.frozen import dataclass
from harness.local import faults as table
from harness.local.plan import plan
from harness.process import readable
from harness.profile import Profile
from harness.shapes import ValidationError

STATE = "stand-in.json"
"""The state file's name in the folder that a stand-in was started with."""
START_DEADLINE = 90.0
STOP_DEADLINE = 8.0


@dataclass(frozen=True)
class StandInInfo:
    """A running stand-in.

    `environ` holds the variables that lead to it; `pid` and `started` (clock ticks since boot) are its
    supervisor's; `folder` is what it holds on disk, `logs` where its programs' logs are.
    """

    environ: Mapping[str, str]
    pid: int
    started: int
    profile: str
    faults: tuple[str, ...]
    folder: str
    logs: str


class StandIn:
    """A stand-in that this process owns. It ends with `stop`, with the block, or with this process."""

    def __init__(self, process: "subprocess.Popen[bytes]", info: StandInInfo, state: Path) -> None:
        self._process = process
        self._state = state
        self.info = info

    def __enter__(self) -> StandInInfo:
        return self.info

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def supervisor(self) -> int:
        """A descriptor that can be read once the supervisor says something more or has ended."""
        if self._process.stdout is None:
            raise AssertionError
        return self._process.stdout.fileno()

    @property
    def running(self) -> bool:
        """Whether its supervisor still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End every part of it and remove what it holds on disk, but for its logs. Stopping twice is harmless."""
        _stop(self._process)
        self._state.unlink(missing_ok=True)


def start(
    profile: Profile,
    folder: Path,
    *,
    faults: Sequence[str] = (),
    images: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> StandIn:
    """Start a stand-in that holds what `profile` declares.

    Args:
        profile: bound or not; its resources, account, region and images count.
        folder: receives the logs and the state file (``stand-in.json``, readable by its owner alone).
        faults: what is to be broken, by the names of `harness.local.faults.FAULTS`.
        images: image name -> tag that is in ECR and runs.
        progress: hears a line for each step.

    Raises:
        UsageError: an unknown fault.
        ToolError: a part is not installed or does not come up.
    """
    chosen = table.known(faults)
    wanted = table.apply(plan(profile, images or {}), chosen)
    logs = folder.resolve() / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    process = _supervisor(logs)
    try:
        _send(process, {"owner": os.getpid(), "plan": wanted.as_json(), "logs": str(logs)})
        ready = _listen(process, progress, logs)
        info = StandInInfo(
            environ=ready["environ"],
            pid=process.pid,
            started=_start_time(process.pid),
            profile=profile.name,
            faults=tuple(fault.name for fault in chosen),
            folder=ready["folder"],
            logs=str(logs),
        )
        _write(folder / STATE, info)
    except BaseException:
        _stop(process)
        raise
    return StandIn(process, info, folder / STATE)


@contextmanager
def running(
    profile: Profile, folder: Path, *, faults: Sequence[str] = (), images: Mapping[str, str] | None = None
) -> Iterator[StandInInfo]:
    """A stand-in for the length of a block."""
    with start(profile, folder, faults=faults, images=images) as info:
        yield info


def attach(path: Path) -> StandInInfo:
    """A stand-in that someone else keeps running, by its state file (or the folder that holds it).

    Raises:
        UsageError: there is no such file, it cannot be read, or the stand-in does not run any more.
    """
    file = path / STATE if path.is_dir() else path
    hint = "start one with `gonogo local up` and name the state file that it prints"
    try:
        info = codec.load(StandInInfo, json.loads(file.read_text()))
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file", hint=hint) from None
    except (OSError, ValueError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a stand-in's state file"
        raise UsageError(f"{file}: {reason}", hint=hint) from None
    if _start_time(info.pid) != info.started:
        raise UsageError(f"{file}: this stand-in does not run any more", hint=hint)
    return info


def _supervisor(logs: Path) -> "subprocess.Popen[bytes]":
    with (logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.local.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )


def _send(process: "subprocess.Popen[bytes]", request: dict[str, Any]) -> None:
    if process.stdin is None:
        raise AssertionError
    with suppress(BrokenPipeError):  # why it ended is seen when its output ends
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()


def _listen(
    process: "subprocess.Popen[bytes]", progress: Callable[[str], None], logs: Path
) -> dict[str, Any]:
    """Follow the supervisor until it is ready."""
    if process.stdout is None:
        raise AssertionError
    deadline, received = time.monotonic() + START_DEADLINE, b""
    while (left := deadline - time.monotonic()) > 0:
        out = process.stdout.fileno()
        piece = os.read(out, 65536) if readable([out], left) else b""
        if not piece:
            break
        *lines, received = (received + piece).split(b"\n")
        for line in lines:
            match json.loads(line):
                case {"step": str(text)}:
                    progress(text)
                case {"ready": dict(ready)}:
                    return ready
                case {"error": {"message": str(text), "hint": str(hint)}}:
                    raise ToolError(text, hint=hint)
    said = (logs / "supervisor.log").read_text(errors="replace").strip().splitlines()[-1:]
    raise ToolError(
        f"the stand-in's supervisor ended before it was ready: {' '.join(said) or 'it said nothing'}",
        hint=f"look into {logs}",
    )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _write(path: Path, info: StandInInfo) -> None:
    """Write the state file, whole or not at all, for its owner's eyes."""
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(codec.dump(info), file, indent=2)
    temporary.replace(path)


def _start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; -1 where there is none. With the pid, it names one process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1
    state, *fields = text.rpartition(")")[2].split()
    return -1 if state in "ZX" else int(fields[18])
