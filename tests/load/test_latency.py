from collections.abc import Callable
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency import PERCENTILES, Latencies, bucket, buckets_of, nearest_rank, upper_end
from harness.load.windows import percentile

times = st.integers(min_value=1, max_value=3_600_000_000_000)


def recorded(values: list[int], keep: int = 200_000):  # type: ignore[no-untyped-def]
    latencies = Latencies(keep)
    for value in values:
        latencies.add(value)
    return latencies.summary()


def test_nothing_recorded_is_nothing() -> None:
    summary = recorded([])
    assert (summary.count, summary.total, summary.least, summary.most) == (0, 0, None, None)
    assert summary.percentiles == {}
    assert summary.buckets == {}


@given(st.lists(times, min_size=1, max_size=300))
def test_exact_up_to_the_bound(values: list[int]) -> None:
    summary = recorded(values)
    ordered = sorted(values)
    assert summary.exact
    assert (summary.count, summary.total) == (len(values), sum(values))
    assert (summary.least, summary.most) == (ordered[0], ordered[-1])
    for name, value in summary.percentiles.items():
        # the definition: the least value that at least so many percent of all values do not exceed
        share = int(name[1:])
        assert 100 * sum(1 for other in values if other <= value) >= share * len(values)
        smaller = [other for other in values if other < value]
        assert 100 * len(smaller) < share * len(values)


@given(st.lists(times, min_size=6, max_size=300))
def test_buckets_never_say_less_and_at_most_four_per_mille_more(values: list[int]) -> None:
    summary, ordered = recorded(values, keep=5), sorted(values)
    assert not summary.exact
    assert sum(summary.buckets.values()) == summary.count == len(values)
    assert (summary.total, summary.most) == (sum(values), ordered[-1])
    for name, value in summary.percentiles.items():
        truth = nearest_rank(ordered, int(name[1:]))
        assert truth <= value <= ceil(truth * 1.004) + 1


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (75, 3), (76, 4), (99, 4), (1, 1)])
def test_nearest_rank(percent: int, expected: int) -> None:
    assert nearest_rank([1, 2, 3, 4], percent) == expected


def test_a_time_of_zero_is_the_shortest_time() -> None:
    assert recorded([0, -5]).total == 2


@given(st.lists(times, max_size=200))
def test_many_at_once_are_in_the_buckets_of_each(values: list[int]) -> None:
    assert list(buckets_of(values)) == [bucket(value) for value in values]


def test_bounds_of_all_buckets_up_to_an_hour() -> None:
    """At each bound and beside it: the bucket holds the time, and is at most 0.4 % wide."""
    for index in range(1, bucket(3_600_000_000_000) + 1):
        end = upper_end(index)
        for value in (end - 1, end, end + 1):
            if value >= 1:
                assert value <= upper_end(bucket(value)) <= ceil(value * 1.004) + 1


def milliseconds(draw: Callable[[Random], float]) -> Callable[[Random], int]:
    return lambda random: round(draw(random) * 1e6)


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(milliseconds(lambda random: 17.3), id="constant"),
        pytest.param(milliseconds(lambda random: random.uniform(1, 3)), id="uniform"),
        pytest.param(milliseconds(lambda random: random.expovariate(1 / 40)), id="exponential"),
        pytest.param(milliseconds(lambda random: random.lognormvariate(3, 1.2)), id="lognormal"),
        pytest.param(milliseconds(lambda random: random.paretovariate(1.1)), id="heavy tail"),
        pytest.param(milliseconds(lambda random: random.choice([2, 2, 2, 2000])), id="two values"),
        pytest.param(
            milliseconds(lambda random: random.gauss(5, 0.1) if random.random() < 0.94 else 30_000),
            id="time-outs",
        ),
        pytest.param(milliseconds(lambda random: max(0, 2000 - random.uniform(0, 5000)) + 1), id="stalls"),
        pytest.param(lambda random: random.randrange(1, 300), id="nanoseconds"),
    ],
)
@pytest.mark.parametrize("count", [1, 99, 20_000])
def test_percentiles_of_buckets_are_within_half_a_percent(draw: Callable[[Random], int], count: int) -> None:
    """Those of the result beyond the exact ones, and those of windows, against the raw times."""
    random = Random(f"{count}")
    values = [max(1, draw(random)) for _ in range(count)]
    exact, summary = sorted(values), recorded(values, keep=0)
    assert not summary.exact
    for percent in PERCENTILES:
        truth = nearest_rank(exact, percent)
        for found in (summary.percentiles[f"p{percent}"], percentile(summary.buckets, percent)):
            assert found is not None
            assert truth <= found <= truth * 1.005 + 1, "a bound is rounded up to whole nanoseconds"
    assert (summary.total, summary.least, summary.most) == (sum(values), exact[0], exact[-1])


def test_what_comes_in_batches_is_all_there() -> None:
    """Asked for in between, at the edges of batches and of what is kept exactly."""
    latencies, values = Latencies(keep=1500), [index % 700 - 5 for index in range(3000)]
    for number, value in enumerate(values, start=1):
        latencies.add(value)
        if number in {1, 511, 512, 513, 1024, 1500, 1501, 3000}:
            summary, told = latencies.summary(), [max(1, one) for one in values[:number]]
            assert (summary.count, summary.total) == (number, sum(told))
            assert (summary.least, summary.most) == (min(told), max(told))
            assert summary.exact == (number <= 1500)
            assert sum(summary.buckets.values()) == number
            assert summary.buckets == latencies.buckets()
            if summary.exact:
                assert summary.percentiles["p95"] == nearest_rank(sorted(told), 95)
