"""Intervals of a finished run: against tables, against simulated truth, and at the edges where little is known."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.latency import bucket
from harness.load.statistics.certainty import Certainty, certainty, ranks, straddles
from harness.load.statistics.series import design_effect, middle, spread
from harness.model import Unit
from harness.threshold import parse
from load_parts import MS, run_of

quick = settings(max_examples=60, deadline=None)


def known(rule: str, windows: list[tuple[list[int], int]], bound: float = 10.0) -> Certainty:
    found = certainty(parse(rule), run_of(windows), bound=bound)
    assert found is not None
    return found


def test_a_rate_of_independent_requests() -> None:
    # Each window alike: the design effect cannot be above 1.
    found = known("success_rate >= 95%", [([10 * MS] * 9, 1)] * 10)
    assert (found.estimate, found.sample, found.effective) == (Fraction(9, 10), 100, 100)
    assert found.low == pytest.approx(0.8238, abs=1e-4), "Clopper and Pearson, 90 of 100"
    assert found.high == pytest.approx(0.9510, abs=1e-4)
    assert found.text() == "90 % (95 % confidence: 82.3 % to 95.1 %; 100 effective of 100 requests)"
    errors = known("error_rate < 5%", [([10 * MS] * 9, 1)] * 10)
    assert errors.low == pytest.approx(1 - found.high)
    assert errors.high == pytest.approx(1 - found.low)


def test_failures_in_a_burst_say_less() -> None:
    burst = known("success_rate >= 95%", [([10 * MS] * 10, 0)] * 9 + [([], 10)])
    assert burst.estimate == Fraction(9, 10)
    assert burst.effective < 20
    assert burst.low < 0.7


def test_a_run_without_failures_is_not_certain_to_have_none() -> None:
    found = known("success_rate >= 95%", [([10 * MS] * 10, 0)] * 10)
    assert found.estimate == found.high == 1
    assert found.low == pytest.approx(0.025 ** (1 / 100))
    assert straddles(parse("success_rate == 100%"), found)
    assert not straddles(parse("success_rate >= 95%"), found)


def test_no_interval_where_there_is_none() -> None:
    run = run_of([([10 * MS] * 10, 0)])
    for rule in ("requests > 5", "rate > 2/s", "request_rate > 2/s", "max_response_time < 1s"):
        assert certainty(parse(rule), run, bound=1.0) is None
    failing = run_of([([], 10)])
    assert certainty(parse("p95 < 1s"), failing, bound=1.0) is None
    assert certainty(parse("avg_response_time < 1s"), failing, bound=1.0) is None
    assert certainty(parse("success_rate >= 1%"), run_of([([], 0)]), bound=1.0) is None


def test_the_mean_by_the_formula() -> None:
    windows = [([10 * MS, 30 * MS] * 5, 0)] * 10
    found = known("avg_response_time < 2s", windows, bound=1.0)
    assert found.estimate == Fraction(2, 100)
    reach = found.high - 0.02
    spent, n = 4.38203, 100  # ln(4 / 0.05)
    least = (2 * 0.01**2 * spent / n) ** 0.5 + 7 * spent / (3 * (n - 1))
    assert least <= reach <= least * 1.01
    assert found.low == 0.0
    assert found.text().startswith("20 ms (95 % confidence: 0 ms to ")
    assert found.text().endswith("; 100 effective of 100 responses)")


def test_a_late_start_can_make_a_response_longer_than_the_time_out() -> None:
    found = known("avg_response_time < 2s", [([10 * MS, 3000 * MS], 0)], bound=1.0)
    assert found.high == 3.0, "two responses say nothing beyond the bounds"


@pytest.mark.parametrize(
    ("n", "share", "expected"),
    [
        (100, 0.95, (90, 100)),
        (1000, 0.5, (469, 532)),
        (10, 0.99, (9, 11)),
        (1, 0.5, (0, 2)),
        (6, 0.5, (1, 6)),
    ],
)
def test_ranks_of_a_quantile(n: int, share: float, expected: tuple[int, int]) -> None:
    """Hahn and Meeker, table A.15; six values are the fewest whose range holds the median with 95 %."""
    assert ranks(n, share, 1.0, 0.95) == expected


@quick
@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.floats(1, 50))
def test_ranks_widen_with_dependence_and_with_confidence(n: int, share: float, effect: float) -> None:
    low, high = ranks(n, share, 1.0, 0.95)
    assert 0 <= low <= share * n + 1 <= high + 1 <= n + 2
    wider, surer = ranks(n, share, effect, 0.95), ranks(n, share, 1.0, 0.99)
    for other in (wider, surer):
        assert other[0] <= low
        assert other[1] >= high


def test_a_percentile_with_the_share_above_its_limit() -> None:
    times = [ms * MS for ms in range(1, 101)]
    found = known("p95 < 97ms", [(times[i::10], 0) for i in range(10)])
    assert found.estimate == Fraction(95, 1000)
    assert found.low == pytest.approx(0.090, rel=0.004)
    assert found.high == pytest.approx(0.100, rel=0.004)
    assert found.over is not None
    assert found.over.low == pytest.approx(0.0062, abs=1e-4), "3 of 100"
    assert found.over.high == pytest.approx(0.0993, abs=1e-4), (
        "4 of 100: one shares its bucket with the limit"
    )
    assert straddles(parse("p95 < 97ms"), found)
    assert not straddles(parse("p95 < 101ms"), found)


def test_a_percentile_that_nothing_bounds_reaches_to_the_time_out() -> None:
    found = known("p99 < 5s", [([10 * MS] * 5, 0)] * 10, bound=10.0)
    assert found.high == 10.0
    assert straddles(parse("p99 < 5s"), found), "50 responses do not show a p99"


def test_slow_responses_in_a_burst_say_less() -> None:
    even = known("p95 < 1s", [([10 * MS] * 90 + [500 * MS] * 10, 0)] * 20)
    burst = known("p95 < 1s", [([10 * MS] * 100, 0)] * 18 + [([500 * MS] * 100, 0)] * 2)
    assert even.estimate == burst.estimate
    assert even.effective == pytest.approx(2000, rel=0.01)
    assert burst.effective < 100


@pytest.mark.parametrize(
    ("op", "limit", "expected"),
    [
        ("<", 20, True), ("<", 10, False), ("<", 15, True), ("<", 25, False), ("<", 5, False),
        ("<=", 20, False), ("<=", 10, True), (">=", 10, False), (">=", 20, True), (">", 10, True), (">", 20, False),
        ("==", 15, True), ("==", 25, False),
    ],
)  # fmt: skip
def test_straddling_is_exact_at_the_ends(op: str, limit: int, expected: bool) -> None:
    found = Certainty("requests", Unit.COUNT, Fraction(15), 10.0, 20.0, 0.95, 9, 9.0, "")
    assert straddles(parse(f"requests {op} {limit}"), found) is expected, "from 10 to 20, both included"


@pytest.mark.parametrize(("runs", "most"), [(60, 8), pytest.param(200, 18, marks=pytest.mark.slow)])
def test_the_intervals_hold_the_truth_as_often_as_they_say(runs: int, most: int) -> None:
    """Exponential times of mean 50 ms, 10 % failures, 300 requests: one run in 20 may miss, and 2.5 standard deviations more."""
    dice = random.Random(11)
    truths = {"success_rate >= 90%": 0.9, "avg_response_time < 1s": 0.05, "p90 < 1s": 0.05 * 2.302585}
    missed = dict.fromkeys(truths, 0)
    for _ in range(runs):
        run = run_of([_window(dice) for _ in range(30)])
        for rule, truth in truths.items():
            found = certainty(parse(rule), run, bound=1.0)
            assert found is not None
            assert found.low <= found.estimate <= found.high
            missed[rule] += not found.low <= truth <= found.high
    assert max(missed.values()) <= most, missed


def _window(dice: random.Random) -> tuple[list[int], int]:
    failed = sum(dice.random() < 0.1 for _ in range(10))
    return [max(1, round(dice.expovariate(20) * 1e9)) for _ in range(10 - failed)], failed


# Buckets as a series


@quick
@given(st.lists(st.integers(1, 10**11), min_size=2, max_size=50))
def test_the_spread_is_never_below_the_truth_and_hardly_above(times: list[int]) -> None:
    mean = sum(times) / len(times)
    exact = sum((time - mean) ** 2 for time in times) / (len(times) - 1) / 1e18
    buckets: dict[str, int] = {}
    for time in times:
        buckets[str(bucket(time))] = buckets.get(str(bucket(time)), 0) + 1
    rms = (sum(time**2 for time in times) / len(times)) ** 0.5 / 1e9
    found = spread(buckets) + 1e-18  # whole nanoseconds are coarse near 1 ns
    assert found >= exact * (1 - 1e-9)
    assert found**0.5 <= exact**0.5 + 0.0061 * rms * (len(times) / (len(times) - 1)) ** 0.5 + 1e-8
    assert spread({"5": 1}) == 0.0


def test_the_design_effect_of_means() -> None:
    apart = [{"3": 10}] * 10 + [{"9": 10}] * 10
    assert design_effect(apart, float) == pytest.approx(200 / 9), "batches of 2: 10/9 · 10 · 60² / (200 · 3²)"
    mixed = [{"3": 5, "9": 5}] * 20
    assert design_effect(mixed, float) == 1.0
    assert design_effect([{"3": 10}] * 10, float) == 1.0, "no variance"
    assert design_effect([{"3": 1}], float) == 1.0
    assert design_effect([], float) == 1.0
    assert design_effect([{"3": 10}] * 2 + [{"9": 10}] * 2, float) == 1.0, "fewer than six windows"


def test_the_middle_of_a_bucket() -> None:
    for time in (1_000_000, 12_345_678, 9_000_000_000):
        assert middle(bucket(time)) == pytest.approx(time / 1e9, rel=0.0021)
