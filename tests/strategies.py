"""Hypothesis strategies for the domain types: records as a run writes them, and records as nobody should.

`planned_records` are consistent: every check that reported was announced, roots are what they are said to be, rules
were judged by what was measured. `wild_records` put anything beside anything. `spoilt_records` would be GO but for
a thing or two that somebody changed. `records` draws from all.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from fractions import Fraction

from hypothesis import strategies as st

from harness import threshold
from harness.model import (
    SKIP_CAUSES,
    Attempt,
    Cause,
    CheckResult,
    Decision,
    Evidence,
    ExpectedCheck,
    ExpectedGate,
    Finding,
    GateOutcome,
    GateRun,
    GateVerdict,
    Measurement,
    Outcome,
    Policy,
    Record,
    SessionEnd,
    Subject,
    ThresholdResult,
    Unit,
)
from harness.policy import decide
from records import DAY, RAN, waiver

GATES = ("subject", "unit", "integration", "load")
TOLD_CAUSES = tuple(sorted(SKIP_CAUSES - {Cause.DEPENDENCY_NOT_PROVEN}))
EMPTY_CAUSES = tuple(sorted(set(Cause) - SKIP_CAUSES))
WAIVERS = tuple(
    waiver(f"W-{gate}.{check}", f"{gate}.suite.{check}") for gate in (*GATES, "ghost") for check in "abc"
)
"""One that holds for every check that is drawn, by name: ``W-unit.a``."""
OVER = tuple(replace(each, id=each.id.replace("W", "X", 1), expires=RAN - DAY / 2) for each in WAIVERS)
"""The same, but over: ``X-unit.a``."""
RULES = (
    "success_rate >= 95%",
    "error_rate <= 0.1% for 5m",
    "avg_response_time < 2s",
    "rate > 2/s",
    "size <= 1.5MB",
    "zones == 3",
)

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda text: bool(text.strip()))
exact = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**9)
seconds = st.floats(min_value=0, max_value=1e6)
_hex = st.text("0123456789abcdef", min_size=64, max_size=64)
_facts = st.dictionaries(words, words, max_size=2)


def measurements() -> st.SearchStrategy[Measurement]:
    """Any number, or nothing, with any sample."""
    return st.builds(
        Measurement,
        words,
        st.none() | exact,
        st.sampled_from(Unit),
        st.integers(min_value=0, max_value=10**6),
    )


@st.composite
def judged(draw: st.DrawFn, *, kept: bool) -> tuple[Measurement, ThresholdResult]:
    """A measurement with a rule that it keeps, or does not keep."""
    rule = threshold.parse(draw(st.sampled_from(RULES)))
    distance = draw(st.sampled_from((Fraction(1, 10**12), Fraction(1, 3), Fraction(1))))
    low, high = rule.limit.value - distance, rule.limit.value + distance
    at = rule.limit.value
    keeping = {">=": [at, high], "<=": [at, low], "<": [low], ">": [high], "==": [at]}[rule.op]
    breaking = {">=": [low], "<=": [high], "<": [at, high], ">": [at, low], "==": [low, high]}[rule.op]
    value = draw(st.sampled_from(keeping if kept else breaking))
    seen = Measurement(rule.metric, value, rule.limit.unit, draw(st.integers(1, 1000)))
    return seen, rule.judge(seen)


def thresholds() -> st.SearchStrategy[ThresholdResult]:
    """Results of rules that need not be true of anything."""
    return st.builds(
        ThresholdResult,
        threshold=st.sampled_from(RULES) | words,
        metric=st.sampled_from(("success_rate", "rate", "zones")),
        actual=st.none() | exact,
        limit=exact,
        unit=st.sampled_from(Unit),
        sample=st.integers(0, 10),
        held=st.sampled_from((True, False, None)),
    )


def policies() -> st.SearchStrategy[Policy]:
    """The rules of any profile: every cause that can be judged has a decision, some of them unlikely."""
    told = st.fixed_dictionaries(
        {
            cause: st.sampled_from((Decision.GO, Decision.INCONCLUSIVE, Decision.NO_GO, Decision.ERROR))
            for cause in TOLD_CAUSES
        }
    )
    return st.builds(Policy, told, st.integers(0, 2), st.sampled_from(((), WAIVERS, (*WAIVERS, *OVER))))


def named(check: str) -> tuple[str, str]:
    """The ids of the waivers of a check: the one that holds, and the one that is over."""
    gate, _, name = check.split(".")
    return f"W-{gate}.{name}", f"X-{gate}.{name}"


@st.composite
def results(
    draw: st.DrawFn,
    gate: str,
    check: str,
    outcomes: Sequence[Outcome] = tuple(Outcome),
    *,
    honest: bool = True,
) -> CheckResult:
    """What a check came to; `honest` ones judged what they measured, and a failure of theirs may be waived."""
    outcome = draw(st.sampled_from(outcomes))
    cause = {
        Outcome.SKIPPED: st.sampled_from(TOLD_CAUSES if honest else sorted(SKIP_CAUSES)),
        Outcome.INCONCLUSIVE: st.sampled_from(EMPTY_CAUSES),
    }.get(outcome, st.none())
    seen = [
        draw(judged(kept=outcome is Outcome.PASSED or draw(st.booleans())))
        for _ in range(draw(st.integers(0, 2)))
    ]
    other = [] if honest else draw(st.lists(thresholds(), max_size=2))
    return CheckResult(
        check,
        gate,
        outcome,
        reason="" if outcome is Outcome.PASSED else draw(st.sampled_from(("it broke", "nothing there"))),
        cause=draw(cause),
        measurements=tuple(each for each, _ in seen),
        thresholds=(*(each for _, each in seen), *other),
        waiver=draw(st.sampled_from(("", *named(check), "W-2"))) if outcome is Outcome.FAILED else "",
        flaky=outcome is Outcome.PASSED and draw(st.integers(0, 9)) == 9,
    )


@st.composite
def planned_records(draw: st.DrawFn, *, healthy: bool | None = None) -> Record:
    """A record as a run writes it. `healthy` ones are mostly GO; by default both kinds are drawn."""
    well = draw(st.booleans()) if healthy is None else healthy
    policy = draw(policies())
    gates: list[ExpectedGate] = []
    checks: list[ExpectedCheck] = []
    runs: list[GateRun] = []
    reported: list[CheckResult] = []
    layer = 0
    for name in GATES[: draw(st.integers(1, len(GATES)))]:
        layer += draw(st.integers(0, 1)) if gates else 0
        before = [gate.name for gate in gates if gate.layer < layer]
        depends = tuple(draw(st.lists(st.sampled_from(before), unique=True))) if before else ()
        ids = [f"{name}.suite.{letter}" for letter in "abc"[: draw(st.integers(1, 3))]]
        gates.append(ExpectedGate(name, layer, draw(st.integers(0, len(ids))), depends))
        checks += [
            ExpectedCheck(each, name, mandatory=draw(st.booleans())) for each in ids if draw(st.booleans())
        ]
        verdicts = decide(
            Record(policy, tuple(gates[:-1]), tuple(checks), tuple(runs), tuple(reported), at=RAN)
        ).gates
        run, new = draw(_session(gates[-1], ids, verdicts, healthy=well))
        runs.append(run)
        reported += new
    return Record(policy, tuple(gates), tuple(checks), tuple(runs), tuple(reported), at=RAN)


@st.composite
def _session(
    draw: st.DrawFn, gate: ExpectedGate, ids: Sequence[str], earlier: Sequence[GateVerdict], *, healthy: bool
) -> tuple[GateRun, list[CheckResult]]:
    """How one gate went, beside what went before it."""
    failed = [
        v for v in earlier if v.layer < gate.layer and v.outcome in (GateOutcome.FAIL, GateOutcome.ERROR)
    ]
    skipped = [v for v in earlier if v.gate in gate.depends and v.outcome is GateOutcome.SKIPPED]
    keep_going = draw(st.booleans())
    if failed and not keep_going:
        return GateRun(gate.name, SessionEnd.BLOCKED, root=failed[0].gate), []
    if skipped:
        return GateRun(gate.name, SessionEnd.DEPENDENCY, root=skipped[0].gate), []
    likely = (Outcome.PASSED, Outcome.PASSED, Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED)
    outcomes: Sequence[Outcome] = likely[: draw(st.integers(1, 4))] if healthy else tuple(Outcome)
    told = ids if healthy else [each for each in ids if draw(st.integers(0, 5))]
    found = [draw(results(gate.name, each, outcomes)) for each in told]
    end = SessionEnd.COMPLETED
    if not healthy and draw(st.integers(0, 3)) == 3:
        end = draw(
            st.sampled_from(
                (SessionEnd.CRASHED, SessionEnd.BUDGET, SessionEnd.MEMORY, SessionEnd.INTERRUPTED)
            )
        )
    code = draw(st.sampled_from((None, int(any(each.outcome is not Outcome.PASSED for each in found)))))
    return GateRun(gate.name, end, collected=tuple(ids), exit_code=code), found


@st.composite
def wild_records(draw: st.DrawFn) -> Record:
    """Anything beside anything: doubled gates and checks, sessions of strangers, roots that are none."""
    names = (*GATES[1:], "ghost")
    name = st.sampled_from(names)
    check = st.builds("{}.suite.{}".format, name, st.sampled_from("ab"))
    ids = st.lists(check, max_size=2).map(tuple)
    gates = st.builds(
        ExpectedGate, name, st.integers(0, 2), st.integers(0, 2), st.lists(name, max_size=2).map(tuple)
    )
    runs = st.builds(
        GateRun,
        name,
        st.sampled_from([*SessionEnd, *[SessionEnd.COMPLETED] * 6]),
        root=st.sampled_from(("", *names)),
        collected=ids,
        deselected=st.just(()) | ids,
        exit_code=st.sampled_from((None, 0, 1, 2, 5, -9)),
    )
    found = [draw(results(draw(name), draw(check), honest=False)) for _ in range(draw(st.integers(0, 4)))]
    return Record(
        draw(policies() | st.just(Policy({}))),
        tuple(draw(st.lists(gates, max_size=3))),
        tuple(draw(st.lists(st.builds(ExpectedCheck, check, name, st.just(""), st.booleans()), max_size=3))),
        tuple(draw(st.lists(runs, max_size=4))),
        tuple(found),
        draw(st.booleans()),
        draw(st.none() | st.just(RAN)),
    )


def _spoil_result(draw: st.DrawFn, result: CheckResult) -> tuple[CheckResult, ...]:
    """One result, changed in one way; or lost, or doubled."""
    ways: list[tuple[CheckResult, ...]] = [
        (),
        (result, result),
        (replace(result, outcome=Outcome.FAILED, cause=None, reason="it broke", waiver="W-2"),),
        (replace(result, outcome=Outcome.FAILED, cause=None, reason="it broke", waiver=named(result.id)[0]),),
        (replace(result, outcome=Outcome.SKIPPED, cause=Cause.ABSENT, reason="nothing there"),),
        (replace(result, measurements=()),),
        (replace(result, flaky=True),),
        *((replace(result, thresholds=(each,)),) for each in _spoilt_thresholds(result)),
    ]
    return draw(st.sampled_from(ways))


def _spoilt_thresholds(result: CheckResult) -> list[ThresholdResult]:
    return [
        changed
        for each in result.thresholds
        for changed in (
            replace(each, actual=each.limit - 1),
            replace(each, actual=each.limit + 1),
            replace(each, actual=None, held=None),
            replace(each, threshold=each.threshold.replace("for", "for 1m,")),
            replace(
                each, threshold="rate > 9999/s", metric="rate", limit=Fraction(9999), unit=Unit.PER_SECOND
            ),
        )
    ]


@st.composite
def spoilt_records(draw: st.DrawFn) -> Record:
    """Records that would be GO, had nobody changed a thing or two."""
    kind = draw(st.sampled_from(("lenient", "as drawn")))
    record = draw(planned_records(healthy=True))
    if kind == "lenient":
        record = replace(record, policy=Policy(dict.fromkeys(TOLD_CAUSES, Decision.GO), 1, WAIVERS))
    for _ in range(draw(st.integers(1, 2))):
        record = draw(_spoilt(record))
    return record


@st.composite
def _spoilt(draw: st.DrawFn, record: Record) -> Record:
    """One change to a record."""
    place = draw(st.integers(0, len(record.gates) - 1))
    gate = record.gates[place]
    match draw(st.sampled_from(("result", "result", "result", "session", "gate", "policy", "empty"))):
        case "result" if record.results:
            at = draw(st.integers(0, len(record.results) - 1))
            new = _spoil_result(draw, record.results[at])
            return replace(record, results=(*record.results[:at], *new, *record.results[at + 1 :]))
        case "session":
            change = draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "end": st.sampled_from(SessionEnd),
                        "exit_code": st.sampled_from((0, 1, 2, 5)),
                        "deselected": st.just((f"{gate.name}.suite.x",)),
                        "root": st.sampled_from(GATES),
                    },
                )
            )
            runs = tuple(replace(run, **change) if run.gate == gate.name else run for run in record.runs)
            return replace(record, runs=runs)
        case "gate":
            new_gate = replace(
                gate, min_checks=draw(st.integers(0, 4)), layer=draw(st.integers(0, 2)), depends=()
            )
            return replace(record, gates=(*record.gates[:place], new_gate, *record.gates[place + 1 :]))
        case "policy":
            kept = draw(st.sets(st.sampled_from(TOLD_CAUSES)))
            skips = {cause: record.policy.skips[cause] for cause in sorted(kept & set(record.policy.skips))}
            return replace(record, policy=Policy(skips, draw(st.integers(0, 1)), record.policy.waivers))
        case _:
            return replace(
                record,
                gates=(*record.gates[:place], replace(gate, min_checks=0), *record.gates[place + 1 :]),
                checks=tuple(each for each in record.checks if each.gate != gate.name),
                runs=tuple(
                    run if run.gate != gate.name else GateRun(gate.name, run.end) for run in record.runs
                ),
                results=tuple(each for each in record.results if each.gate != gate.name),
            )


def records() -> st.SearchStrategy[Record]:
    """Records of every kind, GO among them."""
    return (
        planned_records(healthy=True)
        | planned_records()
        | spoilt_records()
        | spoilt_records()
        | wild_records()
    )


def full_results() -> st.SearchStrategy[CheckResult]:
    """Results with every field filled in, for whatever writes or reads them."""
    plain = st.builds(
        CheckResult,
        id=words,
        gate=words,
        outcome=st.sampled_from((Outcome.PASSED, Outcome.FAILED, Outcome.ERROR)),
        title=words,
        resource=words,
        reason=words,
        hint=words,
        measurements=st.lists(measurements(), max_size=2).map(tuple),
        thresholds=st.lists(thresholds(), max_size=2).map(tuple),
        evidence=st.lists(
            st.builds(Evidence, words, words, _hex, st.integers(0, 10**9), words), max_size=2
        ).map(tuple),
        findings=st.lists(
            st.builds(Finding, words, words, words, words, st.integers(0, 10**5)), max_size=2
        ).map(tuple),
        diagnosis=st.lists(words, max_size=2).map(tuple),
        facts=_facts,
        subjects=st.lists(
            st.builds(Subject, words, st.fixed_dictionaries({"sha256": _hex}), words, _facts), max_size=1
        ).map(tuple),
        attempts=st.lists(st.builds(Attempt, st.sampled_from(Outcome), words, seconds), max_size=2).map(
            tuple
        ),
        flaky=st.booleans(),
        waiver=words,
        started=st.none() | st.datetimes(timezones=st.just(UTC)),
        duration=seconds,
    )
    return plain | results("unit", "unit.suite.a", (Outcome.SKIPPED, Outcome.INCONCLUSIVE))
