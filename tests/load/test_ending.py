"""How a load run ended, in words: at its horizon or early, on what ground, with what saved."""

from dataclasses import replace
from typing import Any

import pytest

from harness.load.ending import decision, ending
from harness.load.result import Judged, LoadResult
from load_parts import MS, run_of

RATE, ERRORS = "success_rate >= 95%", "error_rate <= 1%"


def judged(state: str, early: str = "", rule: str = RATE, **values: Any) -> Judged:
    given: dict[str, Any] = {
        "requests": 298, "failures": 133, "estimate": 0.5537, "low": 0.4722, "high": 0.6331, "confidence": 0.95,
        "effective": 156.6, "evidence": 4032.0, **values,
    }  # fmt: skip
    return Judged(rule, state, early, "because", **given)


def run(*rules: Judged, **values: Any) -> LoadResult:
    result = run_of([([MS] * 10, 10)] * 15)
    given = {"duration": 60_000 * MS, "elapsed": 1502 * MS, "planned": 12_000, "due": 300, **values}
    return replace(result, judged=rules, **given)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (run(judged("pass"), elapsed=60_000 * MS, due=12_000), "at its horizon, after 60 s"),
        (run(elapsed=60_040 * MS), "at its horizon, after 60 s"),
        (
            run(judged("fail", "evidence")),
            ("after 1.5 s of 60 s, on the evidence against success_rate >= 95%; 11,700 of 12,000 planned requests (97.5 %) "
             "were not sent"),
        ),
        (
            run(judged("fail", "curtailment"), judged("fail", "curtailment", ERRORS), planned=None, due=None),
            ("after 1.5 s of 60 s, by curtailment: more failures than the whole run may have under success_rate >= 95% "
             "and error_rate <= 1%"),
        ),
        (
            run(judged("fail", "curtailment"), judged("fail", "evidence", ERRORS), due=4000),
            ("after 1.5 s of 60 s, by curtailment: more failures than the whole run may have under success_rate >= 95%, "
             "on the evidence against error_rate <= 1%; 8,000 of 12,000 planned requests (66.667 %) were not sent"),
        ),
        (
            run(judged("pass", "early pass"), due=11_999),
            ("after 1.5 s of 60 s, as an early pass, which assumes that the rest of the run would have been like this "
             "(stationarity); 1 of 12,000 planned requests (0.008 %) were not sent"),
        ),
    ],
)  # fmt: skip
def test_how_it_ended(result: LoadResult, told: str) -> None:
    assert ending(result) == told


@pytest.mark.parametrize(
    ("found", "early", "told"),
    [
        (judged("pass"), False, "passed"),
        (judged("fail"), False, "failed"),
        (judged("fail", "evidence"), False, "failed early"),
        (judged("pass", "early pass"), False, "passed early (assumes stationarity)"),
        (judged("pass"), True, "not decided: ended before its horizon"),
        (judged("inconclusive"), False, "inconclusive"),
        (judged("go on"), False, "inconclusive"),
        (judged("something else"), False, "inconclusive"),
    ],
)
def test_what_a_rule_came_to(found: Judged, early: bool, told: str) -> None:
    others = [judged("fail", "evidence", ERRORS)] if early else []
    assert decision(run(found, *others), found) == told
