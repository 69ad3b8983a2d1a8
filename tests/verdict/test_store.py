"""The folder store: whole or absent, PENDING first, the run that started last is the newest."""

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitCode, VerdictError
from harness.model import Cause, Decision, Outcome, Phase
from harness.policy import decide
from harness.verdict.info import Override
from harness.verdict.reading import encode
from harness.verdict.statement import build, parse, placeholder
from harness.verdict.store import (
    FILE,
    StoreError,
    folder_of,
    prune,
    publish,
    run_folder,
    write_atomic,
)


class Runs:
    """Runs of one case under ids of their own."""

    def __init__(self, case: Any) -> None:
        self.case = case
        self.folder = folder_of(case.folder / "reports", "staging", Phase.PRE_DEPLOY)

    def start(self, run_id: str) -> bool:
        return publish(self.folder, self.pending(run_id), run_id, start=True)

    def end(self, run_id: str) -> bool:
        return publish(self.folder, self.go(run_id), run_id)

    def pending(self, run_id: str) -> bytes:
        return encode(placeholder(replace(self.case.info, run_id=run_id)))

    def go(self, run_id: str) -> bytes:
        info = replace(self.case.info, run_id=run_id)
        return encode(build(info, self.case.record, self.case.decided))

    def newest(self) -> tuple[str, Decision]:
        verdict = parse((self.folder / FILE).read_bytes())
        return verdict.info.run_id, verdict.decision

    def own(self, run_id: str) -> Decision:
        return parse((run_folder(self.folder, run_id) / FILE).read_bytes()).decision


@pytest.fixture
def runs(case: Any) -> Runs:
    return Runs(case)


def test_a_run_is_pending_first_and_then_what_it_came_to(runs: Runs) -> None:
    assert runs.start("r1")
    assert runs.newest() == ("r1", Decision.PENDING)
    assert runs.own("r1") is Decision.PENDING
    assert runs.end("r1")
    assert runs.newest() == ("r1", Decision.GO)
    assert runs.own("r1") is Decision.GO
    assert not list(runs.folder.rglob(".writing-*"))


def test_the_next_run_replaces_yesterdays_go_before_anything_else(runs: Runs) -> None:
    runs.start("r1")
    runs.end("r1")
    runs.start("r2")
    assert runs.newest() == ("r2", Decision.PENDING)
    assert runs.own("r1") is Decision.GO


@pytest.mark.parametrize("first_to_end", ["r1", "r2"])
def test_of_two_runs_at_once_the_last_started_is_the_newest(runs: Runs, first_to_end: str) -> None:
    runs.start("r1")
    runs.start("r2")
    order = ["r1", "r2"] if first_to_end == "r1" else ["r2", "r1"]
    assert {run: runs.end(run) for run in order} == {"r1": False, "r2": True}
    assert runs.newest() == ("r2", Decision.GO)
    assert runs.own("r1") is Decision.GO


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"predicate": 1}', b"[" * 100_000])
def test_a_newest_verdict_that_is_nobodys_is_left_to_the_next_start(
    runs: Runs, content: bytes | None
) -> None:
    runs.start("r1")
    (runs.folder / FILE).unlink()
    if content is not None:
        (runs.folder / FILE).write_bytes(content)
    assert not runs.end("r1")
    assert runs.own("r1") is Decision.GO
    assert runs.start("r2")


def test_a_run_publishes_only_its_own_verdict(runs: Runs) -> None:
    with pytest.raises(StoreError, match="would publish the verdict of run r1"):
        publish(runs.folder, runs.go("r1"), "r2")
    with pytest.raises(StoreError, match="starts with GO instead of PENDING"):
        publish(runs.folder, runs.go("r1"), "r1", start=True)
    with pytest.raises(VerdictError):
        publish(runs.folder, b"{}", "r1")
    assert not runs.folder.exists()


def test_a_disk_that_is_full_at_the_start_leaves_no_go(runs: Runs) -> None:
    runs.start("r1")
    runs.end("r1")
    in_a_process_that_may_write(200, runs, runs.pending("r2"), "r2", start=True)
    assert not (runs.folder / FILE).exists()
    assert not list(runs.folder.rglob(".writing-*"))


def test_a_disk_that_is_full_at_the_end_leaves_the_placeholder(runs: Runs) -> None:
    runs.start("r1")
    in_a_process_that_may_write(200, runs, runs.go("r1"), "r1", start=False)
    assert runs.newest() == ("r1", Decision.PENDING)
    assert runs.own("r1") is Decision.PENDING
    assert not list(runs.folder.rglob(".writing-*"))


def in_a_process_that_may_write(limit: int, runs: Runs, raw: bytes, run_id: str, *, start: bool) -> None:
    """A file-size limit fails the write midway, as a full disk does."""
    given = runs.case.folder / "given.json"
    given.write_bytes(raw)
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from harness.verdict.store import StoreError, publish
        try:
            publish(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3], start=sys.argv[4] == "1")
        except StoreError as error:
            print(error.message)
            sys.exit(error.exit_code)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(runs.folder), str(given), run_id, str(int(start))],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        env={**os.environ, "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.ERROR, done.stderr
    assert "could not be written" in done.stdout


def test_a_full_disk_midway_between_the_two_files(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own file is written and the newest is not: what deploys read stays PENDING."""
    runs.start("r1")
    synced = os.fsync
    files: list[int] = []

    def full_after_the_first(descriptor: int) -> None:
        files.append(descriptor)
        if len(files) == 3:  # file and folder of the run's own, then the newest
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_the_first)
    with pytest.raises(StoreError, match="No space left"):
        runs.end("r1")
    assert runs.newest() == ("r1", Decision.PENDING)
    assert runs.own("r1") is Decision.GO


def test_a_go_that_cannot_be_replaced_is_removed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.start("r1")
    runs.end("r1")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        runs.start("r2")
    assert not (runs.folder / FILE).exists()


def test_write_atomic_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"before")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_atomic(path, b"after")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_killed_runs_temporary_file_is_swept_at_the_next_start(runs: Runs) -> None:
    runs.start("r1")
    (runs.folder / ".writing-0123").write_bytes(b"half")
    runs.start("r2")
    assert not list(runs.folder.glob(".writing-*"))


def test_one_writer_at_a_time(runs: Runs) -> None:
    runs.start("r1")
    done = threading.Event()

    def end() -> None:
        runs.end("r1")
        done.set()

    ending = threading.Thread(target=end)
    with (runs.folder / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ending.start()
        assert not done.wait(0.05)
        assert runs.newest() == ("r1", Decision.PENDING)
    ending.join(10)
    assert runs.newest() == ("r1", Decision.GO)


def test_prune_keeps_the_newest_runs(runs: Runs) -> None:
    for number in range(5):
        runs.start(f"r{number}")
        runs.end(f"r{number}")
        os.utime(run_folder(runs.folder, f"r{number}"), ns=(0, number))
    (runs.folder / "runs" / "a-file").write_text("")
    assert set(prune(runs.folder, 2)) == {"r0", "r1", "r2"}
    assert sorted(run.name for run in (runs.folder / "runs").iterdir()) == ["a-file", "r3", "r4"]
    assert prune(runs.folder, 2) == ()


def test_prune_spares_the_newest_verdicts_run_and_those_that_may_be_going_on(runs: Runs) -> None:
    for run_id in ("dead", "going", "newest", "later"):
        runs.start(run_id)
    for run_id in ("newest", "later"):
        runs.end(run_id)
    runs.folder.joinpath(FILE).write_bytes(runs.go("newest"))
    (run_folder(runs.folder, "half") / FILE).parent.mkdir()
    os.utime(run_folder(runs.folder, "half"), (time.time() - 100,) * 2)
    os.utime(run_folder(runs.folder, "dead"), (0, 0))
    os.utime(run_folder(runs.folder, "newest"), (1, 1))
    assert prune(runs.folder, 1) in (("dead", "later"), ("later", "dead"), ("dead",))
    left = {run.name for run in (runs.folder / "runs").iterdir()}
    assert {"going", "newest", "half"} <= left
    assert "dead" not in left


def test_prune_spares_what_later_runs_are_compared_with(runs: Runs) -> None:
    """For each gate the newest GO in which it passed, nothing overridden."""
    plain, info = runs.case.record, replace(runs.case.info, overrides={})
    cause = {"outcome": Outcome.SKIPPED, "cause": Cause.ABSENT, "reason": "nothing there"}
    without_load = [
        replace(result, thresholds=(), **cause) if result.gate == "load" else result
        for result in plain.results
    ]
    failed = [replace(each, outcome=Outcome.FAILED, reason="no") for each in plain.results]
    for number, (run_id, results, overrides) in enumerate(
        (
            ("older", plain.results, {}),
            ("load", plain.results, {}),
            ("unit", tuple(without_load), {}),
            ("overridden", plain.results, {"gates.load.budget": Override("1h", "--set")}),
            ("failed", tuple(failed), {}),
            ("newest", tuple(failed), {}),
        )
    ):
        record = replace(plain, results=results)
        known = replace(info, run_id=run_id, overrides=overrides)
        runs.start(run_id)
        publish(runs.folder, encode(build(known, record, decide(record))), run_id)
        os.utime(run_folder(runs.folder, run_id), ns=(0, number))
    assert set(prune(runs.folder, 1)) == {"older", "overridden", "failed"}
    assert sorted(run.name for run in (runs.folder / "runs").iterdir()) == ["load", "newest", "unit"]


def test_prune_of_nothing(runs: Runs) -> None:
    assert prune(runs.folder, 1) == ()


def test_prune_says_what_could_not_be_removed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    for run_id in ("r1", "r2"):
        runs.start(run_id)
        runs.end(run_id)
    os.utime(run_folder(runs.folder, "r1"), (0, 0))

    def fail(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", fail)
    with pytest.raises(StoreError, match="old runs could not be removed"):
        prune(runs.folder, 1)


def test_what_is_stored_is_what_is_verified(runs: Runs) -> None:
    case = runs.case
    runs.start(case.info.run_id)
    assert publish(runs.folder, encode(case.statement()), case.info.run_id)
    evidence = run_folder(runs.folder, case.info.run_id) / "unit" / "evidence" / "pytest.txt"
    evidence.parent.mkdir(parents=True)
    evidence.write_bytes(b"12 passed\n")
    case.require_evidence = True
    assert case.verify(runs.folder / FILE).evidence == 1
    case.result("unit.tests.all_pass", outcome=Outcome.ERROR, reason="broke")
    assert publish(runs.folder, encode(case.statement()), case.info.run_id)
    assert json.loads((runs.folder / FILE).read_bytes())["predicate"]["verificationResult"] == "FAILED"
