"""The folder a stand-in lives in, below the system's temporary folder, and sweeping those of stand-ins that died.

A folder belongs to whoever holds the lock on its ``lock`` file: the stand-in's supervisor, for as long as it lives.
Standard library only: the supervisor runs on this.
"""

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import ToolError
from harness.process import readable

NOBODY = 65534
"""The user that PostgreSQL runs as where we are root: it refuses to be root."""
_IPC_RMID = 0


def base() -> Path:
    """The folder of all this user's stand-ins; others may pass through it, not look into it.

    Raises:
        ToolError: something of that name belongs to someone else.
    """
    folder = Path(tempfile.gettempdir()) / f"gonogo-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o711)
    state = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or state.st_uid != os.getuid():
        raise ToolError(
            f"{folder} is not a folder of this user", hint="remove it, or set TMPDIR to another folder"
        )
    folder.chmod(0o711)
    return folder


@contextmanager
def area() -> Iterator[Path]:
    """A new folder, ours until the end of the block or of this process; those of dead stand-ins are swept first."""
    home = base()
    with _locked(home):
        _sweep(home)
        folder = home / secrets.token_hex(6)
        folder.mkdir(mode=0o711)
        lock = _lock(folder / "lock", wait=True)
    try:
        yield folder
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def sweep() -> tuple[Path, ...]:
    """Remove what stand-ins left that were killed with everything around them; returns the folders removed."""
    home = base()
    with _locked(home):
        return _sweep(home)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Keep others from sweeping a folder that has no lock yet."""
    lock = _lock(home / "lock", wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(path: Path, *, wait: bool) -> int | None:
    """The descriptor that holds the lock; ``None`` where someone else holds it and we do not wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(home: Path) -> tuple[Path, ...]:
    removed: list[Path] = []
    for folder in home.iterdir():
        if not folder.is_dir():
            continue
        lock = _lock(folder / "lock", wait=False)
        if lock is None:
            continue
        _remove(folder)
        os.close(lock)
        removed.append(folder)
    return tuple(removed)


def _remove(folder: Path) -> None:
    end_postgres(folder / "postgres" / "data")
    shutil.rmtree(folder, ignore_errors=True)


def end_postgres(data: Path, *, within: float = 2.0) -> None:
    """End the server of a data folder, if it still runs, and give its shared memory back.

    A server that is killed outright leaks its System V segment: its id is in ``postmaster.pid``, line 7.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return
    with suppress(ProcessLookupError):
        _end(pid, data, within)
    if len(lines) > 6 and (words := lines[6].split()) and words[-1].isdecimal():
        ctypes.CDLL(None).shmctl(int(words[-1]), _IPC_RMID, None)


def _end(pid: int, data: Path, within: float) -> None:
    """End the server, harshly where it takes longer than `within` seconds.

    Raises:
        ProcessLookupError: it has ended meanwhile.
    """
    handle = os.pidfd_open(pid)  # from here on the number means this process and no other
    try:
        if _is_server_of(pid, data):
            signal.pidfd_send_signal(handle, signal.SIGQUIT)
            if not readable([handle], within):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def _is_server_of(pid: int, data: Path) -> bool:
    """Whether this process is the server of this folder, and not another that got its number."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
