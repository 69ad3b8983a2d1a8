"""What suites use: fixtures, and `Check`, which records what one check saw.

A suite function reads like a sentence of the deployment guide; it takes the thing it judges as a fixture (named
by the resource's kind) and records what it sees:

    def test_running_count(ecs_service: EcsService, aws: Aws, check: Check) -> None:
        \"\"\"As many tasks run as are desired, and at least as many as the profile wants.\"\"\"

Its docstring's first line is the check's title. A failed ``assert`` with a message is a failure; a
`harness.aws.faults.Fault` ends as its kind says; any other exception is an error, because a gate that broke did
not pass.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import pytest

from harness import codec
from harness.frozen import dataclass, field, replace
from harness.gates.context import GateContext
from harness.masking import mask
from harness.model import (
    Cause,
    CheckResult,
    Evidence,
    Finding,
    Measurement,
    Outcome,
    Phase,
    Subject,
    ThresholdResult,
    Unit,
)
from harness.polling import poll
from harness.profile import Profile
from harness.threshold import Threshold, show

if TYPE_CHECKING:
    from harness.aws.session import Aws

T = TypeVar("T")
R = TypeVar("R")
CONTEXT = pytest.StashKey[GateContext]()
CHECK = pytest.StashKey["Check"]()
SHARED = pytest.StashKey[list["SideBySide[Any, Any]"]]()
"""What checks of the session share, and a retry must not take from the try before it."""


class Ended(Exception):  # noqa: N818 - an outcome, not an error
    """Ends a check with an outcome that is not a pass."""

    def __init__(self, outcome: Outcome, reason: str, *, hint: str = "", cause: Cause | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.hint = hint
        self.cause = cause


@dataclass
class Check:
    """Collects what one check sees; everything recorded is masked and lands in the verdict."""

    id: str
    folder: Path
    """The run's folder; evidence is written below it."""
    gate: str
    resource: str = ""
    title: str = ""
    hint: str = ""
    measurements: list[Measurement] = field(default_factory=list)
    thresholds: list[ThresholdResult] = field(default_factory=list)
    files: list[Evidence] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    subjects: list[Subject] = field(default_factory=list)
    of_findings: bool = False
    """Whether its findings are all there is against it, so that waiving each of them waives the check."""

    @property
    def own_folder(self) -> Path:
        """Where evidence that it writes itself lies."""
        return self.folder / self.gate / "evidence" / _slug(self.id)

    def measure(
        self, metric: str, value: Fraction | float | None, unit: Unit = Unit.COUNT, *, sample: int = 1
    ) -> Measurement:
        """Record a number, in the unit's base (seconds, ratio, bytes); `sample` is how much stands behind it.

        Raises:
            TypeError: the value is no number, or the unit none of `harness.model.Unit`.
        """
        given: tuple[object, object] = (value, unit)  # what a suite without types may hand in
        if not (isinstance(given[0], int | float | Fraction | None) and isinstance(given[1], Unit)):
            msg = f"{metric}: {value!r} in {unit!r} is not a number in one of {', '.join(map(str, Unit))}"
            raise TypeError(msg)
        measurement = Measurement.of(metric, value, unit, sample=sample)
        self.measurements.append(measurement)
        return measurement

    def judge(self, *thresholds: Threshold, about: str = "", hint: str = "") -> None:
        """Hold thresholds against what was measured, all of them, and end the check where one does not hold.

        A metric without a sample is inconclusive, never a pass. `about` is the thing, for the reason.
        """
        home = f"{about}: " if about else ""
        by_metric = {measurement.metric: measurement for measurement in self.measurements}
        results = [threshold.judge(by_metric.get(threshold.metric)) for threshold in thresholds]
        self.thresholds.extend(results)
        if broken := [result for result in results if result.held is False]:
            self.fail(
                home
                + "; ".join(
                    f"{r.metric} is {show(r.actual, r.unit, beside=r.limit)}, the rule is {r.threshold}"
                    for r in broken
                ),
                hint=hint,
            )
        if empty := [result.metric for result in results if result.held is None]:
            self.inconclusive(
                Cause.NOTHING_CHECKED, f"{home}nothing was measured for {', '.join(empty)}", hint=hint
            )

    def fact(self, name: str, value: object) -> None:
        """Put something seen on record: an advisory source's date, a running digest, a tool's version."""
        self.facts[name] = mask(str(value))

    def subject(self, subject: Subject) -> None:
        """Say what an image is, by its bytes; it becomes part of what the verdict speaks of."""
        self.subjects.append(subject)

    def finding(self, finding: Finding) -> None:
        """Add one thing a tool found at one place."""
        self.findings.append(replace(finding, message=mask(finding.message), waiver=""))

    def diagnose(self, lines: str | Iterable[str]) -> None:
        """Add what one would look up next: stopped-task reasons, last log lines, the slowest requests."""
        text = lines if isinstance(lines, str) else "\n".join(lines)
        self.notes.extend(mask(text).splitlines())

    def evidence(self, name: str, content: str | bytes | Path, media_type: str = "text/plain") -> Evidence:
        """Keep a file as evidence. Text is masked on the way to disk; a `Path` below the run's folder stays where it is.

        A file that a tool wrote (a `Path`) is masked in place when it is text.
        """
        target = content if isinstance(content, Path) else self.own_folder / name
        data = content.read_bytes() if isinstance(content, Path) else content
        try:
            text = data.decode() if isinstance(data, bytes) else data
            raw = mask(text).encode()
        except UnicodeDecodeError:
            raw = data if isinstance(data, bytes) else data.encode()
        if not isinstance(content, Path) or raw != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
        relative = target.resolve().relative_to(self.folder.resolve())
        entry = Evidence(name, relative.as_posix(), hashlib.sha256(raw).hexdigest(), len(raw), media_type)
        self.files.append(entry)
        return entry

    def snapshot(self, name: str, seen: object) -> Evidence:
        """Keep what was judged as evidence, as JSON: a frozen dataclass, or plain values."""
        text = json.dumps(codec.dump(seen), indent=2, sort_keys=True)
        return self.evidence(f"{name}.json", text + "\n", "application/json")

    def fail(self, reason: str, *, hint: str = "", of_findings: bool = False) -> NoReturn:
        """End as failed: what was found is not what must be.

        With `of_findings`, what is against it are its findings and nothing else, so that it is waived when they are.
        """
        self.of_findings = of_findings
        raise Ended(Outcome.FAILED, reason, hint=hint or self.hint)

    def error(self, reason: str, *, hint: str = "") -> NoReturn:
        """End as error: the check or a tool broke, so nothing is known."""
        raise Ended(Outcome.ERROR, reason, hint=hint or self.hint)

    def inconclusive(self, cause: Cause, reason: str, *, hint: str = "") -> NoReturn:
        """End as inconclusive: it ran, but what it saw proves nothing."""
        raise Ended(Outcome.INCONCLUSIVE, reason, hint=hint or self.hint, cause=cause)

    def skip(self, cause: Cause, reason: str, *, hint: str = "") -> NoReturn:
        """End as skipped: the proof could not be had for a cause outside the check."""
        raise Ended(Outcome.SKIPPED, reason, hint=hint or self.hint, cause=cause)

    def eventually(
        self, look: Callable[[], T], until: Callable[[T], bool], *, timeout: float, interval: float = 0.2
    ) -> T:
        """Poll something that is only eventually consistent, to a deadline; returns the last thing seen either way.

        The caller judges what it gets: at the deadline that is the state that did not change.
        """
        return poll(look, until, timeout=timeout, pause=interval)

    def result(
        self, outcome: Outcome, reason: str = "", *, hint: str = "", cause: Cause | None = None
    ) -> CheckResult:
        """Everything recorded so far, as a result."""
        return CheckResult(
            id=self.id,
            gate=self.gate,
            outcome=outcome,
            title=self.title,
            resource=self.resource,
            reason=mask(reason),
            hint=mask(hint),
            cause=cause,
            measurements=tuple(self.measurements),
            thresholds=tuple(self.thresholds),
            evidence=tuple(self.files),
            findings=tuple(self.findings),
            diagnosis=tuple(self.notes),
            facts=dict(self.facts),
            subjects=tuple(self.subjects),
        )


class Patience:
    """How long things may still take to settle, from the first time that a check of the session waited for one.

    All share the wait: what is not right when it is over will not be waited for again, so that a hundred things that
    are wrong take as long as one.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._until: float | None = None

    @property
    def left(self) -> float:
        """Seconds left."""
        if self._until is None:
            self._until = time.monotonic() + self._settle
        return max(0.0, self._until - time.monotonic())


class SideBySide(Generic[T, R]):
    """Slow work on several things, begun for all of them when the first check asks for its own.

    Made by a session fixture; the things are those of the checks that were selected and name this fixture beside
    `parameter`, the fixture of the kind. A check gets the result of its own thing, or the exception.
    """

    def __init__(
        self, request: pytest.FixtureRequest, parameter: str, work: Callable[[T], R], *, width: int = 8
    ) -> None:
        self._name, self._parameter, self._work = request.fixturename, parameter, work
        self._items = request.session.items
        self._shared = not hasattr(request.config, "workerinput")  # an xdist worker has a part of the checks
        self._pool = ThreadPoolExecutor(width, thread_name_prefix=str(self._name))
        self._begun: dict[str, Future[R]] = {}
        self._known = request.config.stash.setdefault(SHARED, [])
        self._known.append(self)
        request.addfinalizer(self._end)

    def _end(self) -> None:
        self._known.remove(self)
        self._pool.shutdown(cancel_futures=True)

    def of(self, thing: T) -> R:
        """What the work on this thing came to."""
        if self._shared and not self._begun:
            for other in self._selected():
                self._begin(other)
        return self._begin(thing).result()

    def forget(self, thing: object) -> None:
        """Do the work on this thing anew when it is asked for again: a check of it is tried once more."""
        self._begun.pop(_key(thing), None)

    def _selected(self) -> Iterable[T]:
        for item in self._items:
            call = getattr(item, "callspec", None)
            if call is not None and self._name in getattr(item, "fixturenames", ()):
                yield call.params[self._parameter]

    def _begin(self, thing: T) -> "Future[R]":
        key = _key(thing)
        if key not in self._begun:
            self._begun[key] = self._pool.submit(self._work, thing)
        return self._begun[key]


def _key(thing: object) -> str:
    return str(getattr(thing, "id", thing))


def forget(item: pytest.Item) -> None:
    """Let the next try of a check look anew at what it shares with others."""
    call = getattr(item, "callspec", None)
    for shared in item.config.stash.get(SHARED, []):
        for value in call.params.values() if call is not None else ():
            shared.forget(value)


def _slug(text: str) -> str:
    return "".join(char if char.isalnum() or char in "-._" else "-" for char in text).strip("-")


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """What this check sees is recorded here."""
    recorded: Check = request.node.stash[CHECK]
    return recorded


@pytest.fixture(scope="session")
def context(request: pytest.FixtureRequest) -> GateContext:
    """This run: its id, folders, images and subjects."""
    return request.config.stash[CONTEXT]


@pytest.fixture(scope="session")
def profile(context: GateContext) -> Profile:
    """The environment's profile."""
    return context.profile


@pytest.fixture(scope="session")
def phase(context: GateContext) -> Phase:
    """When in the release this run takes place."""
    return context.phase


@pytest.fixture(scope="session")
def prepared(context: GateContext) -> Mapping[str, Any]:
    """What the gate's `prepare` found out before its checks."""
    path = context.work / "prepared.json"
    found: Mapping[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


@pytest.fixture(scope="session")
def aws(profile: Profile) -> "Aws":
    """The environment's AWS account, read through the guarded target session."""
    from harness.aws.session import Aws

    return Aws(profile)
