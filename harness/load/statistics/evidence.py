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
from math import ceil, exp, inf, lgamma, log, sqrt

_POINTS = 24


def failing(planned: int, most: int) -> tuple[int, ...]:
    """Alternatives to keeping the rule: totals of failures above `most`, at growing distances, up to `planned`."""
    return tuple(most + step for step in _steps(planned - most))


def keeping(most: int) -> tuple[int, ...]:
    """Alternatives to breaking the rule: totals of failures from `most` down to none, at growing distances."""
    return tuple(most + 1 - step for step in _steps(most + 1))


def patience(planned: int, most: int, enough: float) -> int:
    """How many requests to see before evidence counts, so that no outage that the rule can absorb is taken for the end.

    A run that begins with b failures and nothing else, b ≤ M, may still keep its rule. Were it to, those b would be one
    burst, with the design effect d(b) = (b² (1 − q) / q + N − b) / N, q = M ÷ N. This is the least n such that
    log E(b) ÷ d(b) < `enough` for every b from n to M: 2.5 % of the run for 5 % failures and `enough` = ln 1000, 6 % for 20 %.
    0 where no b matters. For very small limits there may be no such n: then it is M.
    """
    if not 0 < most < planned:
        return 0
    others, odds = failing(planned, most), (planned - most) / most

    def borne(b: int) -> bool:
        effect = max(1.0, (b * b * odds + planned - b) / planned)
        return log_evidence(b, b, planned, most, others) < enough * effect

    low, high = (
        min(most, ceil(sqrt(planned / odds))),
        most,
    )  # from its largest value on, log E(b) ÷ d(b) falls
    if borne(low):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if borne(middle) else (middle, high)
    return high


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
