"""Intervals against closed forms, exact binomial sums and exact coverage."""

from fractions import Fraction
from math import comb, inf, log, nan, sqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.statistics.interval import Interval, clopper_pearson, empirical_bernstein, incomplete_beta


def at_most(k: int, n: int, p: Fraction) -> Fraction:
    """P(X <= k) of the binomial distribution, exactly."""
    return sum((comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@st.composite
def counts(draw: Any, most: int = 60) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@given(counts(), st.integers(1, 99))
@settings(max_examples=50)
def test_the_incomplete_beta_function_is_a_binomial_tail(pair: tuple[int, int], percent: int) -> None:
    k, n = pair
    p = Fraction(percent, 100)
    tail = 1 - at_most(k, n + 1, p)
    assert incomplete_beta(k + 1, n + 1 - k, float(p)) == pytest.approx(float(tail), rel=1e-11, abs=1e-13)


@pytest.mark.parametrize(("x", "value"), [(0.0, 0.0), (-1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (0.5, 0.5)])
def test_the_incomplete_beta_function_at_its_ends_and_in_the_middle(x: float, value: float) -> None:
    assert incomplete_beta(3, 3, x) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 1_000_000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_boundaries_have_closed_forms(n: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    none, every, one = (clopper_pearson(k, n, confidence) for k in (0, n, 1))
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - tail ** (1 / n), rel=1e-9)
    assert every.low == pytest.approx(tail ** (1 / n), rel=1e-9)
    assert one.low == pytest.approx(1 - (1 - tail) ** (1 / n), rel=1e-7)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(5, 10, 0.187086, 0.812914), (50, 100, 0.398321, 0.601679), (0, 10, 0.0, 0.308497)],
)
def test_published_values(k: int, n: int, low: float, high: float) -> None:
    found = clopper_pearson(k, n)
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)
    assert found.confidence == 0.95


@given(counts(), st.sampled_from([0.8, 0.95, 0.999]))
@settings(max_examples=50)
def test_each_end_leaves_half_of_alpha_outside(pair: tuple[int, int], confidence: float) -> None:
    k, n = pair
    found = clopper_pearson(k, n, confidence)
    tail = (1 - confidence) / 2
    if k:
        assert float(1 - at_most(k - 1, n, Fraction(found.low))) == pytest.approx(tail, rel=1e-8)
    if k < n:
        assert float(at_most(k, n, Fraction(found.high))) == pytest.approx(tail, rel=1e-8)


@pytest.mark.parametrize("percent", [1, 5, 20, 50, 95])
def test_it_holds_the_truth_as_often_as_it_says(percent: int) -> None:
    n, p = 30, Fraction(percent, 100)
    held = Fraction(0)
    for k in range(n + 1):
        found = clopper_pearson(k, n, 0.9)
        if found.low <= p <= found.high:
            held += comb(n, k) * p**k * (1 - p) ** (n - k)
    assert held >= Fraction(9, 10)


@given(counts())
@settings(max_examples=50)
def test_it_moves_with_the_failures_and_mirrors_the_successes(pair: tuple[int, int]) -> None:
    k, n = pair
    found, mirrored = clopper_pearson(k, n), clopper_pearson(n - k, n)
    assert found.low <= k / n <= found.high
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)
    if k < n:
        more = clopper_pearson(k + 1, n)
        assert found.low < more.low
        assert found.high < more.high or more.high == 1


@given(counts(), st.floats(1, 50), st.floats(1, 50))
@settings(max_examples=50)
def test_fewer_effective_requests_say_less(pair: tuple[int, int], one: float, other: float) -> None:
    k, n = pair
    small, large = sorted((one, other))
    sharp, blunt = clopper_pearson(k / small, n / small), clopper_pearson(k / large, n / large)
    assert blunt.low <= sharp.low + 1e-9
    assert blunt.high >= sharp.high - 1e-9


def test_more_confidence_is_wider() -> None:
    narrow, wide = clopper_pearson(3, 50, 0.9), clopper_pearson(3, 50, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_nothing_seen_is_everything() -> None:
    assert clopper_pearson(0, 0) == Interval(0.0, 1.0, 0.95)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (nan, 5), (1, inf), (1, nan)])
def test_counts_that_are_no_proportion(k: float, n: float) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(k, n)


@pytest.mark.parametrize("confidence", [0, 1, -1, 95, nan])
def test_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson(1, 2, confidence)
    with pytest.raises(ValueError, match="confidence"):
        empirical_bernstein(0, 0, 9, low=0, high=1, confidence=confidence)


def test_empirical_bernstein_by_hand() -> None:
    found = empirical_bernstein(0.5, 0.04, 1000, low=0, high=2, confidence=0.95)
    reach = sqrt(2 * 0.04 * log(80) / 1000) + 14 * log(80) / (3 * 999)
    assert found.low == pytest.approx(0.5 - reach)
    assert found.high == pytest.approx(0.5 + reach)


@pytest.mark.parametrize("sample", [0, 1, 1.9])
def test_a_mean_of_fewer_than_two_values_says_nothing(sample: float) -> None:
    assert empirical_bernstein(0.5, 0, sample, low=0, high=10) == Interval(0, 10, 0.95)


@given(
    st.floats(0, 1),
    st.floats(0, 0.25),
    st.integers(2, 10**6),
    st.sampled_from([0.9, 0.99]),
    st.integers(1, 9),
)
def test_a_mean_stays_within_its_bounds_and_sharpens(
    mean: float, variance: float, sample: int, confidence: float, more: int
) -> None:
    found = empirical_bernstein(mean, variance, sample, low=0, high=1, confidence=confidence)
    sharper = empirical_bernstein(mean, variance, sample * more, low=0, high=1, confidence=confidence)
    assert 0 <= found.low <= sharper.low <= mean <= sharper.high <= found.high <= 1


@pytest.mark.parametrize("percent", [2, 30, 50])
def test_the_mean_is_held_as_often_as_it_says(percent: int) -> None:
    n, p = 200, Fraction(percent, 100)
    held = 0.0
    for k in range(n + 1):
        found = empirical_bernstein(k / n, k * (n - k) / (n * (n - 1)), n, low=0, high=1, confidence=0.9)
        if found.low <= p <= found.high:
            held += float(comb(n, k) * p**k * (1 - p) ** (n - k))
    assert held >= 0.9


@pytest.mark.parametrize(
    ("mean", "variance", "low", "high"),
    [(2, 0, 0, 1), (-1, 0, 0, 1), (nan, 0, 0, 1), (0.5, -1, 0, 1), (0.5, inf, 0, 1), (0.5, 0, 0, inf)],
)
def test_values_that_are_no_mean(mean: float, variance: float, low: float, high: float) -> None:
    with pytest.raises(ValueError, match="no mean"):
        empirical_bernstein(mean, variance, 9, low=low, high=high)
