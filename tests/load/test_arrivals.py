"""Schedules with a sender that does nothing but what the test wants, in this process."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from harness.load.generator.arrivals import CpuMeter, Loop, Schedule
from harness.load.generator.progress import Progress
from harness.load.generator.recorder import Answer, Recorder
from harness.load.plan import Plan
from harness.load.result import Kind, LoadResult, contradictions

MS = 1_000_000


class Fake:
    """Sends by calling a function with the request's number."""

    def __init__(self, act: Callable[[int], Answer | None] = lambda index: None) -> None:
        self._act = act
        self.starts: list[int] = []

    def prime(self) -> None:
        pass

    def close(self) -> None:
        pass

    def send(self) -> Answer:
        self.starts.append(time.monotonic_ns())
        return self._act(len(self.starts)) or Answer(None, 200)


def run(plan: Plan, fake: Fake) -> LoadResult:
    recorder, meter = Recorder(plan), CpuMeter()
    Schedule(plan, 0, fake, recorder, meter).conduct()
    result = recorder.result(cpu=meter.share)
    assert contradictions(result) == ()
    return result


def test_every_planned_request_is_sent_at_its_time(make_plan: Any) -> None:
    fake = Fake()
    result = run(make_plan(rate=200.0, duration=0.5, warm_up=0.1), fake)
    assert (result.planned, result.sent, result.warm_up, result.dropped) == (100, 100, 20, 0)
    assert len(fake.starts) == 120
    due = [fake.starts[0] + index * 5 * MS for index in range(120)]
    assert max(abs(actual - when) for actual, when in zip(fake.starts, due, strict=True)) < 100 * MS
    assert result.elapsed >= 500 * MS
    assert 0 < result.cpu < 2


def test_a_slow_service_does_not_slow_the_schedule(make_plan: Any) -> None:
    fake = Fake(lambda index: gevent.sleep(0.3))
    result = run(make_plan(rate=100.0, duration=0.3), fake)
    assert result.sent == 30
    assert fake.starts[-1] - fake.starts[0] < 290 * MS + 100 * MS
    assert result.latency.least is not None
    assert result.latency.least >= 299 * MS


def test_a_busy_generator_is_billed_to_the_intended_start_only(make_plan: Any) -> None:
    """The third request holds the whole process up for 100 ms: those due meanwhile start late."""

    def act(index: int) -> None:
        if index == 3:
            time.sleep(0.1)

    result = run(make_plan(rate=100.0, duration=0.3), Fake(act))
    assert result.sent == 30
    assert result.late >= 4
    assert result.lag.most is not None
    assert result.lag.most > 70 * MS
    assert result.latency.total - result.service_time.total == pytest.approx(result.lag.total, rel=0.01)
    assert result.service_time.percentiles["p95"] < 50 * MS < result.latency.percentiles["p95"]


def test_an_arrival_without_a_slot_is_dropped_and_counted(
    make_plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "slots", property(lambda self: 5))
    result = run(make_plan(rate=100.0, duration=0.2), Fake(lambda index: gevent.sleep(0.5)))
    assert (result.sent, result.dropped) == (5, 15)


def test_what_never_ends_is_lost_and_so_invalid(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.load.generator import arrivals
    from harness.load.validity import invalid_reasons

    monkeypatch.setattr(arrivals, "_DRAIN", 0.1)

    def act(index: int) -> None:
        if index == 1:
            gevent.sleep(60)

    plan = make_plan(rate=50.0, duration=0.2, timeout=0.1)
    result = run(plan, Fake(act))
    assert (result.sent, result.completed, result.timed_out) == (10, 9, 0)
    assert any("1 were lost" in reason for reason in invalid_reasons(result))


def closed(plan: Plan, fake: Fake) -> LoadResult:
    recorder, meter = Recorder(plan), CpuMeter()
    loop = Loop(plan, fake, recorder, meter)
    users = [gevent.spawn(loop.user) for _ in range(plan.users or 0)]
    loop.conduct()
    gevent.joinall(users, timeout=2, raise_error=True)
    assert all(user.ready() for user in users)
    return recorder.result(cpu=meter.share)


def test_closed_users_wait_for_the_answer_and_think(make_plan: Any) -> None:
    fake = Fake(lambda index: gevent.sleep(0.02))
    result = closed(make_plan(users=4, think_time=0.03, duration=0.4, warm_up=0.1), fake)
    assert result.model == "closed"
    assert result.planned is None
    assert result.sent == result.completed == result.succeeded
    assert 20 <= result.sent <= 4 * 9, "at most one request a user each 50 ms"
    assert result.sent + result.warm_up == len(fake.starts)
    assert contradictions(result) == ()


def test_closed_users_do_not_hammer_a_closed_door(make_plan: Any) -> None:
    result = closed(
        make_plan(users=2, duration=0.3), Fake(lambda index: Answer(Kind.REFUSED, detail="refused"))
    )
    assert 2 <= result.sent <= 8
    assert result.succeeded == 0


def test_closed_ends_although_a_request_does_not(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.load.generator import arrivals

    monkeypatch.setattr(arrivals, "_DRAIN", 0.05)
    plan = make_plan(users=1, duration=0.1, timeout=0.05)
    recorder, meter = Recorder(plan), CpuMeter()
    loop = Loop(plan, Fake(lambda index: gevent.sleep(30) if index > 1 else None), recorder, meter)
    user = gevent.spawn(loop.user)
    loop.conduct()
    user.kill()
    result = recorder.result(cpu=0)
    assert result.sent == result.completed + 1 or result.sent == result.completed == 0


def test_shares_are_interleaved_and_whole(make_plan: Any) -> None:
    """Three nodes send what one would, each every third request."""
    plan = make_plan(rate=100.0, duration=0.2, nodes=3)
    parts = []
    for number in range(3):
        recorder, meter = Recorder(plan), CpuMeter()
        share = Schedule(plan, number, Fake(), recorder, meter)
        share.conduct()
        parts.append((share.due, recorder.sent))
    assert parts == [(7, 7), (7, 7), (6, 6)]


def test_a_stopped_schedule_says_what_was_due(make_plan: Any) -> None:
    plan = make_plan(rate=100.0, duration=5.0)
    recorder, meter = Recorder(plan), CpuMeter()
    shares: list[Schedule] = []
    fake = Fake(lambda index: shares[0].stop() if index == 10 else None)
    shares.append(Schedule(plan, 0, fake, recorder, meter))
    shares[0].conduct()
    assert shares[0].due == recorder.sent == recorder.completed == 10


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    progress = Progress(path)
    progress.write({"second": 1})
    assert json.loads(path.read_text()) == {"second": 1}, "at once"
    progress.write({"second": 2})
    assert len(path.read_text().splitlines()) == 2
