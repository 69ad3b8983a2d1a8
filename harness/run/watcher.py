"""Nothing a run starts outlives it, whatever ends it: kill −9 of any of its processes, too.

Three processes: the *front* (what the user started; it waits and passes signals on), the *watcher* (a session of
its own, the sub-reaper of everything below it) and the *run*. The watcher ends every descendant when the run is
over or the front is gone; should the watcher itself be killed, the run is told by its parent-death signal.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

from harness.errors import ExitCode
from harness.process import readable

GRACE = 4.0
"""Seconds a run may use to stop what it started once it is told to end."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphans among this process's descendants become its children, instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Receive a signal when the parent process ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def supervised(main: Callable[[], int]) -> int:
    """Run `main` below a watcher and return its exit code; a run that was killed is an `ExitCode.ERROR`."""
    sys.stdout.flush()
    sys.stderr.flush()
    front, alive = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        os.close(alive)
        _leave(lambda: _watch(front, main))
    os.close(front)

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(watcher, number)

    with _handling(forward):
        _, status = os.waitpid(watcher, 0)
    os.close(alive)
    return _code(status)


def _watch(front: int, main: Callable[[], int]) -> int:
    """The watcher: wait for the run, or for the front to vanish; then leave nothing behind."""
    os.setsid()
    become_subreaper()
    watcher = os.getpid()
    run = os.fork()
    if run == 0:
        os.close(front)
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != watcher:
            os._exit(ExitCode.ERROR)
        _leave(main)

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(run, number)

    with _handling(forward):
        status = _wait(run, front)
    end_descendants()
    return ExitCode.ERROR if status is None else _code(status)


def _wait(run: int, front: int) -> int | None:
    """The run's wait status; ``None`` when it had to be ended because the front is gone."""
    descriptor = os.pidfd_open(run)
    deadline: float | None = None
    watched = [descriptor, front]
    while True:
        found = readable(watched, 0.5)
        _reap_others(run)
        if descriptor in found:
            _, status = os.waitpid(run, 0)
            return status if deadline is None else None
        if front in found:
            watched = [descriptor]
            deadline = time.monotonic() + GRACE
            os.kill(run, signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(run, signal.SIGKILL)


def _reap_others(run: int) -> None:
    """Take the exit status of orphans that were handed to this process, but leave the run's own alone."""
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == run:
                return
            os.waitpid(found.si_pid, 0)


def end_descendants(*, grace: float = 2.0, timeout: float = 5.0) -> None:
    """End every descendant of this process: ask once, then kill again and again until there is none.

    The caller is a sub-reaper, so what a dying process leaves behind turns up here.
    """
    import psutil

    me = psutil.Process()
    children = me.children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.terminate()
    psutil.wait_procs(children, timeout=grace)
    deadline = time.monotonic() + timeout
    while (children := me.children(recursive=True)) and time.monotonic() < deadline:
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(children, timeout=0.1)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _leave(main: Callable[[], int]) -> None:
    """End this forked process with what `main` returns; never return into the code that forked it."""
    code: int = ExitCode.ERROR
    try:
        code = main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else ExitCode.ERROR
    except KeyboardInterrupt:
        sys.stderr.write("gonogo: interrupted\n")
    except BaseException:  # noqa: BLE001 - the last frame of a process: whatever it is, it is shown
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else ExitCode.ERROR


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
