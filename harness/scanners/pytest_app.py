"""The application's own tests: its interpreter, its configuration, a process of their own; JUnit and coverage read.

An application's conftest may change the whole process (a moto fixture sets ``AWS_*``), so nothing of it runs
inside a gate. pytest's exit codes: https://docs.pytest.org/en/stable/reference/exit-codes.html.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness import process
from harness.errors import ToolError
from harness.frozen import dataclass, replace
from harness.model import Cause, Finding, Measurement, Outcome, Unit
from harness.scanners import coverage, junit
from harness.scanners.environment import tool_environment
from harness.scanners.interface import BrokenToolError, Report, Scan, broken, exited

_NO_TESTS = 5
_PROBE = """
import json, platform
from importlib import metadata
found = {"python": platform.python_version()}
for name in ("pytest", "pytest-cov"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = ""
print(json.dumps(found))
"""
_SUMMARY = re.compile(r"\d+ (?:passed|failed|error|skipped|deselected|xfailed|xpassed|rerun).* in [\d.]+s")
_MEANING = {2: "was interrupted", 3: "had an internal error", 4: "was called wrongly"}
_SHOWN = 20


@dataclass(frozen=True)
class AppTests:
    """What to run. Paths in `tests` and `sources` are relative to `app`; reports go to `work`; `budget` is in seconds."""

    app: Path
    python: str
    tests: tuple[str, ...]
    sources: tuple[str, ...]
    work: Path
    budget: float
    arguments: tuple[str, ...] = ()
    branch: bool = False
    min_tests: int = 1


@dataclass(frozen=True)
class AppScans:
    """One run, judged twice."""

    tests: Scan
    coverage: Scan


@dataclass(frozen=True)
class AppRun:
    """A run that left a report that can be believed."""

    exit_code: int
    suite: junit.Suite
    duration: float
    summary: str
    facts: Mapping[str, str]
    reports: tuple[Report, ...]
    coverage: Path


def scan(what: AppTests) -> AppScans:
    """Run the tests once; what they came to, and what they covered. A run that broke proves neither."""
    try:
        run = run_tests(what)
        tests = judge(run, what.min_tests)
    except ToolError as error:
        return AppScans(broken(error), broken(error))
    try:
        covered = coverage.scan(run.coverage, what.app, what.sources, branch=what.branch)
    except ToolError as error:
        covered = broken(error)
    if not _executed(run.suite) and covered.outcome is Outcome.PASSED:
        covered = Scan(
            Outcome.INCONCLUSIVE, "no test ran, so nothing was covered", tests.hint, Cause.NOTHING_CHECKED
        )
    return AppScans(tests, covered)


def interpreter(app: Path, python: str) -> Path:
    """The interpreter of the application; empty stands for the gate's own. Links stay: they are what a venv is.

    Raises:
        ToolError: it does not exist or is not executable.
    """
    found = Path(os.path.abspath(app / python)) if python else Path(sys.executable)  # noqa: PTH100 - keeps links
    if not (found.is_file() and os.access(found, os.X_OK)):
        raise ToolError(
            f"the application's interpreter {found} does not exist or is not executable",
            hint="correct `app.python` in the profile (relative to `app.path`), or create that environment",
        )
    return found


def run_tests(what: AppTests) -> AppRun:
    """Run the application's tests under coverage.

    Raises:
        ToolError: the interpreter, pytest, pytest-cov, a test path or a source folder is missing.
        BrokenToolError: pytest did not come to an end of its own, or left no report that agrees with its exit code.
    """
    python = interpreter(what.app, what.python)
    facts = _probe(python, what)
    _require_paths(what)
    out = what.work / "tests"
    shutil.rmtree(out, ignore_errors=True)  # yesterday's report must not be read as today's
    out.mkdir(parents=True)
    job = process.run(
        [str(python), "-m", "pytest", *what.arguments, *_options(what, out), *what.tests],
        cwd=what.app,
        output=out,
        name="pytest",
        budget=what.budget,
        env=tool_environment(),
    )
    exited(job, "the application's test run", what.budget)
    report = out / "junit.xml"
    reports = (Report(report, junit.MEDIA_TYPE), Report(job.stdout), Report(job.stderr))
    suite = _suite(job, report, reports)
    output = job.stdout.read_text(errors="replace")
    summary = next((line.strip("= ") for line in reversed(output.splitlines()) if _SUMMARY.search(line)), "")
    if deselected := re.search(r"(\d+) deselected", summary):
        facts["deselected"] = deselected[1]
    if reruns := re.search(r"(\d+) rerun", summary):
        facts["reruns"] = reruns[1]
    return AppRun(job.exit_code, suite, job.duration, summary, facts, reports, out / "coverage.json")


def judge(run: AppRun, min_tests: int) -> Scan:
    """What a run proves: failures fail it, too few tests that ran make it inconclusive."""
    suite, executed = run.suite, _executed(run.suite)
    seen = Scan(
        measurements=(
            Measurement.of("tests", executed, sample=executed),
            Measurement.of("tests_failed", len(suite.broken), sample=executed),
            Measurement.of("tests_skipped", suite.count("skipped"), sample=len(suite.cases)),
            Measurement.of("test_duration", run.duration, Unit.SECONDS, sample=executed),
        ),
        facts={**run.facts, "summary": run.summary},
        findings=findings(suite),
        reports=run.reports,
    )
    if suite.broken:
        return replace(
            seen,
            outcome=Outcome.FAILED,
            reason=f"{len(suite.broken)} of {executed} tests failed: {_names(suite)}",
            hint="mend them; the report has their messages, and the whole output of the tests is kept as evidence",
            diagnosis=_messages(suite),
        )
    if executed < min_tests:
        return replace(
            seen,
            outcome=Outcome.INCONCLUSIVE,
            cause=Cause.NOTHING_CHECKED,
            reason=f"{_ran(executed)}, the profile wants at least {min_tests}{_left_out(run)}",
            hint="check `gates.unit.tests`, the application's pytest options (`addopts`) and its skip conditions",
        )
    return seen


def findings(suite: junit.Suite) -> tuple[Finding, ...]:
    """Every failing test as a finding."""
    return tuple(
        Finding("test", f"{case.id}: {case.message}", case.outcome, case.path, case.line)
        for case in suite.broken
    )


def _probe(python: Path, what: AppTests) -> dict[str, str]:
    job = process.run(
        [str(python), "-c", _PROBE],
        cwd=what.app,
        output=what.work,
        name="interpreter",
        budget=min(what.budget, 60.0),
        env=tool_environment(),
    )
    try:
        exited(job, f"the interpreter {python}", what.budget)
        found: dict[str, str] = json.loads(job.stdout.read_text())
    except (BrokenToolError, json.JSONDecodeError) as error:
        raise BrokenToolError(
            f"the application's interpreter {python} does not work",
            hint="create its environment again, or correct `app.python` in the profile",
            diagnosis=job.tail(),
        ) from error
    if missing := [name for name in ("pytest", "pytest-cov") if not found[name]]:
        raise ToolError(
            f"{' and '.join(missing)} not installed for the application's interpreter {python}",
            hint=f"{python} -m pip install pytest pytest-cov",
        )
    return found


def _require_paths(what: AppTests) -> None:
    if not what.sources:
        raise ToolError(
            "gates.unit.sources names no folder, so coverage would speak of nothing",
            hint='name the folders that hold the application\'s code, e.g. sources = ["src"]',
        )
    wanted = [("gates.unit.tests", test.partition("::")[0]) for test in what.tests]
    wanted += [("gates.unit.sources", source) for source in what.sources]
    for key, path in wanted:
        if not (what.app / path).exists():
            raise ToolError(
                f"{key}: {path} does not exist in {what.app}",
                hint=f"correct {key} in the profile; paths are relative to the application ([app] path)",
            )


def _options(what: AppTests, out: Path) -> list[str]:
    """Ours come after the application's `addopts` and the profile's arguments, so that ours hold."""
    rcfile = out / "coveragerc"
    rcfile.write_text(
        f"[run]\nbranch = {str(what.branch).lower()}\ndata_file = {out / '.coverage'}\n"
        "[report]\ninclude_namespace_packages = true\n"
    )
    return [
        *("-p", "pytest_cov", f"--cov-config={rcfile}", "--cov-fail-under=0"),
        *(f"--cov={(what.app / source).resolve()}" for source in what.sources),
        f"--cov-report=json:{out / 'coverage.json'}",
        *(f"--junitxml={out / 'junit.xml'}", "-o", "junit_family=xunit2"),
        *("-o", f"cache_dir={out / 'cache'}", "--color=no"),
    ]


def _suite(job: process.Finished, report: Path, reports: tuple[Report, ...]) -> junit.Suite:
    """The report, where it agrees with the exit code."""
    if job.exit_code == _NO_TESTS:
        return junit.Suite(())
    if job.exit_code not in (0, 1):
        suite = junit.read(report) if report.is_file() else junit.Suite(())
        meaning = _MEANING.get(job.exit_code, "ended unexpectedly")
        raise BrokenToolError(
            f"the application's pytest {meaning} (exit code {job.exit_code})"
            + (f": {_names(suite)}" if suite.broken else ""),
            hint="run the application's tests by hand with the same interpreter",
            diagnosis=(*_messages(suite), *job.tail()),
            reports=reports,
            findings=findings(suite),
        )
    try:
        suite = junit.read(report)
    except BrokenToolError as error:
        raise BrokenToolError(
            f"the application's pytest ended with exit code {job.exit_code}, but {error.message}",
            hint=error.hint,
            diagnosis=job.tail(),
            reports=reports,
        ) from error
    if bool(suite.broken) != (job.exit_code == 1):
        raise BrokenToolError(
            f"the application's pytest ended with exit code {job.exit_code}, "
            f"but its report lists {len(suite.broken)} failing tests",
            hint="a plugin or a hook of the application changes the exit code or the report",
            diagnosis=job.tail(),
            reports=reports,
        )
    return suite


def _executed(suite: junit.Suite) -> int:
    """Tests that ran and could have failed; skipped and expected failures prove nothing."""
    return suite.count("passed", "failed", "error")


def _ran(executed: int) -> str:
    return {0: "no test ran", 1: "only 1 test ran"}.get(executed, f"only {executed} tests ran")


def _left_out(run: AppRun) -> str:
    counts = {
        "skipped": run.suite.count("skipped"),
        "expected to fail": run.suite.count("xfailed"),
        "deselected": int(run.facts.get("deselected", "0")),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f" ({told})" if told else ""


def _names(suite: junit.Suite, shown: int = 3) -> str:
    names = [case.id for case in suite.broken]
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _messages(suite: junit.Suite) -> tuple[str, ...]:
    return tuple(f"{case.id}: {case.message}" for case in suite.broken[:_SHOWN])
