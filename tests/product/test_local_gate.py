"""The main job on the embedded stand-in, and each fault with the decision that the rules call for."""

from dataclasses import dataclass, field

import pytest

from harness.local import FAULTS
from harness.model import Cause, Decision, GateOutcome, Outcome
from product_parts import Done, Product

PASS, FAIL, SKIPPED, BLOCKED = (
    GateOutcome.PASS,
    GateOutcome.FAIL,
    GateOutcome.SKIPPED,
    GateOutcome.BLOCKED,
)


@dataclass(frozen=True)
class Expected:
    """What a fault leads to: exit code, outcomes of gates, and words of the failures."""

    code: int
    gates: dict[str, GateOutcome]
    failing: tuple[str, ...] = ()
    said: tuple[str, ...] = field(default=())


TABLE = {
    "api-slow": Expected(10, {"load": FAIL}, ("load.scenarios.keeps_its_rules",), ("avg_response_time",)),
    "api-errors": Expected(10, {"load": FAIL}, ("load.scenarios.keeps_its_rules",), ("success_rate",)),
    "db-down": Expected(
        10,
        {"integration": FAIL, "load": BLOCKED},
        ("integration.rds.accepts_a_login[rds-local]",),
        ("does not answer",),
    ),
    "queue-missing": Expected(
        10,
        {"integration": FAIL, "load": BLOCKED},
        ("integration.sqs.is_of_its_kind",),
        ("queue", "does not exist"),
    ),
    "service-degraded": Expected(
        10,
        {"integration": FAIL, "load": BLOCKED},
        ("integration.ecs.running_count[api-service-local]",),
        ("1 of 2",),
    ),
    "nothing-deployed": Expected(0, {"integration": SKIPPED, "load": SKIPPED}, (), ()),
    "half-deployed": Expected(
        10,
        {"integration": FAIL, "load": BLOCKED},
        ("integration.ecs.is_active[web-service-local]",),
        ("half deployed",),
    ),
    "low-coverage": Expected(
        10,
        {"unit": FAIL, "integration": BLOCKED},
        ("unit.coverage.reaches_the_bar",),
        ("rule is coverage >= 80%",),
    ),
    "vulnerable-dependency": Expected(
        10,
        {"security": FAIL, "integration": BLOCKED},
        ("security.dependencies.have_no_known_vulnerability",),
        ("starlette",),
    ),
    "insecure-code": Expected(
        10, {"security": FAIL, "integration": BLOCKED}, ("security.code.has_no_weakness",), ("B602",)
    ),
}


def test_every_fault_has_its_row() -> None:
    assert set(TABLE) == set(FAULTS)


UNDER_LOAD = ("api-slow", "api-errors")
"""Those whose load gate decides: a machine that is busy with something else makes the run invalid."""


SAMPLE = ("nothing-deployed", "vulnerable-dependency")
"""One that fails a gate, and what is no fault; all of them are in the long tests."""


def _marks(fault: str) -> list[pytest.MarkDecorator]:
    marks = [(pytest.mark.alone, fault in UNDER_LOAD), (pytest.mark.slow, fault not in SAMPLE)]
    return [mark for mark, holds in marks if holds]


@pytest.mark.parametrize("fault", [pytest.param(name, marks=_marks(name)) for name in TABLE])
def test_a_fault_leads_to_its_decision(product: Product, fault: str) -> None:
    expected = TABLE[fault]
    done = product.local("--fault", fault)
    assert done.code == expected.code, done.stdout + done.stderr
    outcomes = {gate: verdict.outcome for gate, verdict in done.gates.items()}
    assert {gate: outcomes[gate] for gate in expected.gates} == expected.gates
    failed = [name for name, result in done.results.items() if result.outcome is Outcome.FAILED]
    for start in expected.failing:
        assert any(name.startswith(start) for name in failed), failed
    told = " ".join(f"{result.reason} {result.diagnosis}" for result in done.not_passed.values())
    for word in expected.said:
        assert word in told
    for result in done.not_passed.values():
        assert result.reason
        assert result.hint, f"{result.id} does not say what to do"
    if fault in ALSO:
        ALSO[fault](done)


def _says_that_nothing_is_deployed(done: Done) -> None:
    """A clean skip, and said."""
    assert done.verdict.decision is Decision.GO
    assert done.gates["integration"].cause is Cause.ABSENT
    assert done.gates["load"].cause is Cause.DEPENDENCY_NOT_PROVEN
    assert any(reason.code == "skipped" for reason in done.verdict.decided.reasons)
    assert "absent" in done.stdout


def _names_everything_that_is_missing(done: Done) -> None:
    asked = {result.resource for result in done.results.values() if result.reason.startswith("half deployed")}
    assert len(asked) >= 3
    for resource in asked:
        assert resource in done.stdout


ALSO = {
    "nothing-deployed": _says_that_nothing_is_deployed,
    "half-deployed": _names_everything_that_is_missing,
}
"""What else must be seen in a run with the fault."""


@pytest.mark.alone
def test_the_whole_job_ends_go_with_real_figures(product: Product) -> None:
    done = product.local()
    assert done.code == 0, done.stdout + done.stderr
    assert {gate.outcome for gate in done.gates.values()} == {PASS}
    assert {"subject", "unit", "lint", "security", "integration", "load"} == set(done.gates)
    names = {subject.name for subject in done.verdict.info.subjects}
    assert names == {"source", "api", "web"}
    measured = {m.metric: m for result in done.results.values() for m in result.measurements}
    assert measured["coverage"].sample > 100
    assert (measured["tests"].value or 0) > 10
    load = [m.sample for m in done.results["load.scenarios.keeps_its_rules[api-rate]"].measurements]
    assert min(load) >= 20
    digests = {s.name: s.digest["sha256"] for s in done.verdict.info.subjects}
    images = [part for name in ("api", "web") for part in ("--image", f"{name}@sha256:{digests[name]}")]
    quick = product.run("verify", "--profile", "local", *images)
    # The shorter scenarios of this test are a looser policy, and verify says so.
    assert quick.returncode == 14
    assert "policy" in quick.stdout + quick.stderr


def test_after_the_deploy_the_released_bytes_must_run(product: Product) -> None:
    done = product.local(phase="post-deploy")
    assert done.code == 0, done.stdout + done.stderr
    assert {gate.outcome for gate in done.gates.values()} == {PASS}


@pytest.mark.slow
def test_after_the_deploy_a_database_that_is_down_is_no_go(product: Product) -> None:
    assert product.local("--fault", "db-down", phase="post-deploy").code == 10
