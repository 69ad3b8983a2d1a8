"""Ends this process when foreign code holds it: a loop that never waits lets no other greenlet run, ours included."""

import os
import sys
import time
from collections.abc import Callable
from types import FrameType

from gevent.monkey import get_original

_LOOK = 0.5


class Watchdog:
    """A thread of its own that wants a `beat` every `limit` seconds; `place` says where a frame is."""

    def __init__(self, limit: float, place: Callable[[FrameType | None], str], *, code: int) -> None:
        self.limit = limit
        self._place, self._code = place, code
        self._last = time.monotonic()
        self._over = False
        self._main = get_original("_thread", "get_ident")()

    def start(self) -> None:
        """From now on."""
        get_original("_thread", "start_new_thread")(self._watch, ())

    def beat(self) -> None:
        """Others run, too."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """Watch no more."""
        self._over = True

    def late(self) -> str:
        """What holds the process now, if anything does."""
        if time.monotonic() - self._last <= self.limit:
            return ""
        place = self._place(sys._current_frames().get(self._main))  # noqa: SLF001 - documented for this
        return (
            f"{place} has let nothing else run for {self.limit:.0f} s: it computes, or loops, and never waits"
        )

    def _watch(self) -> None:
        sleep = get_original("time", "sleep")
        while not self._over:
            sleep(_LOOK)
            if told := self.late():
                os.write(2, f"gonogo: {told}\n".encode())
                os._exit(self._code)
