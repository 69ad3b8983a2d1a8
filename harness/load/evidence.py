"""Evidence, while a run goes on, that it will not (or will) keep its rule at its horizon: an e-process.

A run of N requests is a finite population: x₁ … x_N, 1 for a failure. Its verdict at the horizon depends on one number, the
failures F in all of it; what has been seen by now is a sample of it *without replacement*. For independent requests, and for
all that are exchangeable, the sample of n with k failures has, given F = A, the likelihood

    L(A) = C(N − n, A − k) / C(N, A)

and E = mean of L(A) ÷ L(M) over a grid of A > M is a test martingale against "F = M". It is a supermartingale for every
F ≤ M (the ratio grows with every failure, and fewer failures come when F is smaller). So by Ville's inequality

    P(E ever reaches 1/α | the run would keep its rule at its horizon) ≤ α,

whatever the service's true rate is and however often one looks. That is another statement than a test of the true rate:
it speaks of the verdict that the run would have had.

Sources: J. Ville, *Étude critique de la notion de collectif* (1939); I. Waudby-Smith, A. Ramdas, *Confidence sequences for
sampling without replacement*, NeurIPS (2020); A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, *Game-theoretic statistics and
safe anytime-valid inference*, Statistical Science 38 (2023); H. Robbins, *Statistical methods related to the law of the
iterated logarithm*, Annals of Mathematical Statistics 41 (1970), for mixing over alternatives.

For dependent requests the logarithm of E is divided by the design effect d ≥ 1. Where they are exchangeable after all, that
keeps the bound for any d, chosen with a look at the data too: E^(1/d) ≥ 1/α ≥ 1 implies E ≥ 1/α.
"""

from collections.abc import Sequence
from math import exp, inf, lgamma, log

_POINTS = 24


def failing(planned: int, most: int) -> tuple[int, ...]:
    """Alternatives to keeping the rule: totals of failures above `most`, at growing distances, up to `planned`."""
    return tuple(most + step for step in _steps(planned - most))


def keeping(most: int) -> tuple[int, ...]:
    """Alternatives to breaking the rule: totals of failures from `most` down to none, at growing distances."""
    return tuple(most + 1 - step for step in _steps(most + 1))


def log_evidence(requests: int, failures: int, planned: int, null: int, alternatives: Sequence[int]) -> float:
    """log E against "`null` failures in all of the run"; `inf` where what was seen cannot be a part of such a run.

    The alternatives lie all above the null or all below it; each has the same weight. Where no alternative is possible
    either, or there is none, the evidence is 0: `-inf`.
    """
    known = _log_likelihood(requests, failures, planned, null)
    ratios = [_log_likelihood(requests, failures, planned, total) for total in alternatives]
    best = max(ratios, default=-inf)
    if best == -inf:
        return -inf
    if known == -inf:
        return inf
    return best - known + log(sum(exp(ratio - best) for ratio in ratios) / len(ratios))


def _steps(distance: int) -> list[int]:
    """Whole numbers from 1 to `distance` in a geometric row; none where there is no room."""
    if distance < 1:
        return []
    return sorted({round(distance ** (point / _POINTS)) for point in range(_POINTS + 1)})


def _log_likelihood(requests: int, failures: int, planned: int, total: int) -> float:
    """log L(total), as above."""
    rest, failures_left = planned - requests, total - failures
    if not 0 <= failures_left <= rest or not 0 <= total <= planned:
        return -inf
    return _log_choose(rest, failures_left) - _log_choose(planned, total)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
