"""Did a whole distribution move? The test of Mann and Whitney on two runs' buckets, with the size of the effect.

Of X, a response time of the one run, and Y, one of the other, U counts the pairs with X > Y, ties as half. U ÷ (n m) estimates
P(X > Y) + ½ P(X = Y), the *probability of superiority* (here: of being slower); twice that, minus 1, is Cliff's delta.

Sources: H. B. Mann, D. R. Whitney, Annals of Mathematical Statistics 18 (1947); the variance with ties: E. L. Lehmann,
*Nonparametrics* (1975), section 1.4; N. Cliff, *Dominance statistics*, Psychological Bulletin 114 (1993); what is small:
J. Romano et al., *Appropriate statistics for ordinal level data* (2006).
"""

from collections.abc import Mapping
from math import erfc, sqrt

from harness.frozen import dataclass

NEGLIGIBLE = 0.147
"""A Cliff's delta below this is negligible (Romano et al.)."""
SIGNIFICANCE = 0.01
"""A p-value below this says that the distributions differ."""


@dataclass(frozen=True)
class Shift:
    """How two series compare. `probability` is that of a value of the one being greater than one of the other, ties as
    half; `p_value` is two-sided; `effective` are the effective sample sizes, the one's first."""

    probability: float
    p_value: float
    effective: tuple[float, float]

    @property
    def delta(self) -> float:
        """Cliff's delta, from −1 (always less) to 1 (always greater)."""
        return 2 * self.probability - 1

    @property
    def significant(self) -> bool:
        """Do the distributions differ, by more than chance explains?"""
        return self.p_value < SIGNIFICANCE

    @property
    def moved(self) -> bool:
        """Did the whole distribution move, by more than is negligible?"""
        return self.significant and abs(self.delta) >= NEGLIGIBLE


def mann_whitney_u(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """The pairs in which the value of `one` is the greater, ties as half; both map values to how often they occur."""
    below, pairs = 0, 0.0
    for value in sorted({*one, *other}):
        mine, theirs = one.get(value, 0), other.get(value, 0)
        pairs += mine * (below + theirs / 2)
        below += theirs
    return pairs


def midranks(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, float]:
    """Value -> the mean rank, as a share of all, of those that have this value when both are ranked together."""
    total = sum(one.values()) + sum(other.values())
    ranks, below = {}, 0
    for value in sorted({*one, *other}):
        here = one.get(value, 0) + other.get(value, 0)
        ranks[value] = (below + (here + 1) / 2) / total
        below += here
    return ranks


def compare(
    one: Mapping[int, int], other: Mapping[int, int], effects: tuple[float, float] = (1.0, 1.0)
) -> Shift | None:
    """Compare two series of values; ``None`` where one of them is empty.

    The p-value is the normal approximation with the correction for ties and for continuity:

        σ² = n m (N + 1) / 12 · (1 − Σ (t³ − t) / (N³ − N))        z = (|U − n m / 2| − ½) / σ

    with N = n + m values, t of which are alike. `effects` are design effects, by which n and m are divided in σ and z.
    """
    n, m = sum(one.values()), sum(other.values())
    if not n or not m:
        return None
    total = n + m
    probability = mann_whitney_u(one, other) / (n * m)
    tied = sum((one.get(value, 0) + other.get(value, 0)) ** 3 for value in {*one, *other}) - total
    free = 1 - tied / (total**3 - total)
    few, fewer = n / effects[0], m / effects[1]
    pairs = few * fewer
    deviation = sqrt(max(pairs * (few + fewer + 1) / 12 * free, 0.0))
    distance = max(abs(probability - 0.5) * pairs - 0.5, 0.0)
    p_value = erfc(distance / deviation / sqrt(2)) if deviation else 1.0
    return Shift(probability, p_value, (few, fewer))
