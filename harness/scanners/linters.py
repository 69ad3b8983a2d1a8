"""Linters and formatters: whatever commands the profile names. 0 is clean, the declared codes are findings.

Any other exit code, a traceback or a missing module is a tool that broke. A JSON list of objects with a
``message`` (ruff, pylint, shellcheck) is read; of other output, the lines that name a place.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import process
from harness.frozen import dataclass
from harness.model import Cause, Finding, Measurement, Outcome
from harness.scanners.environment import tool_environment
from harness.scanners.interface import BrokenToolError, Report, Scan, counted, exited
from harness.scanners.tree import show, walk

_BROKE = re.compile(r"^Traceback \(most recent call last\)|: No module named ", re.MULTILINE)
_ARROW = re.compile(r"^--> (?P<path>.+?):(?P<line>\d+)(?::\d+)?$")
_RUFF_FORMAT_COUNT = re.compile(r"(\d+) files? (?:already formatted|would be reformatted)")
_RUFF_SUFFIXES = (".py", ".pyi", ".pyw", ".ipynb")
_PLACE = re.compile(r"^(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?:?\s+(?P<message>\S.*)$")
_FORMAT = re.compile(r"^[Ww]ould reformat:? (?P<path>.+)$")


@dataclass(frozen=True)
class LintRun:
    """One linter: its command (``{python}`` is the gate's interpreter) and the paths it reads, relative to `app`."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...]
    app: Path
    work: Path
    budget: float
    findings_exit_codes: tuple[int, ...] = (1,)


def scan(what: LintRun) -> Scan:
    """Run one linter over its paths.

    Raises:
        ToolError: the program or a path is missing.
        BrokenToolError: it ended otherwise than with 0 or a code that means findings, or its report is not whole.
    """
    files = len(walk([what.app / path for path in what.paths]).files)
    if not files:
        return _nothing(what, f"there is no file below {', '.join(what.paths) or 'no path'}")
    job = _run(what, what.command, what.name)
    stderr = job.stderr.read_text(errors="replace")
    if job.exit_code not in (0, *what.findings_exit_codes) or _BROKE.search(stderr):
        raise _broke(what, job, f"{what.name} broke (exit code {job.exit_code})")
    if (files := _files_read(what, job, files)) == 0:
        return _nothing(what, f"{what.name} found no file to read below {', '.join(what.paths)}")
    findings = _findings(what, job)
    if job.exit_code != 0 and not findings:
        raise _broke(
            what, job, f"{what.name} ended with exit code {job.exit_code}, but its report lists nothing"
        )
    seen = Scan(
        measurements=(
            Measurement.of("files", files, sample=files),
            Measurement.of("findings", len(findings), sample=files),
        ),
        facts={"command": _by_hand(what)},
        reports=_reports(job),
    )
    return _failed(what, seen, findings) if findings else seen


def _run(what: LintRun, command: Sequence[str], name: str) -> process.Finished:
    out = what.work / "lint"
    job = process.run(
        [*(part.replace("{python}", sys.executable) for part in command), *what.paths],
        cwd=what.app,
        output=out,
        name=re.sub(r"[^\w.-]", "-", name),
        budget=what.budget,
        env=tool_environment(RUFF_CACHE_DIR=str(out / "ruff-cache")),
    )
    exited(job, what.name, what.budget)
    return job


def _files_read(what: LintRun, job: process.Finished, on_disk: int) -> int:
    """How many files the linter read. Ruff can tell (its own `exclude` may leave all of them out); others cannot."""
    if not any(Path(part).name == "ruff" for part in what.command):
        return on_disk
    if "format" in what.command:
        return sum(map(int, _RUFF_FORMAT_COUNT.findall(job.stdout.read_text(errors="replace"))))
    listed = _run(what, [*what.command, "--show-files"], f"{what.name}-files")
    return sum(line.endswith(_RUFF_SUFFIXES) for line in listed.stdout.read_text().splitlines())


def _failed(what: LintRun, seen: Scan, findings: tuple[Finding, ...]) -> Scan:
    return Scan(
        Outcome.FAILED,
        f"{what.name} found {counted(len(findings), 'problem')}, first: {_told(findings[0])}",
        f"run `{_by_hand(what)}` in the application and correct what it finds",
        findings=findings,
        measurements=seen.measurements,
        facts=seen.facts,
        reports=seen.reports,
    )


def _by_hand(what: LintRun) -> str:
    return " ".join([*what.command, *what.paths]).replace("{python}", "python")


def _nothing(what: LintRun, reason: str) -> Scan:
    return Scan(
        Outcome.INCONCLUSIVE,
        reason,
        f"correct `paths` of the lint command {what.name!r}, or what the linter's own configuration leaves out",
        Cause.NOTHING_CHECKED,
    )


def _broke(what: LintRun, job: process.Finished, message: str) -> BrokenToolError:
    return BrokenToolError(
        message,
        hint=f"run it by hand in {what.app}: {' '.join(job.argv)}",
        diagnosis=job.tail(),
        reports=_reports(job),
    )


def _reports(job: process.Finished) -> tuple[Report, ...]:
    return tuple(Report(path) for path in (job.stdout, job.stderr) if path.stat().st_size)


def _findings(what: LintRun, job: process.Finished) -> tuple[Finding, ...]:
    """What the report lists; plain text is read only where the exit code says that there is something."""
    stdout, stderr = job.stdout.read_text(errors="replace"), job.stderr.read_text(errors="replace")
    if any("json" in part for part in what.command):
        try:
            entries = json.loads(stdout)
        except json.JSONDecodeError as error:
            raise _broke(what, job, f"{what.name} wrote a JSON report that is empty or cut short") from error
        if isinstance(entries, list) and all(isinstance(e, dict) and "message" in e for e in entries):
            return tuple(_from_json(entry, what.app) for entry in entries)
    return text_findings(stdout.strip() or stderr.strip()) if job.exit_code else ()


def _from_json(entry: Mapping[str, Any], app: Path) -> Finding:
    place = entry.get("location") or {}
    rule = entry.get("code") or entry.get("symbol") or entry.get("message-id") or "error"
    path = entry.get("filename") or entry.get("path") or entry.get("file") or ""
    line = place.get("row") or entry.get("line") or 0
    severity = entry.get("severity") or entry.get("level") or ""
    return Finding(str(rule), str(entry["message"]), str(severity), show(Path(path), app), int(line))


def text_findings(text: str) -> tuple[Finding, ...]:
    """The lines that name a place (``path:line: message``, or ``--> path:line`` below a message).

    Where none does, the last line speaks for all.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found: list[Finding] = []
    for before, line in zip(["", *lines], lines, strict=False):
        if match := _FORMAT.match(line):
            found.append(Finding("", "would be reformatted", "", match["path"]))
        elif match := _ARROW.match(line):
            found.append(Finding("", before, "", match["path"], int(match["line"])))
        elif match := _PLACE.match(line):
            found.append(Finding("", match["message"], "", match["path"], int(match["line"])))
    return tuple(found) or tuple(Finding("", line) for line in lines[-1:])


def _told(finding: Finding) -> str:
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return " ".join(part for part in (place, finding.rule, finding.message) if part)
