"""Times in buckets as a series of windows: their mean and spread, and how much less they say than independent ones.

The design effect is that of `harness.load.statistics.dependence`, for any score of a response in place of "failed or not":
with c clusters of m responses whose scores add up to y, x̄ the mean and s² the variance of all n scores,

    d = c/(c−1) · Σ (y − x̄ m)² / (n s²)

over windows and batches of 2, 4, 8, … of them, as long as there are six; the largest counts, and at least 1.
"""

from collections.abc import Callable, Mapping, Sequence

from harness.load.latency import upper_end
from harness.load.statistics.dependence import MIN_WINDOWS

Buckets = Mapping[str, int]
"""Bucket -> how many times; see `harness.load.latency`."""
WIDTH = 0.004
"""A bucket's width, as a share of the times in it."""


def middle(index: int) -> float:
    """The time, in seconds, that stands for those of a bucket: none of them is further off than 0.2 %."""
    return upper_end(index) / (1 + WIDTH / 2) / 1e9


def spread(buckets: Buckets) -> float:
    """An upper bound of the sample's variance (n − 1) in square seconds; 0 for fewer than two times.

    The standard deviation of the middles, plus the most that 0.2 % off can add to it (Minkowski's inequality).
    """
    times = [(middle(int(index)), count) for index, count in buckets.items()]
    n = sum(count for _, count in times)
    if n < 2:
        return 0.0
    mean = sum(time * count for time, count in times) / n
    deviation: float = (sum((time - mean) ** 2 * count for time, count in times) / n) ** 0.5
    rms: float = (sum(time**2 * count for time, count in times) / n) ** 0.5
    return (deviation + WIDTH / 2 * rms) ** 2 * n / (n - 1)


def design_effect(windows: Sequence[Buckets], score: Callable[[int], float]) -> float:
    """Of the mean of `score(bucket)` over all responses of windows in order; windows without a response do not count."""
    found = [
        (
            sum(window.values()),
            sum(score(int(index)) * count for index, count in window.items()),
            sum(score(int(index)) ** 2 * count for index, count in window.items()),
        )
        for window in windows
        if window
    ]
    n = sum(count for count, _, _ in found)
    if n < 2:
        return 1.0
    mean = sum(total for _, total, _ in found) / n
    variance = sum(squares for _, _, squares in found) / n - mean * mean
    if variance <= 1e-12 * max(mean * mean, 1e-300):
        return 1.0
    clusters = [total - mean * count for count, total, _ in found]
    effects = [1.0]
    while len(clusters) >= MIN_WINDOWS:
        c = len(clusters)
        effects.append(c / (c - 1) * sum(each * each for each in clusters) / (n * variance))
        clusters = [sum(pair) for pair in zip(clusters[::2], clusters[1::2], strict=False)]
    return max(effects)
