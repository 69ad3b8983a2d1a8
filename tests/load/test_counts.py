"""What is reported is what happened: counts equal to the server's, percentiles those of the raw latencies, ends in time."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.load.latency import nearest_rank, upper_end
from harness.load.result import Kind, LoadResult
from harness.load.runner import run_scenario
from harness.load.validity import invalid_reasons

MODELS: list[dict[str, Any]] = [
    {"rate": 80.0, "nodes": 1},
    {"rate": 80.0, "nodes": 2, "warm_up": 0.2},
    {"rate": 80.0, "nodes": 3},
    {"users": 8, "nodes": 1},
    {"users": 8, "nodes": 2, "think_time": 0.02},
    {"users": 8, "nodes": 3, "warm_up": 0.2},
]
SAMPLE = [1, 3]
RUNS = [
    pytest.param(number, marks=[] if number in SAMPLE else pytest.mark.slow, id=f"run-{number}")
    for number in range(20)
]


class Mixed:
    """Answers late, wrongly, or not at all, by chance; counts what it said."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.errors = self.silent = 0

    async def __call__(self, index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        chance = self._random.random()
        if chance < 0.05:
            self.silent += 1
            await asyncio.Event().wait()
        await asyncio.sleep(self._random.expovariate(1 / 0.02))
        if chance < 0.15:
            self.errors += 1
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("number", RUNS)
def test_counts_are_the_servers(number: int, serve: Any, make_plan: Any, tmp_path: Path) -> None:
    behaviour = Mixed(number)
    server = serve(behaviour)
    plan = make_plan(server.url, **{"duration": 1.0, "timeout": 1.0, **MODELS[number % len(MODELS)]})
    result = run_scenario(plan, work=tmp_path)
    assert result.sent > 0
    assert result.sent + result.warm_up == server.count
    assert result.sent == result.completed + result.timed_out
    assert result.retried == 0
    if not result.warm_up:
        assert result.timed_out == behaviour.silent
        assert result.failures.get(Kind.STATUS, 0) == result.statuses.get("503", 0) == behaviour.errors
    if plan.open:
        assert result.sent == result.planned == result.due == 80
    assert result.nodes == plan.nodes


def truth(times: Sequence[float], percent: int) -> float:
    """The exact percentile of seconds, in nanoseconds."""
    return nearest_rank(sorted(round(each * 1e9) for each in times), percent)


class Timed:
    """How long each answer takes is a function of the request's number; it knows how long each really took."""

    def __init__(self) -> None:
        self.took: list[float] = []

    async def __call__(self, index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        started = time.perf_counter()
        await asyncio.sleep(0.1 + 0.002 * (index * 37 % 200))
        self.took.append(time.perf_counter() - started)
        writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % (503 if index % 10 == 0 else 200))


@pytest.mark.alone
@pytest.mark.parametrize("nodes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_percentiles_of_the_raw_latencies(nodes: int, serve: Any, make_plan: Any, tmp_path: Path) -> None:
    """The server's own times are less than the client's by what the machine adds: no more than some milliseconds."""
    behaviour = Timed()
    plan = make_plan(serve(behaviour).url, rate=100.0, duration=2.0, timeout=2.0, nodes=nodes)
    result = run_scenario(plan, work=tmp_path)
    assert result.sent == 200
    for percent in (50, 90, 95, 99):
        seen = result.service_time.percentiles[f"p{percent}"]
        exact = truth([took for index, took in enumerate(behaviour.took)], percent)
        assert exact * 0.97 < seen < exact * 1.03 + 30e6
        # Against the generator's own: each bucket is 0.4 % wide, and the truth lies in it.
        assert seen == pytest.approx(_of_windows(result, percent), rel=0.005)


def _of_windows(result: LoadResult, percent: int) -> int:
    buckets = result.windows.total().service_time
    ordered = [int(index) for index in sorted(buckets, key=int) for _ in range(buckets[index])]
    return upper_end(nearest_rank(ordered, percent))


@pytest.mark.alone
def test_two_workers_judge_and_measure_as_one(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    """On the same traffic: every answer's time and end are functions of the request's number."""
    found = []
    for nodes in (1, 2):
        behaviour = Timed()
        rules = ("success_rate >= 95%", "error_rate <= 15%")
        plan = make_plan(
            serve(behaviour).url,
            rate=200.0,
            duration=1.0,
            timeout=2.0,
            nodes=nodes,
            rules=rules,
            stop_early=False,
        )
        found.append(run_scenario(plan, work=tmp_path / str(nodes)))
    one, two = found
    assert (one.sent, one.succeeded, one.statuses) == (two.sent, two.succeeded, two.statuses)
    assert (
        [judged.state for judged in one.judged] == [judged.state for judged in two.judged] == ["fail", "pass"]
    )
    for name, alone in one.service_time.percentiles.items():
        assert two.service_time.percentiles[name] == pytest.approx(alone, rel=0.005, abs=15e6)


# Ending early


class Failing:
    """Fails by chance, each request by itself."""

    def __init__(self, share: float) -> None:
        self._random, self._share = random.Random(7), share

    async def __call__(self, index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        status = b"500 No" if self._random.random() < self._share else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("share", "within", "nodes"),
    [
        (0.5, 2.0, 1),
        pytest.param(0.2, 4.0, 1, marks=pytest.mark.slow),
        pytest.param(0.5, 2.0, 2, marks=pytest.mark.slow),
        pytest.param(0.2, 4.0, 2, marks=pytest.mark.slow),
    ],
)
def test_a_broken_service_is_failed_early(
    share: float, within: float, nodes: int, serve: Any, make_plan: Any, tmp_path: Path
) -> None:
    server = serve(Failing(share))
    rules = ("success_rate >= 95%",)
    plan = make_plan(
        server.url, rate=200.0, duration=60.0, timeout=5.0, late_after=0.025, nodes=nodes, rules=rules
    )
    result = run_scenario(plan, work=tmp_path)
    (judged,) = result.judged
    assert (judged.state, judged.early) == ("fail", "evidence")
    assert result.elapsed / 1e9 < within
    assert result.ended_early.endswith("of 60 s")
    assert server.count == result.sent == result.due
    assert result.sent < (result.planned or 0) / 10
    assert invalid_reasons(result) == ()
