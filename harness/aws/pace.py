"""A cap on requests per second, so that a gate does not take an account's API limits away from what runs in it."""

import time
from collections.abc import Callable
from threading import Lock

_BURST = 1.0
"""Seconds whose requests may be sent at once."""


class Pace:
    """A token bucket: `rate` requests a second, and one second's worth at once."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._lock = Lock()
        self.waited = 0.0
        """Seconds that requests were held back, all together."""
        self._free_at = clock() - _BURST
        """When the last request that was let go would have been due at an even pace."""

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST) + 1 / self._rate
            late = self._free_at - now
            self.waited += max(0.0, late)
        if late > 0:
            self._sleep(late)
