"""The words of the product as frozen types: what a run proves, what it found, what it decided.

Standard library only, no I/O, no behaviour beyond keeping itself consistent: a result that is not a pass cannot
be built without a reason, a skip not without a cause. `harness.codec` turns all of this into JSON and back.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from math import isfinite

from harness.frozen import dataclass, field


class Phase(StrEnum):
    """When in a release a run takes place; each phase has its gates, each run of one gives one verdict."""

    PRE_DEPLOY = "pre-deploy"
    POST_DEPLOY = "post-deploy"
    WATCH = "watch"


class Decision(StrEnum):
    """The answer. Only `GO` lets a deploy go on."""

    GO = "GO"
    PENDING = "PENDING"
    INCONCLUSIVE = "INCONCLUSIVE"
    NO_GO = "NO_GO"
    ERROR = "ERROR"


class Outcome(StrEnum):
    """What one check came to."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    """The proof could not be had for a cause outside the check; `harness.policy` judges the cause."""
    INCONCLUSIVE = "inconclusive"
    """It ran, but what it saw proves nothing: no samples, a load run that is not valid, no advisory source."""


class Cause(StrEnum):
    """Why a check was skipped or proves nothing."""

    ABSENT = "absent"
    NO_CREDENTIALS = "no_credentials"
    UNREACHABLE = "unreachable"
    NOT_EMULATED = "not_emulated"
    NO_BASELINE = "no_baseline"
    """No earlier run that this one could be compared with."""
    DEPENDENCY_NOT_PROVEN = "dependency_not_proven"
    INVALID_RUN = "invalid_run"
    UNCERTAIN = "uncertain"
    """What was measured does not tell on which side of its limit the truth lies."""
    NOTHING_CHECKED = "nothing_checked"
    UNAVAILABLE = "unavailable"
    """A source that the check needs could not be had (an advisory database, a metric)."""
    UNCOMMITTED = "uncommitted"
    """The source tree holds changes that no commit names."""


SKIP_CAUSES = frozenset(
    {
        Cause.ABSENT,
        Cause.NO_CREDENTIALS,
        Cause.UNREACHABLE,
        Cause.NOT_EMULATED,
        Cause.NO_BASELINE,
        Cause.DEPENDENCY_NOT_PROVEN,
    }
)
"""The causes a skip may have; each has a row in the profile's ``[policy.skips]`` but the last, which is judged
by the cause of the gate it depends on."""


class GateOutcome(StrEnum):
    """What one gate came to."""

    PASS = "pass"  # noqa: S105 - an outcome
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"
    BLOCKED = "blocked"
    FAIL = "fail"
    ERROR = "error"


class SessionEnd(StrEnum):
    """How the process of a gate ended; anything but `COMPLETED`, `BLOCKED` and `DEPENDENCY` is an error."""

    COMPLETED = "completed"
    BLOCKED = "blocked"
    """An earlier layer failed: never started."""
    DEPENDENCY = "dependency"
    """A gate it depends on was skipped: never started."""
    NOT_STARTED = "not_started"
    BUDGET = "budget"
    """It ran longer than its budget and was ended."""
    MEMORY = "memory"
    """It used more memory than it may and was ended."""
    CRASHED = "crashed"
    """It ended without finishing its session: killed, `os._exit`, an internal error."""
    INTERRUPTED = "interrupted"


class Unit(StrEnum):
    """Base units; every measurement is stored in one of them, whatever unit it was written in."""

    RATIO = "ratio"
    SECONDS = "s"
    PER_SECOND = "/s"
    BYTES = "B"
    COUNT = "count"


@dataclass(frozen=True)
class Measurement:
    """A number that a check saw.

    `value` is exact (100 must mean 100) and in the base unit; ``None`` says that there was nothing to measure,
    which no threshold accepts. `sample` is how many observations stand behind it.
    """

    metric: str
    value: Fraction | None
    unit: Unit
    sample: int

    @classmethod
    def of(
        cls, metric: str, value: Fraction | float | None, unit: Unit = Unit.COUNT, *, sample: int
    ) -> "Measurement":
        """Build one from a plain number; NaN and infinities become "nothing measured", as does a sample of 0.

        A float counts as the decimal number it prints as, so that ``0.95`` is 95/100 and not its binary neighbour.
        """
        if value is None or sample <= 0 or (isinstance(value, float) and not isfinite(value)):
            return cls(metric, None, unit, max(sample, 0))
        exact = Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)
        return cls(metric, exact, unit, sample)


@dataclass(frozen=True)
class ThresholdResult:
    """One threshold judged: what the rule was, what was seen, and whether it held.

    `held` is ``None`` where there was nothing to judge (no sample): never a pass.
    """

    threshold: str
    metric: str
    actual: Fraction | None
    limit: Fraction
    unit: Unit
    sample: int
    held: bool | None


@dataclass(frozen=True)
class Evidence:
    """A file that a check left behind. `path` is relative to the run's folder; `sha256` is over its bytes."""

    name: str
    path: str
    sha256: str
    size: int
    media_type: str = "text/plain"


@dataclass(frozen=True)
class Attempt:
    """One try of a check that was tried more than once."""

    outcome: Outcome
    reason: str
    duration: float


@dataclass(frozen=True)
class Finding:
    """One thing that a tool found at one place: a lint error, a weakness, a vulnerable package, a failing test.

    `severity` ``secret`` says that it is a leaked secret, which nothing waives.
    """

    rule: str
    message: str
    severity: str = ""
    path: str = ""
    line: int = 0
    aliases: tuple[str, ...] = ()
    """Other ids of the same thing (CVE, GHSA)."""
    counts: bool = True
    """Whether it stands against the check; one below the profile's bar, or ignored, does not."""
    waiver: str = ""
    """The id of the waiver that covers it."""


@dataclass(frozen=True)
class Subject:
    """What is released, by its bytes: ``source`` or an image, with its digest (``{"sha256": "…"}``).

    `uri` is where it came from (a repository, an image reference); `annotations` say how the digest was found.
    """

    name: str
    digest: Mapping[str, str]
    uri: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """What one check came to, with everything it saw.

    `id` reads ``<gate>.<module>.<function>[<resource>]``. `reason` says in one line why it is not a pass, `hint`
    what to do about it, `diagnosis` what one would look up next. All text is already masked.
    """

    id: str
    gate: str
    outcome: Outcome
    title: str = ""
    resource: str = ""
    reason: str = ""
    hint: str = ""
    cause: Cause | None = None
    measurements: tuple[Measurement, ...] = ()
    thresholds: tuple[ThresholdResult, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    diagnosis: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was seen, for the record: an advisory source's date, a running digest, a tool's version."""
    subjects: tuple[Subject, ...] = ()
    """What this check found out about what is released (a tag's digest)."""
    attempts: tuple[Attempt, ...] = ()
    flaky: bool = False
    waiver: str = ""
    """The id of the waiver that covers a failure, or of several that cover its findings, separated by commas; the
    result stays what it was."""
    started: datetime | None = None
    duration: float = 0.0

    def __post_init__(self) -> None:
        if self.outcome is not Outcome.PASSED and not self.reason.strip():
            msg = f"check {self.id}: {self.outcome} needs a reason"
            raise ValueError(msg)
        if self.outcome is Outcome.SKIPPED and self.cause not in SKIP_CAUSES:
            msg = f"check {self.id}: a skip needs one of the causes {sorted(SKIP_CAUSES)}, not {self.cause}"
            raise ValueError(msg)
        if self.outcome is Outcome.INCONCLUSIVE and (self.cause is None or self.cause in SKIP_CAUSES):
            msg = f"check {self.id}: inconclusive needs a cause that is not a skip's, not {self.cause}"
            raise ValueError(msg)

    @property
    def waivers(self) -> tuple[str, ...]:
        """The ids in `waiver`."""
        return tuple(self.waiver.split(",")) if self.waiver else ()


@dataclass(frozen=True)
class Waiver:
    """A named, owned, dated exception in certain environments: for one check, or for one rule's findings.

    `check` is a check's id, whose resource may be a pattern (``…[orders-*]``); `finding` the id of a rule or an advisory,
    with `path` at one file only. One of both is empty. `image` limits it to runs that judge this image (``api``), or
    these bytes of it (``api@sha256:…``). Times are UTC; at `expires` it holds no more.
    """

    id: str
    environments: tuple[str, ...]
    owner: str
    reason: str
    created: datetime
    expires: datetime
    check: str = ""
    finding: str = ""
    path: str = ""
    image: str = ""


@dataclass(frozen=True)
class ExpectedCheck:
    """A check that a verdict must account for. Known from the profile alone, before anything runs."""

    id: str
    gate: str
    resource: str = ""
    mandatory: bool = True


@dataclass(frozen=True)
class ExpectedGate:
    """A gate that a verdict must account for, with the floor under its evidence and what it depends on."""

    name: str
    layer: int
    min_checks: int = 1
    depends: tuple[str, ...] = ()
    budget: float = 0.0


@dataclass(frozen=True)
class GateRun:
    """How the session of one gate went, as the supervisor saw it from outside.

    `collected` are the ids of the checks that the session announced; `deselected` those left out by a selection
    that the profile does not declare.
    """

    gate: str
    end: SessionEnd
    detail: str = ""
    root: str = ""
    """For `BLOCKED` and `DEPENDENCY`: the gate that is the reason."""
    collected: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    exit_code: int | None = None
    duration: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Policy:
    """The resolved rules that deciding needs, and nothing else.

    `skips` maps each cause of a skip to the decision it leads to; ``Decision.GO`` means "allowed, and said".
    """

    skips: Mapping[Cause, Decision]
    max_flaky: int = 0
    waivers: tuple[Waiver, ...] = ()
    """The environment's waivers, those that are over included; whether one covers a result is judged anew."""
    waivers_problem: str = ""
    """What is wrong with the file of the waivers: then none is read, and nothing can be decided."""


@dataclass(frozen=True)
class Record:
    """Everything a decision is derived from; the ledger of a run, read back, gives one."""

    policy: Policy
    gates: tuple[ExpectedGate, ...]
    checks: tuple[ExpectedCheck, ...]
    runs: tuple[GateRun, ...] = ()
    results: tuple[CheckResult, ...] = ()
    partial: bool = False
    at: datetime | None = None
    """When the run started (UTC): the moment at which a waiver must hold. Where it is not known, none does."""


@dataclass(frozen=True)
class Reason:
    """One line of a decision: what it rests on. `code` is stable and for machines, `text` is for people."""

    code: str
    text: str
    decision: Decision
    gate: str = ""
    check: str = ""
    hint: str = ""


@dataclass(frozen=True)
class GateVerdict:
    """One gate decided: its outcome, what that means for the decision, and its figures."""

    gate: str
    outcome: GateOutcome
    decision: Decision
    layer: int
    counts: Mapping[str, int]
    cause: Cause | None = None
    duration: float = 0.0
    budget: float = 0.0
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Decided:
    """The decision with the gates and reasons it was derived from; `missing` are checks that did not report."""

    decision: Decision
    reasons: tuple[Reason, ...]
    gates: tuple[GateVerdict, ...]
    missing: tuple[str, ...] = ()
