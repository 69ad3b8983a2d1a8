"""Design effects against their textbook formula, known dependence, and what cannot be estimated."""

from fractions import Fraction
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.statistics.dependence import Clusters

Counts = list[tuple[int, int]]
"""Requests and failures of windows."""


def windows(counts: Counts) -> Clusters:
    found = Clusters()
    for requests, failures in counts:
        found.add(requests, failures)
    return found


def textbook(counts: Counts) -> Fraction:
    n, k = sum(m for m, _ in counts), sum(y for _, y in counts)
    p, c = Fraction(k, n), len(counts)
    return Fraction(c, c - 1) * sum((y - p * m) ** 2 for m, y in counts) / (n * p * (1 - p))


a_window = st.integers(1, 40).flatmap(lambda m: st.tuples(st.just(m), st.integers(0, m)))


@given(st.lists(a_window, min_size=6, max_size=11))
def test_with_few_windows_it_is_the_textbook_formula(counts: Counts) -> None:
    n, k = sum(m for m, _ in counts), sum(y for _, y in counts)
    expected = max(1.0, float(textbook(counts))) if 0 < k < n else 1.0
    assert windows(counts).design_effect() == pytest.approx(expected)


@given(st.lists(a_window, min_size=12, max_size=60))
def test_joined_windows_count_as_well(counts: Counts) -> None:
    found, expected = windows(counts), 1.0
    for size in (1, 2, 4, 8):
        joined = [
            (sum(m for m, _ in counts[i : i + size]), sum(y for _, y in counts[i : i + size]))
            for i in range(0, len(counts) - size + 1, size)
        ]
        n, k = sum(m for m, _ in joined), sum(y for _, y in joined)
        if len(joined) >= 6 and 0 < k < n:
            expected = max(expected, float(textbook(joined)))
    assert found.design_effect() == pytest.approx(expected)
    assert found.cautious_design_effect() >= found.design_effect()
    assert (found.count, found.requests) == (len(counts), sum(m for m, _ in counts))


@pytest.mark.parametrize(
    "counts", [[], [(10, 5)] * 5, [(10, 0)] * 20, [(10, 10)] * 20, [(10, 10), (10, 0)] * 2 + [(10, 0)]]
)
def test_what_cannot_be_estimated_is_one(counts: Counts) -> None:
    found = windows(counts)
    assert found.design_effect() == found.cautious_design_effect() == 1.0


def test_windows_that_fail_whole_weigh_as_one_request_each() -> None:
    found = windows([(50, 50 * (index in (3, 17))) for index in range(20)])
    assert found.design_effect() >= 50
    assert found.requests / found.design_effect() <= 20


def test_a_burst_longer_than_a_window_shows_in_joined_windows() -> None:
    long = windows([(10, 10 * (index // 8 % 4 == 0)) for index in range(200)])
    assert long.design_effect() > 4 * 10


def test_regular_failures_are_not_rewarded() -> None:
    assert windows([(20, 1)] * 100).design_effect() == 1.0


def test_independent_requests_weigh_about_their_number() -> None:
    random, effects, cautious = Random(7), [], []
    for _ in range(40):
        counts = [(50, sum(random.random() < 0.1 for _ in range(50))) for _ in range(64)]
        effects.append(windows(counts).design_effect())
        cautious.append(windows(counts).cautious_design_effect())
    assert 1.0 < mean(effects) < 2.0
    assert mean(effects) < mean(cautious) < 6.0


def test_caution_is_the_chi_square_quantile() -> None:
    """Six windows: five degrees of freedom, whose 5 % quantile is 1.1455."""
    found = windows([(50, 25), (50, 40), (50, 10), (50, 5), (50, 45), (50, 25)])
    assert found.cautious_design_effect() / found.design_effect() == pytest.approx(5 / 1.1455, rel=0.06)


def test_a_window_without_requests_is_none() -> None:
    assert windows([(0, 0)] * 9).count == 0


@pytest.mark.parametrize(("requests", "failures"), [(5, 6), (5, -1), (-1, 0), (0, 1)])
def test_counts_that_cannot_be(requests: int, failures: int) -> None:
    with pytest.raises(ValueError, match="cannot have"):
        Clusters().add(requests, failures)


def test_failures_that_an_average_must_absorb_came_in_a_burst() -> None:
    """One cluster of 300 failing requests in a run of 12,000 that has 5 % failures in the end."""
    found = windows([(50, 50)] * 6).design_effect_if_met(0.05, 12_000)
    assert found == pytest.approx((300**2 * 0.95**2 / (0.05 * 0.95) + 11_700) / 12_000)


def test_an_outage_is_one_burst_however_long() -> None:
    """It begins with three quarters of a window and ends with the sixth window in a row that is below."""
    found = windows([(50, 0)] * 4 + [(50, 38)] + [(50, 50)] * 9 + [(50, 37)] + [(50, 0)] * 5)
    outage = (525 - 0.05 * 800) ** 2 + 4 * 2.5**2
    expected = (outage / (0.05 * 0.95) + 11_000) / 12_000
    assert found.design_effect_if_met(0.05, 12_000) == pytest.approx(expected)
    found.add(50, 0)
    assert found.design_effect_if_met(0.05, 12_000) == pytest.approx(
        ((outage + 2.5**2) / (0.05 * 0.95) + 10_950) / 12_000
    )


def test_an_outage_that_comes_back_soon_is_the_same_one() -> None:
    def effect(gap: int) -> float:
        counts = [(50, 50)] * 4 + [(50, 0)] * gap + [(50, 50)] * 4
        return windows(counts).design_effect_if_met(0.05, 12_000)

    assert effect(5) > 1.5 * effect(6)


def test_an_open_outage_and_an_open_batch_count() -> None:
    found = windows([(50, 50)] * 8)
    assert found.design_effect_if_met(0.05, 12_000) == pytest.approx(
        ((400 * 0.95) ** 2 / (0.05 * 0.95) + 11_600) / 12_000
    )
    six = windows([(50, 25)] * 8)  # no outage: batches of six windows, the second one open
    assert six.design_effect_if_met(0.05, 12_000) == pytest.approx(
        ((300 * 0.45) ** 2 + (100 * 0.45) ** 2) / (0.05 * 0.95 * 12_000) + 11_600 / 12_000
    )


def test_a_run_at_its_limit_needs_no_burst() -> None:
    assert windows([(100, 5)] * 30).design_effect_if_met(0.05, 12_000) == 1.0


def test_bursts_to_reckon_with_are_as_long_as_is_said() -> None:
    found = Clusters(burst=400)
    for _ in range(10):
        found.add(50, 25)
    assert found.design_effect_if_met(0.05, 12_000) == pytest.approx(
        ((400 * 0.45) ** 2 + (100 * 0.45) ** 2) / (0.05 * 0.95 * 12_000) + 11_500 / 12_000
    )
