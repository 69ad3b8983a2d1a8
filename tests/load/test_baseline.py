"""A run against an earlier one: limits from its figures, what a shift of the distribution says, when traffic is alike."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ProfileError
from harness.load.baseline import compared, differences, traffic, words
from harness.load.scenario import Scenario
from harness.load.statistics.shift import Shift
from harness.threshold import BaselineRule, parse_any
from load_parts import MS, run_of


def rules(*texts: str) -> list[BaselineRule]:
    found = [parse_any(text) for text in texts]
    return [rule for rule in found if isinstance(rule, BaselineRule)]


FAST = run_of([([10 * MS, 11 * MS, 12 * MS, 13 * MS, 20 * MS] * 4, 0)] * 20)
SLOW = run_of([([15 * MS, 16 * MS, 17 * MS, 18 * MS, 25 * MS] * 4, 0)] * 20)
TAIL = run_of([([10 * MS, 11 * MS, 12 * MS, 13 * MS, 90 * MS] * 4, 0)] * 20)
FAILING = run_of([([10 * MS, 11 * MS, 12 * MS, 13 * MS, 20 * MS] * 4, 1)] * 20)


@pytest.mark.parametrize(
    ("rule", "limit", "held"),
    [
        ("p95 <= baseline + 25%", Fraction(25, 1000), True),
        ("p95 < baseline + 25%", Fraction(25, 1000), False),
        ("p95 <= baseline + 24%", Fraction(248, 10_000), False),
        ("p95 <= baseline + 10% + 3ms", Fraction(25, 1000), True),
        ("p95 <= baseline + 5ms", Fraction(25, 1000), True),
        ("p95 <= baseline", Fraction(20, 1000), False),
        ("success_rate >= baseline - 1%", Fraction(99, 100), True),
        ("rate >= baseline - 10% - 5/s", Fraction(175), True),
    ],
)
def test_limits_come_from_the_baseline_exactly(rule: str, limit: Fraction, held: bool) -> None:
    (result,) = compared(rules(rule), SLOW, FAST).results
    assert (result.threshold, result.limit, result.held) == (rule, limit, held)


def test_a_percentage_of_a_rate_of_successes_is_in_points() -> None:
    found = compared(rules("success_rate >= baseline - 1%", "error_rate <= baseline + 5%"), FAILING, FAST)
    assert [result.limit for result in found.results] == [Fraction(99, 100), Fraction(1, 20)]
    assert [result.held for result in found.results] == [False, True]
    assert found.broken == (
        "success_rate is 95.238 %, the rule is success_rate >= baseline - 1%: 99 % (it was 100 %)"
    )
    assert found.lines[0] == "success_rate: 100 % → 95.238 % (-4.76 points)"


def test_everything_moved() -> None:
    found = compared(rules("p95 <= baseline + 10%"), SLOW, FAST)
    assert found.broken == "p95 is 25 ms, the rule is p95 <= baseline + 10%: 22 ms (it was 20 ms)"
    assert found.facts["shift"] == (
        "a request is slower than one of the baseline with a probability of 84% (p < 0.001; 400 and 400 effective "
        "responses): the whole distribution moved"
    )
    assert "p95: 20 ms → 25 ms (+25.0%)" in found.lines
    assert "avg_response_time: 13.2 ms → 18.2 ms (+37.9%)" in found.lines


def test_only_the_tail_moved() -> None:
    found = compared(rules("p95 <= baseline + 10%"), TAIL, FAST)
    assert "p95 is 90 ms" in found.broken
    assert found.facts["shift"].endswith(
        "the distribution as a whole did not move; what got worse is a part of it, such as its tail"
    )


def test_faster_is_said_as_well() -> None:
    found = compared(rules("p95 <= baseline + 10%"), FAST, SLOW)
    assert found.broken == ""
    assert found.facts["shift"].startswith(
        "a request is faster than one of the baseline with a probability of 84%"
    )


def test_the_tolerance_decides_and_not_the_test() -> None:
    # Four requests cannot show a shift; the rule is broken all the same.
    few, slow = run_of([([10 * MS] * 4, 0)]), run_of([([20 * MS] * 4, 0)])
    found = compared(rules("p95 <= baseline + 10%"), slow, few)
    assert "p95 is 20 ms" in found.broken
    assert "p = 0.0" in found.facts["shift"]


def test_what_comes_in_bursts_shows_less() -> None:
    even = run_of([([10 * MS] * 10 + [30 * MS] * 10, 0)] * 20)
    bursts = run_of([([10 * MS] * 20, 0)] * 10 + [([30 * MS] * 20, 0)] * 10)
    assert "; 400 and 400 effective" in compared([], even, even).facts["shift"]
    assert "; 400 and 400 effective" not in compared([], even, bursts).facts["shift"]


def test_what_one_of_the_runs_did_not_measure() -> None:
    nothing = run_of([([], 10)])
    found = compared(rules("p95 <= baseline + 10%"), FAST, nothing)
    assert (found.results, found.unmeasured, found.broken, found.facts) == ((), ("p95",), "", {})
    found = compared(rules("p95 <= baseline + 10%"), nothing, FAST)
    assert (found.unmeasured, found.broken) == (("p95",), "")
    assert [result.held for result in found.results] == [None]
    assert "p95: 20 ms → no data" in found.lines


def test_what_is_recorded_is_enough_to_judge_anew() -> None:
    from harness.threshold import applied

    found = compared(rules("p95 <= baseline + 10%", "p95 <= baseline + 20%"), SLOW, FAST)
    assert [each.metric for each in found.measurements].count("baseline_p95") == 1
    for result in found.results:
        assert applied(result.threshold, found.measurements).limit.value == result.limit


@pytest.mark.parametrize(
    ("shift", "slower", "said"),
    [
        (Shift(0.51, 0.0001, (9e9, 9e9)), False, "(p < 0.001; 9,000,000,000 and 9,000,000,000 effective responses): the distribution as a whole hardly moved"),
        (Shift(0.51, 0.34, (9, 9)), False, "51% (p = 0.340; 9 and 9 effective responses): the distribution as a whole did not move"),
        (Shift(0.3, 0.002, (9, 9)), True, "faster than one of the baseline with a probability of 70% (p = 0.002; 9 and 9 effective responses): the whole distribution moved"),
    ],
)  # fmt: skip
def test_words(shift: Shift, slower: bool, said: str) -> None:
    assert words(shift, slower=slower).endswith(said)


# Traffic


def scenario(**values: Any) -> Scenario:
    return Scenario(**{"name": "api", "url": "https://example.com/health", "rate": 40.0, **values})


def test_traffic_leaves_out_how_it_is_judged_and_what_must_not_be_written() -> None:
    found = traffic(scenario(headers={"X-A": "hush"}, header_variables={"B": "TOKEN"}, body="hush"))
    assert "hush" not in str(found)
    assert "TOKEN" not in str(found), "where a header comes from is no traffic"
    assert found["header_variables"] == ["B"]
    assert not {"name", "thresholds", "confidence", "min_requests"} & set(found)
    assert found["rate"] == 40.0
    assert not {"users", "journeys", "host"} & set(found), "what is empty"


def test_traffic_of_journeys_and_locustfiles_goes_by_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    step = {"name": "log-in", "path": "/login", "body": "hush", "method": "POST"}
    journeys = {"url": "", "base_url": "http://127.0.0.1:81", "journeys": [{"name": "j", "steps": [step]}]}
    one = traffic(scenario(**journeys))
    assert "hush" not in str(one)
    assert one["base_url"] == "http://127.0.0.1"
    step["body"] = "hush hush"
    assert differences(one, traffic(scenario(**journeys))) == ("journeys differs",)

    own = {"url": "", "locustfile": "mine.py", "host": "https://example.com", "rate": None, "users": 2}
    with pytest.raises(ProfileError, match=r"mine.py cannot be read"):
        traffic(scenario(**own))
    (tmp_path / "mine.py").write_text("a = 1")
    before = traffic(scenario(**own))
    (tmp_path / "mine.py").write_text("a = 2")
    assert differences(before, traffic(scenario(**own))) == ("locustfile differs",)


@pytest.mark.parametrize(
    ("url", "other", "alike"),
    [
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:9090/a", True),
        ("http://localhost:8080/a", "http://localhost/a", True),
        ("http://[::1]:8080/a", "http://[::1]:9090/a", True),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/b", False),
        ("https://example.com:8443/a", "https://example.com/a", False),
        ("https://example.com/a?x=1", "https://example.com/a?x=2", False),
    ],
)
def test_a_port_counts_but_on_the_loopback(url: str, other: str, alike: bool) -> None:
    found = differences(traffic(scenario(url=url)), traffic(scenario(url=other)))
    assert (found == ()) is alike


def test_differences_name_keys_of_either_side() -> None:
    assert differences({"a": 1, "b": [1]}, {"b": [2], "c": 2.5}) == (
        "a was 1 and is not set",
        "b differs",
        "c was not set and is 2.5",
    )
