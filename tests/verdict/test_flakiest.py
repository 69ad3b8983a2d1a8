"""The flakiest checks of a history."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from harness.model import Attempt, Cause, Outcome
from harness.verdict.flakiest import Flaky, flakiest
from harness.verdict.statement import Verdict

TESTS, BAR = "unit.tests.all_pass", "unit.coverage.reaches_the_bar"
TRIED = (Attempt(Outcome.FAILED, "not yet", 1.0), Attempt(Outcome.PASSED, "", 1.0))


def run(case: Any, number: int, **changes: Mapping[str, Any]) -> Verdict:
    started = case.info.started + timedelta(hours=number)
    info = replace(case.info, run_id=f"r{number}", started=started, finished=None, expires=None)
    results = tuple(replace(r, **changes.get(r.id, {})) for r in case.record.results)
    return Verdict(info, replace(case.record, results=results), case.decided, {}, "")


def test_the_highest_rate_comes_first_with_runs_failures_and_the_last_time(case: Any) -> None:
    failed: Mapping[str, Any] = {"outcome": Outcome.FAILED, "reason": "no"}
    again: Mapping[str, Any] = {"attempts": TRIED}
    gone: Mapping[str, Any] = {"outcome": Outcome.SKIPPED, "reason": "gone", "cause": Cause.ABSENT}
    verdicts = [
        run(case, 1, **{TESTS: again, BAR: gone}),
        run(case, 3, **{TESTS: failed}),
        run(case, 2, **{TESTS: again, BAR: {"flaky": True}}),
        run(case, 4),
    ]
    start = case.info.started
    assert flakiest(iter([*verdicts, verdicts[0]])) == (
        Flaky(TESTS, 4, 2, 1, start + timedelta(hours=2)),
        Flaky(BAR, 3, 1, 0, start + timedelta(hours=2)),
    )
    assert flakiest(verdicts)[0].rate == Fraction(1, 2)


def test_a_steady_history_has_none(case: Any) -> None:
    assert flakiest([run(case, 1), run(case, 2)]) == ()
    assert flakiest([]) == ()
