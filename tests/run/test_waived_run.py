"""A run with waivers: the check runs all the same, is shown with its real result, and the decision names the waiver."""

from datetime import UTC, datetime, timedelta

import pytest

from engine_parts import GOOD, Repo
from harness.model import CheckResult, Decision, Outcome

BAD = """
from harness.model import Finding
def test_bad(check):
    check.finding(Finding("X1", "a problem", path="a.py"))
    check.finding(Finding("X2", "another", path="b.py"))
    check.finding(Finding("X3", "below the bar", counts=False))
    check.fail("2 problems", of_findings=True)
"""
TODAY = datetime.now(UTC).date()


def waivers(*entries: str, expires: object = TODAY + timedelta(days=30)) -> str:
    return "".join(
        f"""
[[waivers]]
id = "W-{number}"
{entry}
scope = {{ environment = ["p"] }}
owner = "ana"
reason = "it is known and harmless"
created = {TODAY - timedelta(days=40)}
expires = {expires}
"""
        for number, entry in enumerate(entries, 1)
    )


def result(repo: Repo) -> CheckResult:
    return next(each for each in repo.verdict.record.results if each.id == "smoke.mine.bad")


def test_a_waived_check_runs_and_is_told(repo: Repo) -> None:
    repo.suite(GOOD, BAD)
    repo.write("profiles/waivers.toml", waivers('check = "smoke.mine.bad"', 'check = "smoke.mine.good"'))
    done = repo.gate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result(repo).outcome, result(repo).waiver) == (Outcome.FAILED, "W-1")
    codes = {reason.code: reason.text for reason in repo.verdict.decided.reasons}
    assert set(codes) == {"waived", "waiver_unused"}
    assert "waived by W-1 (ana, until" in codes["waived"]
    assert "it is known and harmless" in done.stdout
    assert "Waivers to look at" in done.stdout
    (summary,) = repo.root.glob("reports/p/pre-deploy/runs/*/summary.md")
    assert "## Waived" in summary.read_text()
    assert repo.run("explain", "--profile", "p").returncode == 0


def test_findings_are_waived_all_together_or_not_at_all(repo: Repo) -> None:
    repo.suite(GOOD, BAD)
    one, two = 'finding = "X1"\npath = "a.py"', 'finding = "X2"'
    repo.write("profiles/waivers.toml", waivers(one))
    assert repo.gate().returncode == 10
    assert [each.waiver for each in result(repo).findings] == ["W-1", "", ""]
    repo.write("profiles/waivers.toml", waivers(one, two))
    assert repo.gate().returncode == 0
    assert result(repo).waivers == ("W-1", "W-2")
    assert "waiver_broad" in {reason.code for reason in repo.verdict.decided.reasons}


def test_a_waiver_that_is_over_waives_nothing_and_is_told(repo: Repo) -> None:
    repo.suite(GOOD, BAD)
    repo.write(
        "profiles/waivers.toml", waivers('check = "smoke.mine.bad"', expires=TODAY - timedelta(days=1))
    )
    assert repo.gate().returncode == 10
    assert {reason.code for reason in repo.verdict.decided.reasons} == {"failed", "waiver_expired"}


@pytest.mark.parametrize(
    "arguments", [(), pytest.param(("--set", "policy.waivers=other-waivers.toml"), marks=pytest.mark.slow)]
)
def test_a_file_that_cannot_be_read_is_an_error_and_nothing_runs(
    repo: Repo, arguments: tuple[str, ...]
) -> None:
    assert repo.gate().returncode == 0
    repo.write("profiles/waivers.toml", waivers('check = "smoke.*"'))
    done = repo.gate(*arguments)
    assert done.returncode == 12
    assert repo.verdict.decision is Decision.ERROR
    (first, *_) = repo.verdict.decided.reasons
    assert first.code == "waivers_malformed"
    assert "waivers.toml:" in first.text
    assert first.text in done.stdout.replace("\n", " ") or "waivers.toml" in done.stdout
    assert repo.verdict.record.results == ()


def test_commands_tell_what_is_wrong_and_what_to_look_at(repo: Repo) -> None:
    repo.write("profiles/waivers.toml", waivers('check = "smoke.mine.goood"', 'finding = "B324"'))
    checked = repo.run("waivers", "check")
    assert checked.returncode == 0, checked.stderr
    assert (
        "W-1: no profile of its scope expects smoke.mine.goood; did you mean 'smoke.mine.good'?"
        in checked.stdout
    )
    assert "W-2: is broad: it covers the rule in every file" in checked.stdout
    listed = repo.run("waivers", "list", "--profile", "p")
    assert "W-2  until" in listed.stdout
    assert "p; ana: it is known and harmless" in listed.stdout
    repo.write("profiles/waivers.toml", waivers('check = "smoke.*"'))
    for command in ("check", "list"):
        refused = repo.run("waivers", command)
        assert refused.returncode == 64
        assert "waivers[0].check" in refused.stdout + refused.stderr
