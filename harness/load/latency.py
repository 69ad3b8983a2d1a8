"""Latencies, recorded exactly: whole nanoseconds, an exact sum, and percentiles by nearest rank.

Up to `EXACT` values the percentiles are exact. Beyond, they come from buckets that are 0.4 % wide, and read as the
bucket's upper end: never less than the truth, at most 0.4 % more. The buckets are always kept, as they can be merged.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import ceil, log

from harness.frozen import dataclass

EXACT = 200_000
"""So many values are kept one by one."""
_GROWTH = 1.004
_LOG = log(_GROWTH)
_BATCH = 512
PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Latency:
    """What a series of times came to, in nanoseconds; ``None`` where there was none.

    `buckets` maps an index i to the number of values in (1.004^(i-1), 1.004^i]; `exact` tells whether the
    percentiles come from the values themselves.
    """

    count: int
    total: int
    least: int | None
    most: int | None
    exact: bool
    percentiles: Mapping[str, int]
    buckets: Mapping[str, int]


class Latencies:
    """Collects times in nanoseconds. They are put away in batches, which is several times cheaper than one by one."""

    def __init__(self, keep: int = EXACT) -> None:
        self._keep = keep
        self._fresh: list[int] = []
        self._raw: array[int] | None = array("q")
        self._buckets: Counter[int] = Counter()
        self._count = 0
        self._total = 0
        self._least: int | None = None
        self._most: int | None = None

    def add(self, value: int) -> None:
        """Record one time."""
        self._fresh.append(value)
        if len(self._fresh) >= _BATCH:
            self._settle()

    def _settle(self) -> None:
        """Put away what came in since the last time."""
        if not self._fresh:
            return
        values = self._fresh
        if min(values) < 1:
            values = [max(value, 1) for value in values]
        self._fresh = []
        self._count += len(values)
        self._total += sum(values)
        self._least = min(values) if self._least is None else min(self._least, *values)
        self._most = max(values) if self._most is None else max(self._most, *values)
        self._buckets.update(buckets_of(values))
        if self._raw is not None:
            self._raw.fromlist(values)
            if self._count > self._keep:
                self._raw = None

    def buckets(self) -> dict[str, int]:
        """The buckets so far; cheap, unlike `summary`."""
        self._settle()
        return {str(index): self._buckets[index] for index in sorted(self._buckets)}

    def summary(self) -> Latency:
        """Everything recorded so far."""
        self._settle()
        ordered = sorted(self._raw) if self._raw is not None else None
        found = {
            f"p{percent}": nearest_rank(ordered, percent)
            if ordered is not None
            else self._of_buckets(percent)
            for percent in PERCENTILES
            if self._count
        }
        return Latency(
            count=self._count,
            total=self._total,
            least=self._least,
            most=self._most,
            exact=ordered is not None,
            percentiles=found,
            buckets=self.buckets(),
        )

    def _of_buckets(self, percent: int) -> int:
        rank, indexes = rank_of(self._count, percent), sorted(self._buckets)
        totals = accumulate(self._buckets[index] for index in indexes)
        index = next(index for index, total in zip(indexes, totals, strict=True) if total >= rank)
        return min(upper_end(index), self._most or 0)


def bucket(value: int) -> int:
    """The index of the bucket that a time of at least 1 ns belongs to."""
    return ceil(log(value) / _LOG)


def buckets_of(values: Iterable[int]) -> Iterator[int]:
    """The same for many: the very same operations, none of them in Python."""
    return map(ceil, map(_LOG.__rtruediv__, map(log, values)))


def upper_end(index: int) -> int:
    """The longest time that a bucket holds, in whole nanoseconds."""
    return ceil(_GROWTH**index)


def rank_of(count: int, percent: int) -> int:
    """The nearest rank: the ``ceil(percent / 100 × count)``-th smallest value, in whole numbers."""
    return max(1, -(-percent * count // 100))


def nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The percentile of values in ascending order (NIST/SEMATECH e-Handbook 7.2.6.2's simplest form)."""
    return ordered[rank_of(len(ordered), percent) - 1]
