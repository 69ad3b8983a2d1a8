"""Windows: bounded in number, exact in their counts, the same whether merged or recorded together."""

import json
from dataclasses import asdict
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.generator.recorder import Answer, Recorder
from harness.load.latency import bucket, nearest_rank
from harness.load.result import Kind, contradictions
from harness.load.windows import MOST, Timeline, Windows, add_up, merge, percentile, width_for

MS = 1_000_000
SECOND = 1000 * MS


@pytest.mark.parametrize(
    ("seconds", "width"), [(0.05, 0.1), (6, 0.1), (24, 0.1), (24.1, 0.2), (60, 0.5), (600, 5), (3600, 20)]
)
def test_round_widths(seconds: float, width: float) -> None:
    assert width_for(round(seconds * SECOND)) == round(width * SECOND)


@given(st.integers(min_value=1, max_value=10**17))
def test_never_too_many(duration: int) -> None:
    assert -(-duration // width_for(duration)) <= 240


def test_an_arrival_belongs_to_the_window_in_which_it_was_due() -> None:
    timeline = Timeline(SECOND, planned=True)
    timeline.due(99 * MS, 100 * MS)
    timeline.timed(99 * MS, bucket(501 * MS), bucket(500 * MS), timed_out=False)
    timeline.due(100 * MS, 250 * MS)
    timeline.failed(100 * MS)
    timeline.dropped(200 * MS)
    rows = timeline.windows().rows
    assert [(row.planned, row.dropped, row.sent, row.succeeded, row.failed) for row in rows[:4]] == [
        (1, 0, 0, 1, 0),
        (1, 0, 1, 0, 1),
        (1, 1, 1, 0, 0),
        (0, 0, 0, 0, 0),
    ]
    assert len(rows) == 10
    assert [row.ended for row in rows[:3]] == [1, 1, 0]


def test_what_starts_after_the_end_has_windows_too_but_not_for_ever() -> None:
    timeline = Timeline(SECOND, planned=False)
    timeline.due(0, 1050 * MS)
    assert [row.sent for row in timeline.windows().rows] == [*[0] * 10, 1]
    timeline.due(0, 10**6 * SECOND)
    windows = timeline.windows()
    assert len(windows.rows) == MOST
    assert windows.rows[-1].sent == 1
    assert {row.planned for row in windows.rows} == {None}


@given(st.lists(st.integers(min_value=1, max_value=10**11), min_size=1, max_size=200))
def test_a_percentile_of_buckets_is_at_most_four_per_mille_more(times: list[int]) -> None:
    buckets = add_up({str(bucket(time)): 1} for time in times)
    for percent in (1, 50, 95, 99, 100):
        truth, found = nearest_rank(sorted(times), percent), percentile(buckets, percent)
        assert found is not None
        assert truth <= found <= truth * 1.004 + 1


def test_no_time_no_percentile() -> None:
    assert percentile({}, 50) is None


def recorded(make_plan: Any, shares: list[Any], seed: int = 7) -> list[Any]:
    """The same 500 requests, told to a recorder each by its share."""
    recorders = [Recorder(make_plan(rate=50.0, duration=10.0)) for _ in set(shares)]
    random = Random(seed)
    kinds = [None, None, None, Kind.TIMEOUT, Kind.STATUS]
    for recorder in recorders:
        recorder.open(0)
    for index in range(500):
        recorder, due = recorders[shares[index % len(shares)]], index * 20 * MS
        lag, took, kind = random.randrange(200 * MS), random.randrange(1, SECOND), random.choice(kinds)
        if not random.randrange(20):
            recorder.drop(due)
            continue
        recorder.start(due, due + lag)
        recorder.finish(due, due + lag, due + lag + took, Answer(kind, 200))
    return [recorder.result(cpu=0) for recorder in recorders]


def test_the_recorder_s_windows_add_up_and_merge(make_plan: Any) -> None:
    (whole,) = recorded(make_plan, [0])
    assert contradictions(whole) == ()
    assert (len(whole.windows.rows), whole.windows.width) == (102, 100 * MS)
    parts = recorded(make_plan, [0, 1, 1])
    merged = merge([part.windows for part in parts])
    assert merged == whole.windows
    assert whole.windows.coarser(1000) == Windows(100 * SECOND, (whole.windows.total(),))
    coarse = whole.windows.coarser(5)
    assert (coarse.width, len(coarse.rows)) == (500 * MS, 21)
    assert coarse.total() == whole.windows.total()


def test_windows_of_different_widths_are_not_merged() -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        merge([Windows(1, ()), Windows(2, ())])
    with pytest.raises(ValueError, match="cannot be merged"):
        merge([])


def test_an_hour_at_a_hundred_a_second_stays_small(make_plan: Any) -> None:
    recorder, random = Recorder(make_plan(rate=100.0, duration=3600.0)), Random(1)
    recorder.open(0)
    for index in range(0, 360_000, 10):
        due = index * 10 * MS
        took = round(random.lognormvariate(3, 0.5) * MS)
        recorder.start(due, due)
        recorder.finish(due, due, due + took, Answer(None, 200))
    windows = recorder.result(cpu=0).windows
    assert len(windows.rows) == 180
    assert len(json.dumps(asdict(windows))) < 1_500_000
