"""When requests are due: N arrivals on a fixed schedule of stages, each at a constant rate or ramping. Pure.

The schedule knows nothing of the service: that is what makes the model open. The i-th request of stages with the rate r(t)
is due when ∫ r has reached i, the first one at once.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import floor, sqrt

from harness.frozen import dataclass

_HAIR = 1e-6


@dataclass(frozen=True)
class Stage:
    """`duration` seconds in which the rate goes from `rate` to `to` arrivals a second, in a straight line."""

    duration: float
    rate: float
    to: float

    @property
    def arrivals(self) -> float:
        """How many are due in it; not whole."""
        return (self.rate + self.to) / 2 * self.duration

    def when(self, number: float) -> float:
        """Seconds after its start at which so many arrivals have been due."""
        if self.to == self.rate:
            return number / self.rate
        slope = (self.to - self.rate) / self.duration
        # The root of rate·t + slope·t²/2 = number, in the form that loses no digits for small slopes.
        root = sqrt(max(self.rate * self.rate + 2 * slope * number, 0.0))
        return 2 * number / (self.rate + root) if number else 0.0


class Schedule:
    """Stages one after the other."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stage for stage in stages if stage.duration > 0)
        self._ends = list(accumulate(stage.arrivals for stage in self.stages))
        self._starts = [0.0, *accumulate(stage.duration for stage in self.stages)]

    @property
    def duration(self) -> float:
        """Seconds of all stages together."""
        return self._starts[-1]

    @property
    def arrivals(self) -> int:
        """The whole number of requests that are due; a hair of float error does not lose one."""
        return floor(self._ends[-1] + _HAIR) if self._ends else 0

    @property
    def peak(self) -> float:
        """The highest rate, in arrivals a second."""
        return max((max(stage.rate, stage.to) for stage in self.stages), default=0.0)

    def due(self, index: int) -> float:
        """Seconds from the start at which the request `index` (from 0) is due."""
        position = min(bisect_right(self._ends, index), len(self.stages) - 1)
        before = self._ends[position - 1] if position else 0.0
        return self._starts[position] + self.stages[position].when(index - before)

    def due_by(self, seconds: float) -> int:
        """How many requests are due in the first so many seconds; one that is due at the very end is not."""
        low, high = 0, self.arrivals
        while low < high:
            middle = (low + high) // 2
            if self.due(middle) < seconds:
                low = middle + 1
            else:
                high = middle
        return low


def constant(rate: float, seconds: float) -> Schedule:
    """One rate all the time."""
    return Schedule([Stage(seconds, rate, rate)])
