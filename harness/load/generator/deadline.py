"""One time limit for many greenlets at once, at next to no cost for each."""

import time
from typing import Any

import gevent
from gevent import getcurrent


class Overdue(BaseException):
    """The limit has passed. No `Exception`: nothing in between may take it for an error of its own."""


class Deadlines:
    """Interrupts greenlets that take longer than `limit` nanoseconds; never sooner.

    As the limit is the same for all, who enters first is due first: one timer, for the first, does for all of them. A
    greenlet is in at most once, and always leaves::

        due = deadlines.enter()
        try:
            ...  # Overdue is raised here
        finally:
            deadlines.leave()
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._due: dict[Any, int] = {}
        """When the greenlets that are in have to be out, in the order in which they entered."""
        self._timer: Any = None

    def enter(self) -> int:
        """The current greenlet's time runs; returns when it will be over, by the monotonic clock."""
        self._due[getcurrent()] = due = time.monotonic_ns() + self._limit
        if self._timer is None:
            self._arm(self._limit)
        return due

    def leave(self) -> None:
        """The current greenlet is done."""
        del self._due[getcurrent()]

    def close(self) -> None:
        """Interrupt nobody any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _arm(self, after: int) -> None:
        self._timer = gevent.get_hub().loop.timer(after / 1e9, ref=False)
        self._timer.start(self._fire, update=True)

    def _fire(self) -> None:
        """Runs in the hub, so that every greenlet that is in stands still, somewhere between entering and leaving."""
        self.close()
        now = time.monotonic_ns()
        for late in [one for one, due in self._due.items() if due <= now]:
            # One that was interrupted may have done anything to the others since.
            if self._due.get(late, now + 1) <= now:
                late.throw(Overdue)
        if self._due and self._timer is None:
            self._arm(max(next(iter(self._due.values())) - time.monotonic_ns(), 0))
