"""Waiting for what tells nobody when it has settled: AWS, an application behind HTTP. The one loop that does it."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(
    look: Callable[[], T],
    good: Callable[[T], object],
    *,
    timeout: float,
    pause: float = 0.2,
    longest: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Look until what is seen is good or `timeout` seconds are over; returns the last thing seen either way.

    It looks at least once, and once more when the time is over. The pauses between looks grow by half, from `pause` to
    `longest` seconds: most things are quick, and what is not must not be asked all the time.
    """
    deadline = clock() + timeout
    while True:
        seen = look()
        left = deadline - clock()
        if good(seen) or left <= 0:
            return seen
        sleep(min(pause, left))
        pause = min(pause * 1.5, longest)
