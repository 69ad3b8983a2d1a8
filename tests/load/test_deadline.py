"""Deadlines of many greenlets at once."""

import time
from collections.abc import Iterator

import gevent
import pytest

from harness.load.generator.deadline import Deadlines, Overdue

MS = 1_000_000


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    made = Deadlines(50 * MS)
    yield made
    made.close()


def work(deadlines: Deadlines, seconds: float) -> tuple[str, float]:
    """How it ended, and after how many milliseconds."""
    started = time.monotonic_ns()
    deadlines.enter()
    try:
        gevent.sleep(seconds)
    except Overdue:
        return "overdue", (time.monotonic_ns() - started) / MS
    finally:
        deadlines.leave()
    return "done", (time.monotonic_ns() - started) / MS


def test_who_takes_too_long_is_interrupted_and_never_too_soon(deadlines: Deadlines) -> None:
    """Each enters 5 ms after the one before; every other one is done in time."""
    started = [
        gevent.spawn_later(index * 0.005, work, deadlines, 5.0 if index % 2 else 0.02) for index in range(30)
    ]
    ended = [one.get(timeout=3) for one in started]
    assert [how for how, _ in ended] == ["done", "overdue"] * 15
    assert min(took for how, took in ended if how == "overdue") >= 50
    assert max(took for how, took in ended if how == "overdue") < 1000


def test_one_after_the_other_in_one_greenlet(deadlines: Deadlines) -> None:
    """Interrupting one must not meet the next: each has its own time."""

    def several() -> list[str]:
        return [work(deadlines, seconds)[0] for seconds in (0.03, 0.03, 5.0, 0.03, 5.0)]

    assert gevent.spawn(several).get(timeout=3) == ["done", "done", "overdue", "done", "overdue"]


def test_one_that_was_interrupted_may_end_another(deadlines: Deadlines) -> None:
    def kills() -> str:
        try:
            return work(deadlines, 5.0)[0]
        finally:
            victim.kill()

    killer, victim = gevent.spawn(kills), gevent.spawn(work, deadlines, 5.0)
    assert killer.get(timeout=3) == "overdue"
    assert victim.dead
    assert gevent.spawn(work, deadlines, 5.0).get(timeout=3)[0] == "overdue"


def test_closed_while_somebody_is_in(deadlines: Deadlines) -> None:
    inside = gevent.spawn(work, deadlines, 0.1)
    gevent.sleep(0)
    deadlines.close()
    assert inside.get(timeout=3)[0] == "done"
