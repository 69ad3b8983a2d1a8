from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency import Latencies, nearest_rank

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
