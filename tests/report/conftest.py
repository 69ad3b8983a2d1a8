"""Runs to report on: one told by hand that has everything in it, and arbitrary ones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from harness.model import (
    SKIP_CAUSES,
    Attempt,
    Cause,
    CheckResult,
    Decided,
    Decision,
    Evidence,
    ExpectedCheck,
    ExpectedGate,
    Finding,
    GateRun,
    Measurement,
    Outcome,
    Phase,
    Policy,
    Record,
    SessionEnd,
    Subject,
    ThresholdResult,
    Unit,
)
from harness.policy import decide
from harness.threshold import parse
from harness.verdict.info import Override, RunInfo
from records import waiver

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TIMES: dict[str, Any] = {"created": START - timedelta(days=1), "expires": START + timedelta(days=30)}
WAIVER = waiver(
    "W-7", finding="B602", path="apps/api/run.py", owner="ana", reason="only build scripts", **TIMES
)
OVER = waiver("W-2", "unit.unit.coverage", **{**TIMES, "expires": START})
UNUSED = waiver("W-3", "security.own.never_fails", **TIMES)
BROAD = waiver("W-4", "load.load.thresholds[*]", **TIMES)
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SKIPS = {
    Cause.ABSENT: Decision.GO,
    Cause.NO_CREDENTIALS: Decision.INCONCLUSIVE,
    Cause.UNREACHABLE: Decision.INCONCLUSIVE,
    Cause.NOT_EMULATED: Decision.ERROR,
    Cause.NO_BASELINE: Decision.GO,
}


class Run(NamedTuple):
    """One run, as the reports get it."""

    info: RunInfo
    record: Record
    decided: Decided


def judged(rule: str, value: str, unit: Unit, sample: int) -> tuple[Measurement, ThresholdResult]:
    threshold = parse(rule)
    measurement = Measurement(threshold.metric, Fraction(value), unit, sample)
    return measurement, threshold.judge(measurement)


def run_info(*, finished: bool = True) -> RunInfo:
    info = RunInfo(
        "20260301T093000Z-4f1c",
        "staging",
        Phase.PRE_DEPLOY,
        "aws://123456789012/us-east-1/staging",
        (
            Subject("source", {"gitCommit": DIGEST[:40]}, "https://example.com/storefront.git"),
            Subject("api", {"sha256": DIGEST}, "123456789012.dkr.ecr.us-east-1.amazonaws.com/api"),
        ),
        START,
        DIGEST,
        "urn:gonogo:policy:staging",
        "0.1.0",
        started_by="dana",
        images={"api": "v1.2.3"},
        overrides={"gates.load.scenarios": Override("[…]", "--set")},
    )
    return info.ended(START + timedelta(minutes=6, seconds=12), 86400) if finished else info


def passing(gate: str, name: str, **more: object) -> CheckResult:
    return CheckResult(f"{gate}.{name}", gate, Outcome.PASSED, duration=0.4, started=START, **more)  # type: ignore[arg-type]


GATES = (
    ExpectedGate("subject", 0, budget=60.0),
    ExpectedGate("unit", 0, budget=300.0),
    ExpectedGate("security", 0, budget=300.0),
    ExpectedGate("integration", 1, budget=900.0),
    ExpectedGate("load", 2, depends=("integration",), budget=1800.0),
)
RUNS = (
    GateRun("subject", SessionEnd.COMPLETED, duration=0.4),
    GateRun("unit", SessionEnd.COMPLETED, duration=41.2),
    GateRun("security", SessionEnd.COMPLETED, duration=12.9),
    GateRun("integration", SessionEnd.COMPLETED, duration=95.4),
)


def good_record() -> Record:
    rate, rate_held = judged("success_rate >= 95%", "0.9987", Unit.RATIO, 3000)
    mean, mean_held = judged("avg_response_time < 2s", "0.1834", Unit.SECONDS, 3000)
    p95, p95_held = judged("p95 < 5s", "0.412", Unit.SECONDS, 3000)
    coverage, coverage_held = judged("coverage >= 80%", "0.8231", Unit.RATIO, 1312)
    results = (
        passing("subject", "source.clean", facts={"commit": DIGEST[:40]}),
        passing("unit", "unit.tests", title="Every unit test passes"),
        passing("unit", "unit.coverage", measurements=(coverage,), thresholds=(coverage_held,)),
        passing("security", "bandit.findings"),
        passing("integration", "ecs.running_count[api-service-staging]", resource="api-service-staging"),
        passing("integration", "rds.available[rds-staging]", resource="rds-staging"),
        passing(
            "load",
            "load.thresholds[api-health]",
            resource="api-health",
            measurements=(rate, mean, p95),
            thresholds=(rate_held, mean_held, p95_held),
        ),
    )
    checks = tuple(ExpectedCheck(result.id, result.gate, result.resource) for result in results)
    runs = (*RUNS, GateRun("load", SessionEnd.COMPLETED, duration=75.0))
    return Record(Policy(SKIPS), GATES, checks, runs, results)


def bad_record(folder: Path | None = None) -> Record:
    """A run in which everything that a report can show happens."""
    coverage, coverage_held = judged("coverage >= 80%", "0.79996", Unit.RATIO, 1312)
    log = Evidence("junit.xml", "unit/evidence/junit.xml", DIGEST, 20, "application/xml")
    if folder:
        (folder / log.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / log.path).write_text("<testsuites/>")
    results = (
        passing("subject", "source.clean"),
        CheckResult(
            "unit.unit.tests",
            "unit",
            Outcome.FAILED,
            title="Every unit test passes",
            reason="2 of 41 tests failed",
            hint="run them by hand: python -m pytest tests/unit",
            findings=(
                Finding(
                    "tests/unit/test_api.py::test_health",
                    "assert 404 == 200",
                    "failed",
                    "tests/unit/test_api.py",
                    12,
                ),
                Finding(
                    "tests/unit/test_web.py::test_title",
                    "KeyError: 'title' | <b>`x`</b>",
                    "failed",
                    "tests/unit/test_web.py",
                    7,
                ),
            ),
            diagnosis=("E   assert 404 == 200", "E    +  where 404 = <Response [404]>.status_code"),
            evidence=(log, Evidence("gone.txt", "unit/evidence/gone.txt", DIGEST, 3)),
            started=START,
            duration=38.25,
        ),
        CheckResult(
            "unit.unit.coverage",
            "unit",
            Outcome.FAILED,
            title="Enough of the source is covered",
            reason="coverage is 79.996 %, the rule is coverage >= 80%",
            measurements=(coverage,),
            thresholds=(coverage_held,),
        ),
        CheckResult(
            "security.bandit.findings",
            "security",
            Outcome.FAILED,
            title="Bandit finds nothing above the bar",
            reason="1 finding of severity HIGH",
            waiver="W-7",
            findings=(
                Finding("B602", "subprocess call with shell=True identified", "HIGH", "apps/api/run.py", 31),
            ),
        ),
        CheckResult(
            "security.safety.advisories",
            "security",
            Outcome.INCONCLUSIVE,
            reason="no advisory source answered",
            hint="give gates.security.advisories a mirror",
            cause=Cause.UNAVAILABLE,
        ),
        CheckResult(
            "security.safety.retried",
            "security",
            Outcome.PASSED,
            flaky=True,
            attempts=(Attempt(Outcome.FAILED, "timed out", 1.0), Attempt(Outcome.PASSED, "", 0.2)),
        ),
        CheckResult(
            "integration.ecs.active[api-service-staging]",
            "integration",
            Outcome.SKIPPED,
            reason="no AWS credentials are configured",
            hint="log in: aws sso login",
            cause=Cause.NO_CREDENTIALS,
        ),
        CheckResult(
            "integration.sqs.redrive[orders.fifo]",
            "integration",
            Outcome.SKIPPED,
            reason="the queue is not deployed yet",
            cause=Cause.ABSENT,
        ),
        CheckResult(
            "integration.rds.login[rds-staging]",
            "integration",
            Outcome.ERROR,
            reason="access denied: secretsmanager:GetSecretValue",
            hint="allow secretsmanager:GetSecretValue to the role of the gate",
            diagnosis=tuple(f"line {number}" for number in range(300)),
        ),
    )
    expected = [ExpectedCheck(result.id, result.gate) for result in results]
    expected += [
        ExpectedCheck("integration.rds.encrypted[rds-staging]", "integration"),
        ExpectedCheck("load.load.thresholds[api-health]", "load"),
    ]
    return Record(
        Policy(SKIPS, max_flaky=1, waivers=(OVER, UNUSED, BROAD, WAIVER)),
        GATES,
        tuple(expected),
        (*RUNS, GateRun("load", SessionEnd.BLOCKED, root="unit")),
        results,
        at=START,
    )


@pytest.fixture
def info() -> RunInfo:
    return run_info()


@pytest.fixture
def good() -> Run:
    record = good_record()
    return Run(run_info(), record, decide(record))


@pytest.fixture
def bad(tmp_path: Path) -> Run:
    """Its evidence lies in `tmp_path`."""
    record = bad_record(tmp_path)
    return Run(run_info(), record, decide(record))


@pytest.fixture
def of_record() -> Callable[[Record], Run]:
    """The run of a record, decided by the policy."""
    return lambda record: Run(run_info(), record, decide(record))


_NASTY = st.sampled_from(
    [
        "\x00",
        "\x1b[31mred\x1b[0m",
        "|",
        "`",
        "``` ",
        "<script>alert(1)</script>",
        "&",
        "]]>",
        "\u202e",
        "\n# GO",
        "[x](y)",
        "\ufffe",
    ]
)
_TEXT = st.lists(st.one_of(_NASTY, st.text(max_size=8)), max_size=4).map("".join)
_REASON = _TEXT.map(lambda text: text if text.strip() else "because")
_GATE = st.sampled_from(["unit", "security", "integration", "load"])
_CHECKS = [f"module.check_{number}" for number in range(4)]
_TIMES = st.floats(min_value=0, max_value=5000)
_SOME_FINDINGS = st.lists(
    st.builds(
        Finding,
        rule=st.sampled_from(["B602", "E501", ""]),
        message=_TEXT,
        severity=st.sampled_from(["", "HIGH", "low", "failed"]),
        path=st.one_of(st.just(""), _TEXT, st.just("/etc/a b.py")),
        line=st.integers(min_value=-1, max_value=9999),
    ),
    max_size=3,
).map(tuple)


@st.composite
def _thresholds(draw: st.DrawFn) -> tuple[tuple[Measurement, ...], tuple[ThresholdResult, ...]]:
    rule = draw(
        st.sampled_from(["p95 < 5s", "success_rate >= 95%", "coverage == 100%", "size <= 5MB", "rate > 2/s"])
    )
    threshold = parse(rule)
    value = draw(st.none() | st.fractions(min_value=0, max_value=10**9))
    sample = draw(st.integers(min_value=0, max_value=10**9))
    measurement = Measurement(threshold.metric, value, threshold.limit.unit, sample)
    return (measurement,), (threshold.judge(measurement),)


@st.composite
def _results(draw: st.DrawFn) -> CheckResult:
    gate, outcome = draw(_GATE), draw(st.sampled_from(Outcome))
    cause = None
    if outcome is Outcome.SKIPPED:
        cause = draw(st.sampled_from(sorted(SKIP_CAUSES)))
    elif outcome is Outcome.INCONCLUSIVE:
        cause = draw(st.sampled_from(sorted(set(Cause) - SKIP_CAUSES)))
    measurements, thresholds = draw(st.just(((), ())) | _thresholds())
    return CheckResult(
        f"{gate}.{draw(st.sampled_from(_CHECKS))}[{draw(_TEXT)}]" if draw(st.booleans()) else f"{gate}.m.c",
        gate,
        outcome,
        title=draw(_TEXT),
        resource=draw(_TEXT),
        reason="" if outcome is Outcome.PASSED else draw(_REASON),
        hint=draw(_TEXT),
        cause=cause,
        measurements=measurements,
        thresholds=thresholds,
        evidence=tuple(
            draw(st.lists(st.builds(Evidence, _TEXT, _TEXT, st.just(DIGEST), st.just(3)), max_size=1))
        ),
        findings=draw(_SOME_FINDINGS),
        diagnosis=tuple(draw(st.lists(_TEXT, max_size=2))),
        facts=draw(st.dictionaries(_TEXT, _TEXT, max_size=1)),
        attempts=tuple(
            draw(st.lists(st.builds(Attempt, st.sampled_from(Outcome), _TEXT, _TIMES), max_size=2))
        ),
        flaky=draw(st.booleans()),
        waiver=draw(st.sampled_from(["", "W-1", "W-2"])),
        started=START,
        duration=draw(_TIMES),
    )


@st.composite
def _runs(draw: st.DrawFn) -> Run:
    names = draw(st.lists(_GATE, unique=True, max_size=4))
    expected = tuple(ExpectedGate(name, layer, budget=draw(_TIMES)) for layer, name in enumerate(names))
    runs = tuple(
        GateRun(
            name,
            draw(st.sampled_from([SessionEnd.COMPLETED] * 6 + list(SessionEnd))),
            detail=draw(_TEXT),
            root=draw(st.sampled_from(["", *names])),
            collected=tuple(draw(st.lists(st.just(f"{name}.m.c"), max_size=1))),
            deselected=tuple(draw(st.lists(st.just(f"{name}.m.left_out"), max_size=1)))
            if draw(st.booleans())
            else (),
            duration=draw(_TIMES),
        )
        for name in names
        if draw(st.integers(0, 9))
    )
    checks = tuple(ExpectedCheck(f"{name}.m.c", name) for name in names if draw(st.booleans()))
    results = draw(st.lists(_results(), max_size=6))
    if not draw(st.integers(0, 2)):
        # Left to chance, hardly any run would be GO; these nearly are.
        passes = (CheckResult(f"{name}.m.c", name, Outcome.PASSED) for name in names)
        skips = (
            CheckResult(f"{name}.m.s", name, Outcome.SKIPPED, reason="not there", cause=Cause.ABSENT)
            for name in names
        )
        results = [*passes, *(skips if draw(st.booleans()) else ())]
        runs = tuple(GateRun(name, SessionEnd.COMPLETED) for name in names)
    policy = Policy(
        SKIPS,
        max_flaky=draw(st.integers(0, 2)),
        waivers=draw(st.sampled_from([(), (waiver("W-1", "unit.m.c", **TIMES),)])),
    )
    record = Record(
        policy,
        expected,
        checks,
        runs,
        tuple(results),
        partial=draw(st.booleans()) and draw(st.booleans()),
        at=START,
    )
    return Run(run_info(finished=draw(st.booleans())), record, decide(record))


@pytest.fixture(scope="session")
def runs() -> st.SearchStrategy[Run]:
    """Arbitrary runs, whatever text and outcome they hold, decided by the policy."""
    return _runs()


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples of a property test share; each overwrites what the one before wrote."""
    return tmp_path_factory.mktemp("reports")
