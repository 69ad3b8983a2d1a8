"""The shipped suites of the static gates, run in sessions of their own as the supervisor does."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from harness.gates import tables
from harness.gates.lint import LintConfig
from harness.gates.security import SecurityConfig
from harness.gates.subject import SubjectConfig
from harness.gates.unit import UnitConfig
from harness.model import Cause, CheckResult, Outcome, Phase, Subject

RunGate = Callable[..., dict[str, CheckResult]]


def expected(gate: str, config: UnitConfig | LintConfig | SecurityConfig | SubjectConfig) -> set[str]:
    return {check.id.removeprefix(f"{gate}.") for check in config.expected(gate, None, Phase.PRE_DEPLOY)}


def test_unit_passes_with_its_figures_and_evidence(run_gate: RunGate, root: Path) -> None:
    results = run_gate("unit")
    assert set(results) == expected("unit", UnitConfig())
    tests, coverage = results["tests.all_pass"], results["coverage.reaches_the_bar"]
    assert tests.outcome is coverage.outcome is Outcome.PASSED, results
    assert {evidence.name for evidence in tests.evidence} == {"junit.xml", "pytest.out", "pytest.err"}
    (threshold,) = coverage.thresholds
    assert (threshold.actual, threshold.limit, threshold.held) == (Fraction(1), Fraction(4, 5), True)
    assert [evidence.name for evidence in coverage.evidence] == ["coverage.json"]
    assert (root / "reports/unit" / coverage.evidence[0].path).is_file()


def test_coverage_below_the_bar_fails_with_the_worst_files(run_gate: RunGate, root: Path) -> None:
    (root / "app/src/deep").mkdir()
    (root / "app/src/deep/never.py").write_text("x = 1\ny = 2\n")
    coverage = run_gate("unit")["coverage.reaches_the_bar"]
    assert coverage.outcome is Outcome.FAILED
    assert coverage.reason == "coverage is 50 %, the rule is coverage >= 80%"
    assert "src/deep/never.py: 0 %, 2 of 2 not run (lines 1-2)" in coverage.diagnosis


def test_a_run_that_broke_is_an_error_of_both_checks(run_gate: RunGate, root: Path) -> None:
    (root / "app/tests/test_exit.py").write_text("import os\n\n\ndef test_exit():\n    os._exit(0)\n")
    results = run_gate("unit")
    assert {result.outcome for result in results.values()} == {Outcome.ERROR}
    assert "no test report was written" in results["tests.all_pass"].reason


def test_lint_has_a_check_for_each_command(run_gate: RunGate, root: Path) -> None:
    (root / "app/src/bad.py").write_text("import os\n")
    results = run_gate("lint")
    assert set(results) == expected("lint", LintConfig())
    assert results["linters.finds_nothing[ruff-format]"].outcome is Outcome.PASSED
    found = results["linters.finds_nothing[ruff-check]"]
    assert found.outcome is Outcome.FAILED
    assert [(finding.rule, finding.path) for finding in found.findings] == [("F401", "src/bad.py")]


def test_security_reads_code_and_dependencies(run_gate: RunGate) -> None:
    results = run_gate("security")
    assert set(results) == expected("security", SecurityConfig())
    assert {result.outcome for result in results.values()} == {Outcome.PASSED}, results
    facts = results["dependencies.have_no_known_vulnerability"].facts
    assert (facts["advisory_source"], facts["advisory_records"]) == ("one record", "1")


def test_security_fails_on_either(run_gate: RunGate, root: Path) -> None:
    (root / "app/requirements.txt").write_text("jinja2==2.10\n")
    (root / "app/src/weak.py").write_text("import hashlib\n\nhashlib.md5(b'')\n")
    results = run_gate("security")
    assert {result.outcome for result in results.values()} == {Outcome.FAILED}
    assert results["dependencies.have_no_known_vulnerability"].findings[0].path == "requirements.txt"


def test_security_without_an_advisory_source_is_unavailable(run_gate: RunGate) -> None:
    found = run_gate("security", 'gates.security.safety.advisories="nowhere"')
    result = found["dependencies.have_no_known_vulnerability"]
    assert (result.outcome, result.cause) == (Outcome.INCONCLUSIVE, Cause.UNAVAILABLE)
    assert SecurityConfig().safety.mirror(Path("/")) is None


def test_a_committed_source_is_its_commit(run_gate: RunGate, commit: Callable[[], str]) -> None:
    made = commit()
    results = run_gate("subject", "app.require_clean=true")
    assert set(results) == expected("subject", SubjectConfig())
    found = results["source.committed"]
    assert found.outcome is Outcome.PASSED, found
    assert [dict(subject.digest) for subject in found.subjects] == [{"gitCommit": made}]


@pytest.mark.parametrize("has_commit", [True, False])
def test_a_source_that_no_commit_names_is_inconclusive_where_the_profile_says_so(
    run_gate: RunGate, root: Path, commit: Callable[[], str], has_commit: bool
) -> None:
    if has_commit:
        commit()
        (root / "app/new.py").write_text("")
    found = run_gate("subject", "app.require_clean=true")["source.committed"]
    assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.UNCOMMITTED)
    assert found.subjects[0].digest["sha256"]
    if has_commit:
        assert found.diagnosis == ("not committed: new.py",)


def test_elsewhere_a_changed_source_passes_and_says_so(run_gate: RunGate) -> None:
    found = run_gate("subject")["source.committed"]
    assert found.outcome is Outcome.PASSED
    assert found.facts["tree"] == "dirty"


def test_a_source_that_changes_under_way_is_an_error(run_gate: RunGate) -> None:
    found = run_gate("subject", subjects=(Subject("source", {"sha256": "0" * 64}),))["source.committed"]
    assert found.outcome is Outcome.ERROR
    assert "changed while the run was under way" in found.reason


def test_an_image_that_the_profile_does_not_know_is_an_error(
    run_gate: RunGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x" * 20)
    found = run_gate("subject", images={"nope": "v1"})["images.resolve[nope]"]
    assert found.outcome is Outcome.ERROR
    assert "the profile knows no image 'nope' (it knows: api)" in found.reason


def test_the_tables_hold_these_gates() -> None:
    assert {"subject", "unit", "lint", "security"} <= set(tables().gates)
