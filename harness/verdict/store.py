"""The folder store: one folder for each profile and phase, written so that nothing half-done ever reads as GO.

    reports/<profile>/<phase>/verdict.intoto.json                    the newest run's verdict
    reports/<profile>/<phase>/runs/<run-id>/verdict.intoto.json      each run's own

A run that starts puts its PENDING verdict in both places; a run that ends replaces them, the newest one only while
it is still its own placeholder. So of two runs at once the one that started last is the newest, whichever ends last.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from harness.errors import GonogoError, VerdictError
from harness.model import Decision, GateOutcome, Phase
from harness.plain_files import read_plain
from harness.verdict.envelope import payload_of
from harness.verdict.format import EXTENSION
from harness.verdict.statement import parse

FILE = "verdict.intoto.json"
RUNS = "runs"
RECORDS = "records"
_LOCK = ".lock"
_TEMPORARY = ".writing-"
_UNFINISHED_KEPT = 86400.0
"""A run without a decision is left alone this long (seconds): it may still be going on."""


class StoreError(GonogoError):
    """A verdict could not be written. What was there before, if it was a GO, is gone."""


def folder_of(reports: Path, profile: str, phase: Phase) -> Path:
    """Where the runs of a profile and phase are kept."""
    return reports / profile / phase.value


def run_folder(folder: Path, run_id: str) -> Path:
    """One run's own folder."""
    return folder / RUNS / run_id


def publish(folder: Path, raw: bytes, run_id: str, *, start: bool = False) -> bool:
    """Write a run's verdict; with `start`, its placeholder. Says whether it is (now) the newest one.

    At the start the newest verdict is replaced first of all and whoever wrote it; when that fails (a full disk),
    it is removed instead, so that yesterday's GO does not outlive it.

    Raises:
        StoreError: it could not be written, or `raw` is not a verdict of this run.
    """
    verdict = _own(raw, run_id)
    if start and verdict is not Decision.PENDING:
        raise StoreError(
            f"run {run_id} starts with {verdict} instead of PENDING", hint="this is a bug; report it"
        )
    newest = folder / FILE
    try:
        with _locked(folder):
            if start:
                _sweep(folder)
                _replace_or_remove(newest, raw)
            mine = start or _run_on_file(newest) == run_id
            write_atomic(run_folder(folder, run_id) / FILE, raw)
            if mine and not start:
                write_atomic(newest, raw)
            return mine
    except OSError as error:
        raise StoreError(
            f"{newest}: the verdict of run {run_id} could not be written: {error}",
            hint="make room or set the permissions right, and run again",
        ) from error


def write_atomic(path: Path, raw: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it could not be written; `path` is what it was.
    """
    with whole_file(path) as file:
        file.write(raw)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when the block is over, whole, or not at all: a temporary one beside it, synced, renamed, its
    folder synced.

    Raises:
        OSError: it could not be written; `path` is what it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def record_name(kind: str, number: int) -> str:
    """The file name of a run's record."""
    return f"{kind}-{number}.intoto.json"


def add_record(run: Path, kind: str, raw: bytes) -> Path:
    """Add a record to a run's folder, whole or not at all, under the first number that is free; returns its file.

    Raises:
        StoreError: it could not be written.
    """
    folder = run / RECORDS
    temporary = folder / f"{_TEMPORARY}{os.urandom(8).hex()}"
    try:
        try:
            write_atomic(temporary, raw)
            for number in count(1):
                with suppress(FileExistsError):
                    target = folder / record_name(kind, number)
                    os.link(temporary, target)  # unlike a rename, it replaces nothing
                    return target
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: the {kind} could not be written: {error.strerror}",
            hint="make room or set the permissions right, and run again",
        ) from error
    raise AssertionError


def prune(folder: Path, keep: int) -> tuple[str, ...]:
    """Remove the oldest runs beyond `keep`; returns their ids.

    The newest verdict's run stays, and so do a run without a decision that is younger than a day, and for each gate the
    last GO in which it passed, nothing overridden: later runs may be compared with it.

    Raises:
        StoreError: a run could not be removed.
    """
    from shutil import rmtree

    removed: list[str] = []
    try:
        with _locked(folder):
            newest = _run_on_file(folder / FILE)
            found = sorted(runs(folder), key=lambda run: (run.stat().st_mtime_ns, run.name), reverse=True)
            compared = _compared_with(found) if len(found) > keep else frozenset()
            for run in found[keep:]:
                if run.name != newest and run not in compared and not _may_be_going_on(run):
                    rmtree(run)
                    removed.append(run.name)
    except OSError as error:
        raise StoreError(f"{folder}: old runs could not be removed: {error}", hint="remove them") from error
    return tuple(removed)


def _own(raw: bytes, run_id: str) -> Decision:
    """The decision of bytes about to be written, which must be this run's."""
    verdict = parse(raw)
    if verdict.info.run_id != run_id:
        raise StoreError(
            f"run {run_id} would publish the verdict of run {verdict.info.run_id}",
            hint="this is a bug; report it",
        )
    return verdict.decision


def _replace_or_remove(newest: Path, raw: bytes) -> None:
    try:
        write_atomic(newest, raw)
    except OSError:
        newest.unlink(missing_ok=True)
        raise


def run_of(raw: bytes) -> str:
    """The run id of a stored verdict; empty where it cannot be read, which is nobody's."""
    try:
        return str(json.loads(payload_of(raw))["predicate"][EXTENSION]["run"]["run_id"])
    except (ValueError, KeyError, TypeError, RecursionError, VerdictError):
        return ""


def _run_on_file(path: Path) -> str:
    try:
        return run_of(read_plain(path))
    except OSError:
        return ""


def runs(folder: Path) -> list[Path]:
    """The folders of all runs that are kept, in no order."""
    home = folder / RUNS
    return [run for run in home.iterdir() if run.is_dir()] if home.is_dir() else []


def _compared_with(newest_first: Iterable[Path]) -> frozenset[Path]:
    """For each gate, the newest run that was GO, without an override, and in which the gate passed."""
    found: dict[str, Path] = {}
    for run in newest_first:
        try:
            verdict = parse(read_plain(run / FILE))
        except (OSError, VerdictError):
            continue
        if verdict.decision is Decision.GO and not verdict.info.overrides:
            for gate in verdict.decided.gates:
                if gate.outcome is GateOutcome.PASS:
                    found.setdefault(gate.gate, run)
            if len(found) == len(verdict.decided.gates):
                break
    return frozenset(found.values())


def _may_be_going_on(run: Path) -> bool:
    try:
        decided = parse(read_plain(run / FILE)).decision is not Decision.PENDING
    except (OSError, VerdictError):
        decided = False
    return not decided and time.time() - run.stat().st_mtime < _UNFINISHED_KEPT


def _sweep(folder: Path) -> None:
    """Remove temporary files that a killed run left; nobody else writes while the lock is held."""
    for left in folder.glob(f"{_TEMPORARY}*"):
        left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(
            OSError
        ):  # some file systems cannot sync a folder; the rename has been done all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time in a folder; the lock goes with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
