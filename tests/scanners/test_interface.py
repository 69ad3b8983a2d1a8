from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Finding, Measurement, Outcome
from harness.process import Finished
from harness.scanners.environment import scrubbed, tool_environment
from harness.scanners.interface import (
    MAX_FINDINGS,
    BrokenToolError,
    Report,
    Scan,
    attempt,
    exited,
    tell,
    tool_budget,
)
from scanner_parts import EndedError, Notes


@pytest.mark.parametrize(
    ("outcome", "reason", "cause"),
    [
        (Outcome.FAILED, "", None),
        (Outcome.INCONCLUSIVE, "nothing", None),
        (Outcome.FAILED, "bad", Cause.NOTHING_CHECKED),
        (Outcome.PASSED, "", Cause.UNAVAILABLE),
    ],
)
def test_a_scan_that_does_not_say_why_cannot_be_built(
    outcome: Outcome, reason: str, cause: Cause | None
) -> None:
    with pytest.raises(ValueError, match="a scan"):
        Scan(outcome, reason, cause=cause)


def test_a_tool_that_broke_becomes_an_error_with_its_last_words(
    notes: Notes, ended: type[EndedError], tmp_path: Path
) -> None:
    report = tmp_path / "tool.err"
    report.write_text("boom")

    def broken() -> Scan:
        raise BrokenToolError(
            "it broke",
            hint="mend it",
            diagnosis=["boom"],
            reports=[Report(report)],
            findings=[Finding("r", "m")],
        )

    scan = attempt(broken)
    with pytest.raises(ended) as end:
        tell(notes, scan)
    assert (end.value.outcome, end.value.reason, end.value.hint) == ("error", "it broke", "mend it")
    assert notes.lines == ["boom"]
    assert notes.files == [report]
    assert notes.findings == [Finding("r", "m")]


def test_a_missing_tool_becomes_an_error(notes: Notes) -> None:
    def missing() -> Scan:
        raise ToolError("no tool", hint="install it")

    assert attempt(missing) == Scan(Outcome.ERROR, "no tool", "install it")


def test_a_bug_stays_a_bug() -> None:
    def bug() -> Scan:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attempt(bug)


@pytest.mark.parametrize(
    ("scan", "outcome"),
    [
        (Scan(Outcome.FAILED, "bad", "do"), "failed"),
        (Scan(Outcome.INCONCLUSIVE, "none", cause=Cause.NOTHING_CHECKED), "inconclusive"),
        (Scan(Outcome.ERROR, "broke"), "error"),
        (Scan(Outcome.SKIPPED, "no scan skips"), "error"),
    ],
)
def test_a_check_ends_as_its_scan_did(
    notes: Notes, ended: type[EndedError], scan: Scan, outcome: str
) -> None:
    with pytest.raises(ended) as end:
        tell(notes, scan)
    assert end.value.outcome == outcome
    assert end.value.cause == scan.cause


@pytest.mark.parametrize(
    ("number", "whole"), [(0, False), (1, True), (MAX_FINDINGS, True), (MAX_FINDINGS + 1, False)]
)
def test_findings_speak_for_the_check_only_where_all_are_on_record(
    notes: Notes, ended: type[EndedError], number: int, whole: bool
) -> None:
    with pytest.raises(ended):
        tell(notes, Scan(Outcome.FAILED, "bad", findings=(Finding("r", "m"),) * number))
    assert notes.of_findings is whole


def test_a_pass_records_everything(notes: Notes, tmp_path: Path) -> None:
    kept, gone = tmp_path / "a.json", tmp_path / "gone.json"
    kept.write_text("{}")
    findings = tuple(Finding("r", str(n)) for n in range(MAX_FINDINGS + 3))
    tell(
        notes,
        Scan(
            findings=findings,
            measurements=(Measurement.of("files", 3, sample=3),),
            facts={"tool": "x 1"},
            diagnosis=("look here",),
            reports=(Report(kept), Report(gone)),
        ),
    )
    assert len(notes.findings) == MAX_FINDINGS
    assert "3 more findings" in notes.lines[0]
    assert notes.lines[1:] == ["look here"]
    assert notes.files == [kept]
    assert notes.measured["files"][0] == 3
    assert notes.facts == {"tool": "x 1"}


@pytest.mark.parametrize(
    ("code", "how", "said"),
    [(-9, "exited", "signal 9"), (0, "budget", "budget of 5 s"), (0, "memory", "memory bound")],
)
def test_a_job_that_was_ended_broke(tmp_path: Path, code: int, how: Any, said: str) -> None:
    out, err = tmp_path / "x.out", tmp_path / "x.err"
    out.write_text("last words")
    err.write_text("")
    job = Finished(("x",), code, how, 1.0, out, err)
    with pytest.raises(BrokenToolError, match=said) as broke:
        exited(job, "the tool", 5)
    assert broke.value.diagnosis == ("last words",)


def test_a_tool_may_take_less_than_its_gate() -> None:
    assert 0 < tool_budget(300) < 300


def test_tools_do_not_see_what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PYTEST_ADDOPTS",
        "GONOGO_AWS__REGION",
        "COVERAGE_PROCESS_START",
        "COV_CORE_SOURCE",
        "SAFETY_API_KEY",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KEPT", "yes")
    environment = tool_environment(without=("SAFETY_",), EXTRA="1")
    assert environment["KEPT"] == "yes"
    assert environment["EXTRA"] == environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert not [name for name in environment if name.startswith(("PYTEST_", "GONOGO_", "COV", "SAFETY_"))]
    assert scrubbed({"A_B": "1", "C": "2"}, ("A_",)) == {"C": "2"}
