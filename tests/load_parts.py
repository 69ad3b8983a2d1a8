"""Load runs made of windows: what a generator would have recorded, without sending anything."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.load.latency import PERCENTILES, Latencies, bucket, nearest_rank
from harness.load.result import SCHEMA, Kind, LoadResult
from harness.load.windows import Window, Windows

MS = 1_000_000
Times = Sequence[int]


def run_of(windows: Sequence[tuple[Times, int]], **values: Any) -> LoadResult:
    """A valid run; each window has the times of its successes, in nanoseconds, and so many failures."""
    times = [time for ok, _ in windows for time in ok]
    failed = sum(count for _, count in windows)
    recorded = Latencies()
    for time in times:
        recorded.add(time)
    latency, sent = recorded.summary(), len(times) + failed
    assert not times or latency.percentiles == {
        f"p{percent}": nearest_rank(sorted(times), percent) for percent in PERCENTILES
    }
    lag = Latencies()
    for _ in range(sent):
        lag.add(MS)
    given: dict[str, Any] = {
        "schema": SCHEMA,
        "run": "r1",
        "scenario": "api",
        "complete": True,
        "model": "open",
        "started": "2026-01-01T00:00:00+00:00",
        "planned": sent,
        "sent": sent,
        "completed": sent,
        "timed_out": 0,
        "succeeded": len(times),
        "dropped": 0,
        "late": 0,
        "retried": 0,
        "warm_up": 0,
        "duration": len(windows) * 100 * MS,
        "elapsed": len(windows) * 100 * MS,
        "cpu": 0.1,
        "latency": latency,
        "service_time": latency,
        "lag": lag.summary(),
        "failures": {Kind.STATUS: failed} if failed else {},
        "statuses": {"200": len(times)} if times else {},
        "slowest": (),
        "first_failures": (),
        "windows": Windows(100 * MS, tuple(_window(ok, bad) for ok, bad in windows)),
    }
    return LoadResult(**{**given, **values})


def _window(times: Times, failed: int) -> Window:
    counted = Counter(bucket(time) for time in times)
    buckets = {str(index): counted[index] for index in sorted(counted)}
    sent = len(times) + failed
    return Window(sent, 0, sent, len(times), failed, 0, buckets, buckets)
