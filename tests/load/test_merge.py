"""Several generators' results as one: what one generator would have recorded of the same traffic."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.load.latency import Latency
from harness.load.merge import merged
from harness.load.plan import Plan
from harness.load.result import Kind, LoadResult, Seen, StepResult, contradictions
from traffic_parts import MS, Request, recorded, requests, results

PLAN = Plan(
    run="r1",
    scenario="api",
    url="http://127.0.0.1:9/",
    result="",
    progress="",
    duration=1.0,
    timeout=2.0,
    late_after=0.025,
    rate=60.0,
)
COUNTS = [
    "planned",
    "sent",
    "completed",
    "timed_out",
    "succeeded",
    "dropped",
    "late",
    "retried",
    "warm_up",
    "duration",
    "model",
    "run",
    "scenario",
    "failures",
    "statuses",
    "windows",
]


def same_within_a_bucket(several: Latency, one: Latency) -> None:
    """Counts, sums and extremes exact; percentiles never less than the truth, and at most 0.5 % more."""
    assert (several.count, several.total, several.least, several.most, several.buckets) == (
        one.count,
        one.total,
        one.least,
        one.most,
        one.buckets,
    )
    assert several.percentiles.keys() == one.percentiles.keys()
    for name, truth in one.percentiles.items():
        assert truth <= several.percentiles[name] <= truth * 1.005


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(2, 5))
def test_the_same_as_one_generator(data: st.DataObject, nodes: int) -> None:
    traffic = data.draw(requests(PLAN))
    one = recorded(PLAN, traffic).result(cpu=0.3)
    several = merged(results(replace(PLAN, nodes=nodes), traffic))
    assert [getattr(several, name) for name in COUNTS] == [getattr(one, name) for name in COUNTS]
    for name in ("latency", "service_time"):
        same_within_a_bucket(getattr(several, name), getattr(one, name))
    # A lag of 0 counts as 1 ns; below some hundred nanoseconds a bucket's end is rounded by more than its width.
    assert several.lag.buckets == one.lag.buckets
    assert several.elapsed == one.elapsed
    assert contradictions(several) == ()
    assert [seen.latency for seen in several.slowest] == [seen.latency for seen in one.slowest]
    assert {seen.at for seen in several.first_failures} <= {
        round(request.due / 1e9, 3) for request in traffic if request.kind
    }
    assert several.nodes == nodes
    assert several.cpu == pytest.approx(0.1 * nodes)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_order_of_the_parts_does_not_matter(data: st.DataObject) -> None:
    traffic = data.draw(requests(replace(PLAN, rate=12.0)))
    parts = results(replace(PLAN, rate=12.0, nodes=3), traffic)
    shuffled = data.draw(st.permutations(parts))
    ordered: dict[str, Any] = {"slowest": (), "first_failures": (), "started": ""}
    assert replace(merged(parts), **ordered) == replace(merged(shuffled), **ordered)


def three(**changes: Any) -> list[LoadResult]:
    traffic = [Request(index * 10 * MS, 0, 5 * MS, None) for index in range(60)]
    first, *others = results(replace(PLAN, nodes=3), traffic)
    return [replace(first, **changes), *others]


def test_one_part_is_itself() -> None:
    part = three()[0]
    assert merged([part]) is part


@pytest.mark.parametrize(
    "changes",
    [{"run": "r2"}, {"scenario": "web"}, {"planned": 59}, {"duration": 2}, {"model": "closed"}],
    ids=str,
)
def test_parts_of_different_runs(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="different runs"):
        merged(three(**changes))


def test_no_parts() -> None:
    with pytest.raises(ValueError, match="different runs"):
        merged([])


def test_a_part_that_is_not_complete_spoils_the_whole() -> None:
    assert merged(three(complete=False)).complete is False


def test_arrivals_that_came_due() -> None:
    assert merged(three()).due is None
    assert merged([replace(part, due=7) for part in three()]).due == 21


def test_a_part_without_requests() -> None:
    idle = recorded(replace(PLAN, nodes=2), []).result(cpu=0)
    busy = recorded(replace(PLAN, nodes=2), [Request(0, 0, 5 * MS, None)]).result(cpu=0)
    whole = merged([idle, busy])
    assert (whole.sent, whole.latency) == (1, busy.latency)
    nothing = merged([idle, idle]).latency
    assert (nothing.count, nothing.least, nothing.percentiles, nothing.buckets) == (0, None, {}, {})


def test_steps_of_journeys(series: Any) -> None:
    first, second = (
        {"log in": StepResult(3, 1, series(2))},
        {
            "log in": StepResult(2, 0, series(2, 20 * MS)),
            "pay": StepResult(1, 1, series(0)),
        },
    )
    a, b, c = three()
    steps = merged([replace(a, steps=first), replace(b, steps=second), c]).steps
    assert (steps["log in"].sent, steps["log in"].failed, steps["log in"].latency.count) == (5, 1, 4)
    assert (steps["log in"].latency.least, steps["log in"].latency.most) == (10 * MS, 20 * MS)
    assert (steps["pay"].sent, steps["pay"].latency.count) == (1, 0)


def seen(*rows: tuple[float, int]) -> tuple[Seen, ...]:
    return tuple(Seen(at, latency, 503, Kind.STATUS) for at, latency in rows)


def test_five_slowest_and_first_failing_of_all() -> None:
    rows: list[Sequence[tuple[float, int]]] = [
        [(0.1, 9), (0.4, 8), (0.7, 1)],
        [(0.2, 7), (0.3, 6)],
        [(0.05, 5), (0.9, 10)],
    ]
    parts = [
        replace(part, slowest=seen(*row), first_failures=seen(*row))
        for part, row in zip(three(), rows, strict=True)
    ]
    whole = merged(parts)
    assert [one.latency for one in whole.slowest] == [10, 9, 8, 7, 6]
    assert [one.at for one in whole.first_failures] == [0.05, 0.1, 0.2, 0.3, 0.4]
