"""What every scanner gives back, and how a check tells it.

A scanner reads a tool's exit code *and* its report; where the two disagree, or the report is missing or cut
short, it raises `BrokenToolError`. Nothing scanned is inconclusive, never a pass.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NoReturn, ParamSpec, Protocol

from harness.errors import ToolError
from harness.frozen import dataclass, field
from harness.model import Cause, Finding, Measurement, Outcome, Unit
from harness.process import Finished

P = ParamSpec("P")
MAX_FINDINGS = 200
"""Findings that go into the verdict; the whole report is evidence."""


@dataclass(frozen=True)
class Report:
    """A file a tool wrote below the run's folder."""

    path: Path
    media_type: str = "text/plain"


class BrokenToolError(ToolError):
    """A tool that ran and broke, with its last words (`diagnosis`) and the files it left (`reports`)."""

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        diagnosis: Iterable[str] = (),
        reports: Iterable[Report] = (),
        findings: Iterable[Finding] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.diagnosis = tuple(diagnosis)
        self.reports = tuple(reports)
        self.findings = tuple(findings)


@dataclass(frozen=True)
class Scan:
    """What a tool came to. Anything but a pass has a reason, an inconclusive one a cause besides.

    `measurements` are what thresholds judge; `facts` are for the record (a version, a source's date).
    """

    outcome: Outcome = Outcome.PASSED
    reason: str = ""
    hint: str = ""
    cause: Cause | None = None
    findings: tuple[Finding, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    diagnosis: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()

    def __post_init__(self) -> None:
        if self.outcome is not Outcome.PASSED and not self.reason:
            msg = f"a scan that is {self.outcome} needs a reason"
            raise ValueError(msg)
        if (self.outcome is Outcome.INCONCLUSIVE) != (self.cause is not None):
            msg = (
                f"a scan has a cause if and only if it is inconclusive, not {self.outcome} with {self.cause}"
            )
            raise ValueError(msg)

    def measured(self, metric: str) -> Measurement | None:
        """The measurement of that name, if there is one."""
        return next((found for found in self.measurements if found.metric == metric), None)


class Recorder(Protocol):
    """The part of `harness.fixtures.Check` that a scan is told to."""

    def measure(
        self, metric: str, value: Fraction | float | None, unit: Unit = ..., *, sample: int = ...
    ) -> object:
        """Record a number."""

    def fact(self, name: str, value: object) -> None:
        """Put something seen on record."""

    def finding(self, finding: Finding) -> None:
        """Add one thing a tool found."""

    def diagnose(self, lines: str | Iterable[str]) -> None:
        """Add what one would look up next."""

    def evidence(self, name: str, content: str | bytes | Path, media_type: str = ...) -> object:
        """Keep a file."""

    def fail(self, reason: str, *, hint: str = ..., of_findings: bool = ...) -> NoReturn:
        """End as failed."""

    def error(self, reason: str, *, hint: str = ...) -> NoReturn:
        """End as error."""

    def inconclusive(self, cause: Cause, reason: str, *, hint: str = ...) -> NoReturn:
        """End as inconclusive."""


def attempt(scanner: Callable[P, Scan], *args: P.args, **kwargs: P.kwargs) -> Scan:
    """Run a scanner; a tool that is missing or broke becomes a scan with outcome `ERROR`."""
    try:
        return scanner(*args, **kwargs)
    except ToolError as error:
        return broken(error)


def broken(error: ToolError) -> Scan:
    """The scan that a tool's error amounts to."""
    known = error if isinstance(error, BrokenToolError) else BrokenToolError(error.message, hint=error.hint)
    return Scan(
        Outcome.ERROR,
        known.message,
        known.hint,
        findings=known.findings,
        diagnosis=known.diagnosis,
        reports=known.reports,
    )


def tell(check: Recorder, scan: Scan) -> None:
    """Record everything a scan saw with a check and end the check as the scan ended; returns only after a pass."""
    for measurement in scan.measurements:
        check.measure(measurement.metric, measurement.value, measurement.unit, sample=measurement.sample)
    for name, value in scan.facts.items():
        check.fact(name, value)
    for finding in scan.findings[:MAX_FINDINGS]:
        check.finding(finding)
    if (left := len(scan.findings) - MAX_FINDINGS) > 0:
        check.diagnose(f"… and {left} more findings; the whole report is evidence")
    check.diagnose(scan.diagnosis)
    for report in scan.reports:
        if report.path.is_file():
            check.evidence(report.path.name, report.path, report.media_type)
    match scan.outcome:
        case Outcome.PASSED:
            return
        case Outcome.FAILED:
            check.fail(scan.reason, hint=scan.hint, of_findings=bool(scan.findings) and left <= 0)
        case Outcome.INCONCLUSIVE if scan.cause is not None:
            check.inconclusive(scan.cause, scan.reason, hint=scan.hint)
        case _:
            check.error(scan.reason, hint=scan.hint)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 problem``, ``2 problems``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def tool_budget(budget: float) -> float:
    """The seconds a tool may take of its gate's budget: a little less, so that the check can still tell about it."""
    return 0.95 * budget


def exited(job: Finished, what: str, budget: float) -> None:
    """Make sure that a job came to its own end.

    Raises:
        BrokenToolError: it was ended because it ran over its budget or memory, or by a signal.
    """
    output = (Report(job.stdout), Report(job.stderr))
    if job.ended != "exited":
        bound = f"budget of {budget:g} s" if job.ended == "budget" else "memory bound"
        raise BrokenToolError(
            f"{what} broke its {bound} and was ended",
            hint="look at the last lines it said; raise the gate's `budget` only if the work is really that long",
            diagnosis=job.tail(),
            reports=output,
        )
    if job.exit_code < 0:
        raise BrokenToolError(
            f"{what} was killed by signal {-job.exit_code}",
            hint="look for a crash of the interpreter or an out-of-memory kill on this machine",
            diagnosis=job.tail(),
            reports=output,
        )
