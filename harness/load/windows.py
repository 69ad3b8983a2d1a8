"""What happened when: the counted stretch of a load run in equal time windows, counted exactly, and mergeable.

A run has at most `MOST` windows, however long it is. Standard library only: Locust's process imports it too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest

from harness.frozen import dataclass, field
from harness.load.latency import upper_end

MOST = 300
"""The most windows of a run; the last one takes what starts even later."""
_PLANNED = 240
"""The most windows of the planned duration: a run that takes longer than planned still shows when."""
_TENTH = 100_000_000
_WIDTHS = tuple(_TENTH * tenths for tenths in (1, 2, 5, 10, 20, 50, 100, 200, 300, 600, 1200, 3000, 6000))


@cache
def _indices() -> frozenset[str]:
    """Every bucket that a time can have; the last ones stand for thousands of years."""
    return frozenset(map(str, range(12_000)))


@dataclass(frozen=True)
class Window:
    """One stretch of time.

    `planned` arrivals were due in it (``None`` in a closed loop) and `dropped` of these found no free slot; `sent`
    requests were started in it. Everything else is told of the requests that were *due* in it, whenever they were
    sent and however long they took: how they ended, and their times in buckets like those of `Latency` (successes
    and time-outs; `latency` from the intended start, `service_time` from the actual one).
    """

    planned: int | None
    dropped: int
    sent: int
    succeeded: int
    failed: int
    timed_out: int
    latency: Mapping[str, int]
    service_time: Mapping[str, int]

    @property
    def ended(self) -> int:
        """How many of the requests that were due in it have an end."""
        return self.succeeded + self.failed + self.timed_out

    def sound(self) -> bool:
        """Whether it can have been recorded: no count is negative, each time has its bucket."""
        counts = (self.planned or 0, self.dropped, self.sent, self.succeeded, self.failed, self.timed_out)
        return min(counts) >= 0 and all(
            sum(buckets.values()) == self.succeeded + self.timed_out
            and all(number > 0 and index in _indices() for index, number in buckets.items())
            for buckets in (self.latency, self.service_time)
        )


@dataclass(frozen=True)
class Windows:
    """The windows of a run, in order and without a gap; the i-th is [i × `width`, (i + 1) × `width`), in nanoseconds."""

    width: int
    rows: tuple[Window, ...]

    def total(self) -> Window:
        """All of them as one."""
        return _merged(self.rows)

    def coarser(self, factor: int) -> "Windows":
        """`factor` windows in one, counts and buckets added up."""
        groups = range(0, len(self.rows), factor)
        return Windows(
            self.width * factor, tuple(_merged(self.rows[start : start + factor]) for start in groups)
        )


@dataclass(slots=True)
class _Row:
    planned: int = 0
    dropped: int = 0
    sent: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    latency: Counter[int] = field(default_factory=Counter)
    service_time: Counter[int] = field(default_factory=Counter)


class Timeline:
    """Counts into windows. Times are nanoseconds since the start of the counted stretch of `duration` nanoseconds."""

    def __init__(self, duration: int, *, planned: bool) -> None:
        self._width = width_for(duration)
        self._planned = planned
        self._rows = [_Row() for _ in range(-(-duration // self._width))]

    def due(self, intended: int, actual: int) -> None:
        """A request that was due at `intended` is started at `actual`."""
        row = self._at(intended)
        row.planned += 1
        if actual != intended:
            row = self._at(actual)
        row.sent += 1

    def dropped(self, intended: int) -> None:
        """An arrival that was due at `intended` found no free slot."""
        row = self._at(intended)
        row.planned += 1
        row.dropped += 1

    def timed(self, intended: int, latency: int, service_time: int, *, timed_out: bool) -> None:
        """A request succeeded or timed out; its times as their buckets."""
        row = self._at(intended)
        row.latency[latency] += 1
        row.service_time[service_time] += 1
        if timed_out:
            row.timed_out += 1
        else:
            row.succeeded += 1

    def failed(self, intended: int) -> None:
        """A request failed otherwise."""
        self._at(intended).failed += 1

    def windows(self) -> Windows:
        """Everything so far."""
        return Windows(self._width, tuple(self._window(row) for row in self._rows))

    def _at(self, time: int) -> _Row:
        index = time // self._width
        if 0 <= index < len(self._rows):
            return self._rows[index]
        index = min(max(index, 0), MOST - 1)
        while index >= len(self._rows):
            self._rows.append(_Row())
        return self._rows[index]

    def _window(self, row: _Row) -> Window:
        return Window(
            row.planned if self._planned else None,
            row.dropped,
            row.sent,
            row.succeeded,
            row.failed,
            row.timed_out,
            _named(row.latency),
            _named(row.service_time),
        )


def width_for(duration: int) -> int:
    """The width of the windows of a run, in nanoseconds: a round one, at least 0.1 s."""
    fitting = (width for width in _WIDTHS if duration <= width * _PLANNED)
    return next(fitting, 0) or _WIDTHS[-1] * -(-duration // (_WIDTHS[-1] * _PLANNED))


def merge(parts: Sequence[Windows]) -> Windows:
    """The windows of several generators that started together, as one.

    Raises:
        ValueError: there are none, or they differ in width.
    """
    if len(widths := {part.width for part in parts}) != 1:
        msg = f"windows of the widths {sorted(widths)} cannot be merged"
        raise ValueError(msg)
    columns = zip_longest(*(part.rows for part in parts))
    return Windows(widths.pop(), tuple(_merged([row for row in column if row]) for column in columns))


def add_up(series: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Buckets of several series as those of one, in order."""
    found: Counter[int] = Counter()
    for buckets in series:
        for index, count in buckets.items():
            found[int(index)] += count
    return _named(found)


def percentile(buckets: Mapping[str, int], percent: int) -> int | None:
    """The nearest rank in buckets, in nanoseconds, as its bucket's upper end; ``None`` where there is no time."""
    rank, seen = max(1, -(-percent * sum(buckets.values()) // 100)), 0
    for index in sorted(map(int, buckets)):
        seen += buckets[str(index)]
        if seen >= rank:
            return upper_end(index)
    return None


def _merged(rows: Sequence[Window]) -> Window:
    planned = [row.planned for row in rows if row.planned is not None]
    return Window(
        sum(planned) if planned else None,
        sum(row.dropped for row in rows),
        sum(row.sent for row in rows),
        sum(row.succeeded for row in rows),
        sum(row.failed for row in rows),
        sum(row.timed_out for row in rows),
        add_up(row.latency for row in rows),
        add_up(row.service_time for row in rows),
    )


def _named(buckets: Mapping[int, int]) -> dict[str, int]:
    return {str(index): buckets[index] for index in sorted(buckets)}
