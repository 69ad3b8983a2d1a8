"""Confidence intervals for a failure rate and for a bounded mean. Pure functions of counts, no I/O.

Sources: C. J. Clopper, E. S. Pearson, *The use of confidence or fiducial limits illustrated in the case of the
binomial*, Biometrika 26 (1934); E. L. Korn, B. I. Graubard, *Confidence intervals for proportions with small expected
number of positive counts estimated from survey data*, Survey Methodology 24 (1998), for counts divided by a design
effect; A. Maurer, M. Pontil, *Empirical Bernstein bounds and sample variance penalization*, COLT (2009), theorem 4.
"""

from math import exp, inf, lgamma, log, log1p, sqrt

from harness.frozen import dataclass

_TINY = 1e-300
_ACCURACY = 1e-14


@dataclass(frozen=True)
class Interval:
    """`low` to `high`, both included, and the share of repeated runs whose interval holds the truth."""

    low: float
    high: float
    confidence: float


def clopper_pearson(failures: float, requests: float, confidence: float = 0.95) -> Interval:
    """The exact two-sided interval of a binomial proportion: with α = 1 − confidence, k failures of n requests,

        low = B⁻¹(α/2; k, n − k + 1), 0 at k = 0        high = B⁻¹(1 − α/2; k + 1, n − k), 1 at k = n

    where B⁻¹(·; a, b) is the quantile of the beta distribution. The counts need not be whole: dividing both by a design
    effect makes it the interval of Korn and Graubard. Without requests it is everything, 0 to 1.

    Raises:
        ValueError: failures are not within 0 and requests, or the confidence not within 0 and 1.
    """
    _require_confidence(confidence)
    if not 0 <= failures <= requests < inf:
        raise ValueError(f"{failures} failures of {requests} requests are no proportion")
    tail = (1 - confidence) / 2
    successes = requests - failures
    low = _beta_quantile(tail, failures, successes + 1)[0] if failures else 0.0
    high = _beta_quantile(1 - tail, failures + 1, successes)[1] if successes else 1.0
    return Interval(low, high, confidence)


def empirical_bernstein(
    mean: float, variance: float, sample: float, *, low: float, high: float, confidence: float = 0.95
) -> Interval:
    """The two-sided interval of the mean of values within `low` and `high`; `variance` is the sample's (n − 1).

        mean ± (√(2 V ln(4/α) / n) + 7 (high − low) ln(4/α) / (3 (n − 1))),  cut at `low` and `high`

    (each side spends half of α, so the paper's ln(2/δ) is ln(4/α) here). Fewer than two values say nothing beyond the
    bounds.

    Raises:
        ValueError: the mean is not within the bounds, the variance is negative, the confidence not within 0 and 1.
    """
    _require_confidence(confidence)
    if not -inf < low <= mean <= high < inf or not 0 <= variance < inf:
        raise ValueError(f"mean {mean} with variance {variance} is no mean of values from {low} to {high}")
    if sample < 2:
        return Interval(low, high, confidence)
    spent = log(4 / (1 - confidence))
    reach = sqrt(2 * variance * spent / sample) + 7 * (high - low) * spent / (3 * (sample - 1))
    return Interval(max(low, mean - reach), min(high, mean + reach), confidence)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), i.e. the beta distribution's share up to x; a, b > 0.

    By the continued fraction of DLMF 8.17.22 (https://dlmf.nist.gov/8.17#v) with Lentz's algorithm.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b), where it converges fast: x < (a + 1) / (a + b + 2)."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value, step, m = d, 0.0, 0
    while abs(step - 1) > _ACCURACY:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            step = c * d
            value *= step
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _beta_quantile(share: float, a: float, b: float) -> tuple[float, float]:
    """By bisection: neighbouring numbers between which I_x(a, b) passes `share`."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high and high - low > 1e-15 * high:
        if incomplete_beta(a, b, middle) < share:
            low = middle
        else:
            high = middle
    return low, high


def _require_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
