"""A check that is tried again: every attempt is kept, and nothing but a failure or an error is tried twice."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine_parts import GOOD, Repo
from harness.model import CheckResult, Decision, Outcome

ONCE = """
import pathlib
def test_recovers(check):
    seen = pathlib.Path("tries.txt")
    tries = seen.read_text() if seen.is_file() else ""
    seen.write_text(tries + "x")
    check.fact("tries_before", len(tries))
    check.evidence("seen.txt", "try " + str(len(tries) + 1))
    assert tries, "not yet"
"""


def result(repo: Repo, check: str = "smoke.mine.recovers") -> CheckResult:
    return next(each for each in repo.verdict.record.results if each.id == check)


def events(repo: Repo, name: str) -> list[Mapping[str, Any]]:
    (path,) = repo.root.glob("reports/p/pre-deploy/runs/*/ledger.jsonl")
    return [event for line in path.read_text().splitlines() if (event := json.loads(line))["event"] == name]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_pass_after_a_failure_is_flaky_with_every_attempt_kept(repo: Repo, workers: int) -> None:
    repo.suite(GOOD, ONCE)
    settings = ["gates.smoke.retries=2", "policy.max_flaky=1", f"gates.smoke.workers={workers}"]
    done = repo.gate(*(part for setting in settings for part in ("--set", setting)))
    assert done.returncode == 0, done.stdout + done.stderr
    seen = result(repo)
    assert (seen.outcome, seen.flaky, seen.facts) == (Outcome.PASSED, True, {"tries_before": "1"})
    assert [(each.outcome, each.reason) for each in seen.attempts] == [
        (Outcome.FAILED, "not yet"), (Outcome.PASSED, "")
    ]  # fmt: skip
    assert seen.duration == pytest.approx(sum(each.duration for each in seen.attempts), abs=1e-3)
    assert [reason.code for reason in repo.verdict.decided.reasons] == ["flaky"]
    assert len(events(repo, "attempt")) == 1
    assert "Passed only when tried again" in done.stdout


def test_the_evidence_of_each_attempt_is_kept_apart(repo: Repo) -> None:
    repo.suite(GOOD, ONCE)
    repo.gate("--set", "gates.smoke.retries=1", "--set", "policy.max_flaky=1")
    (folder,) = repo.root.glob("reports/p/pre-deploy/runs/*")
    content = {each.name: (folder / each.path).read_text() for each in result(repo).evidence}
    assert content["seen.txt"] == "try 2"
    assert content["attempt 1: seen.txt"] == "try 1"
    assert "not yet" in content["attempt 1: traceback.txt"]
    assert len({each.path for each in result(repo).evidence}) == 3


def test_a_flaky_check_beyond_the_budget_is_no_go(repo: Repo) -> None:
    repo.suite(GOOD, ONCE)
    assert repo.gate("--set", "gates.smoke.retries=1").returncode == 10
    assert result(repo).flaky


def test_without_retries_it_fails_at_once(repo: Repo) -> None:
    repo.suite(GOOD, ONCE)
    assert repo.gate().returncode == 10
    assert (result(repo).outcome, result(repo).attempts) == (Outcome.FAILED, ())
    assert (repo.root / "tries.txt").read_text() == "x"


def test_a_marker_says_it_for_one_check_and_what_fails_to_the_end_has_failed(repo: Repo) -> None:
    counts = "import pathlib, pytest\n@pytest.mark.retries({})\ndef test_{}():\n    {}\n"
    repo.suite(
        GOOD,
        counts.format(2, "never", "assert False, 'never'"),
        counts.format(0, "not_this", "assert False, 'once'"),
    )
    assert repo.gate("--set", "gates.smoke.retries=1").returncode == 10
    never, once = result(repo, "smoke.mine.never"), result(repo, "smoke.mine.not_this")
    assert (never.outcome, len(never.attempts), never.flaky) == (Outcome.FAILED, 3, False)
    assert once.attempts == ()


def test_a_fixture_is_made_anew_for_each_try_and_an_error_may_be_tried_again(repo: Repo) -> None:
    repo.suite(
        GOOD,
        "import pytest\n_made = []\n@pytest.fixture\ndef thing():\n    _made.append(1)\n    yield len(_made)\n"
        "    if len(_made) == 1:\n        raise OSError('left behind')\n"
        "def test_uses_it(thing, check):\n    check.fact('thing', thing)\n",
    )
    done = repo.gate("--set", "gates.smoke.retries=1", "--set", "policy.max_flaky=1")
    assert done.returncode == 0, done.stdout + done.stderr
    seen = result(repo, "smoke.mine.uses_it")
    assert [each.outcome for each in seen.attempts] == [Outcome.ERROR, Outcome.PASSED]
    assert seen.facts == {"thing": "2"}


UNCHANGING = {
    "skips": ("check.skip(Cause.UNREACHABLE, 'gone')", Outcome.SKIPPED),
    "is_empty": ("check.inconclusive(Cause.NOTHING_CHECKED, 'empty')", Outcome.INCONCLUSIVE),
    "is_denied": ("raise Denied('access denied: sqs:SendMessage', hint='allow it')", Outcome.ERROR),
    "leaks": (
        "check.finding(Finding('leak', 'a key', 'secret')); check.fail('a key is in the image')",
        Outcome.FAILED,
    ),
}


def test_what_would_not_change_is_not_tried_again(repo: Repo) -> None:
    head = "from harness.model import Cause, Finding\nfrom harness.aws.faults import Denied\n_tries = set()\n"
    body = "def test_{0}(check):\n    if '{0}' not in _tries:\n        _tries.add('{0}')\n        {1}\n"
    repo.suite(GOOD, head, *(body.format(name, text) for name, (text, _) in UNCHANGING.items()))
    assert repo.gate("--set", "gates.smoke.retries=3", "--set", "policy.max_flaky=9").returncode == 12
    for name, (_, outcome) in UNCHANGING.items():
        seen = result(repo, f"smoke.mine.{name}")
        assert (seen.outcome, seen.attempts) == (outcome, ()), name


def test_a_skip_after_a_failure_leaves_the_failure(repo: Repo) -> None:
    repo.suite(
        GOOD,
        "from harness.model import Cause\n_tries = []\ndef test_fades(check):\n    _tries.append(1)\n"
        "    assert len(_tries) > 1, 'broken'\n    check.skip(Cause.ABSENT, 'gone')\n",
    )
    assert repo.gate("--set", "gates.smoke.retries=1", "--set", "policy.max_flaky=9").returncode == 10
    seen = result(repo, "smoke.mine.fades")
    assert (seen.outcome, seen.reason) == (Outcome.FAILED, "broken")
    assert [each.outcome for each in seen.attempts] == [Outcome.FAILED, Outcome.SKIPPED]
    assert repo.verdict.decision is Decision.NO_GO


@pytest.mark.parametrize(
    "arguments", ["", *(pytest.param(odd, marks=pytest.mark.slow) for odd in ("6", "'two'"))]
)
def test_an_odd_marker_breaks_the_gate_by_name(repo: Repo, arguments: str) -> None:
    repo.suite(GOOD, f"import pytest\n@pytest.mark.retries({arguments})\ndef test_odd():\n    pass\n")
    done = repo.gate()
    assert done.returncode == 12
    assert "smoke.mine.odd: retries takes one number, from 0 to 5" in done.stdout
