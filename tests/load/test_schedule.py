"""Schedules: how many are due, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.schedule import Schedule, Stage, constant


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"), [(0.1, 30, 3), (40, 6, 240), (1 / 60, 59, 0), (3, 0.5, 1)]
)
def test_count(rate: float, seconds: float, expected: int) -> None:
    assert constant(rate, seconds).arrivals == expected


def test_constant() -> None:
    schedule = constant(4, 2)
    assert [schedule.due(index) for index in range(8)] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert (schedule.duration, schedule.peak) == (2, 4)


def test_ramp_from_nothing() -> None:
    """10/s after 10 s: 50 requests, the first at once, the k-th at sqrt(2 k)."""
    schedule = Schedule([Stage(10, 0, 10)])
    assert schedule.arrivals == 50
    assert schedule.due(0) == 0
    assert schedule.due(2) == pytest.approx(2)
    assert schedule.due(32) == pytest.approx(8)


def test_spike_and_steps() -> None:
    schedule = Schedule([Stage(10, 5, 5), Stage(2, 100, 100), Stage(10, 5, 5)])
    assert (schedule.arrivals, schedule.duration, schedule.peak) == (300, 22, 100)
    assert schedule.due(50) == pytest.approx(10)
    assert schedule.due(250) == pytest.approx(12)
    assert (schedule.due_by(10), schedule.due_by(11), schedule.due_by(12), schedule.due_by(99)) == (
        50,
        150,
        250,
        300,
    )


def test_nothing() -> None:
    assert (Schedule([]).arrivals, Schedule([]).duration, Schedule([]).peak) == (0, 0, 0)


rates = st.floats(0, 500)
stages = st.lists(
    st.builds(Stage, st.floats(0.1, 5), rates, rates).filter(lambda stage: stage.arrivals > 0),
    min_size=1,
    max_size=5,
)


@given(stages)
def test_in_order_and_within(parts: list[Stage]) -> None:
    schedule = Schedule(parts)
    due = [schedule.due(index) for index in range(schedule.arrivals)]
    assert due == sorted(due)
    assert all(0 <= when <= schedule.duration + 1e-6 for when in due)


@given(stages, st.floats(0, 1))
def test_as_many_are_due_as_the_rate_makes(parts: list[Stage], share: float) -> None:
    """At any time the number due is the integral of the rate, rounded up: the first comes at once."""
    schedule = Schedule(parts)
    at, seen, expected = share * schedule.duration, 0.0, 0.0
    for stage in parts:
        within = min(max(at - seen, 0.0), stage.duration)
        slope = (stage.to - stage.rate) / stage.duration
        expected += stage.rate * within + slope * within * within / 2
        seen += stage.duration
    assert abs(schedule.due_by(at) - expected) <= 1 + 1e-6 * expected
