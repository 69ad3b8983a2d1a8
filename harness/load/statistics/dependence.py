"""How much less a run says than as many independent requests would: the design effect of its windows.

A service that fails in bursts tells the same thing many times over. Its n requests weigh as much as n ÷ d independent ones,
d being the *design effect* (L. Kish, *Survey Sampling*, 1965): the variance of the failure rate estimated from clusters of
requests, divided by the variance that independent requests would have. Here the clusters are windows of time in a row
(W. G. Cochran, *Sampling Techniques*, 1977, chapters 6 and 9A: the ratio estimator, clusters of unequal size), and batches
of 2, 4, 8, … of them (batch means: B. Schmeiser, *Batch size effects in the analysis of simulation output*, Operations
Research 30, 1982), because a burst that is longer than a window does not show between neighbouring windows.
"""

from harness.frozen import dataclass, field

MIN_WINDOWS = 6
"""Fewer clusters than this do not say how much they vary."""
OUTAGE = 0.75
"""A window in which at least this share of the requests fails belongs to an outage."""
_SCALES = tuple(2**exponent for exponent in range(8))


@dataclass
class _Squares:
    """The sums that Σ (y − q m)² over clusters of m requests with y failures needs, for any q. Whole numbers, exact."""

    clusters: int = 0
    requests: int = 0
    failures: int = 0
    yy: int = 0
    ym: int = 0
    mm: int = 0

    def add(self, requests: int, failures: int) -> None:
        self.clusters += 1
        self.requests += requests
        self.failures += failures
        self.yy += failures * failures
        self.ym += failures * requests
        self.mm += requests * requests

    def around(self, rate: float) -> float:
        return self.yy - 2 * rate * self.ym + rate * rate * self.mm

    def design_effect(self) -> float | None:
        """d = c/(c−1) · Σ (y − p m)² / (n p (1 − p)) with c clusters, n requests, p = Σy ÷ n; None: cannot be said."""
        n, k = self.requests, self.failures
        if self.clusters < MIN_WINDOWS or k in (0, n):
            return None
        squares = n * n * self.yy - 2 * n * k * self.ym + k * k * self.mm
        return self.clusters / (self.clusters - 1) * squares / (n * k * (n - k))


@dataclass
class _Batches:
    """Windows joined, `size` at a time (0: ended by `close` alone); the last batch may be incomplete."""

    size: int = 0
    whole: _Squares = field(default_factory=_Squares)
    windows: int = 0
    requests: int = 0
    failures: int = 0

    def add(self, requests: int, failures: int) -> None:
        self.windows += 1
        self.requests += requests
        self.failures += failures
        if self.windows == self.size:
            self.close()

    def close(self) -> None:
        """End the open batch here."""
        self.whole.add(self.requests, self.failures)
        self.windows = self.requests = self.failures = 0

    def around(self, rate: float) -> float:
        """With the open batch."""
        return self.whole.around(rate) + (self.failures - rate * self.requests) ** 2


class Clusters:
    """The windows of a run so far, in order. Adding one costs the same however many there are.

    `burst`: requests of a burst that is to be reckoned with (`design_effect_if_met`); never less than six windows.
    """

    def __init__(self, burst: int = 0) -> None:
        self._batches = [_Batches(size) for size in _SCALES]
        self._bursts = _Batches()
        self._outages = _Batches()
        self._calm = 0
        self._in_outage = False
        self._burst = burst
        self.count = 0
        self.requests = 0
        self.failures = 0

    def add(self, requests: int, failures: int) -> None:
        """One more window; one without requests says nothing and does not count.

        Raises:
            ValueError: more failures than requests, or fewer than none.
        """
        if not 0 <= failures <= requests:
            raise ValueError(f"a window cannot have {failures} failures of {requests} requests")
        if not requests:
            return
        self.count += 1
        self.requests += requests
        self.failures += failures
        for batches in (*self._batches, self._bursts, self._outages):
            batches.add(requests, failures)
        if self._bursts.windows >= MIN_WINDOWS and self._bursts.requests >= self._burst:
            self._bursts.close()
        if failures >= OUTAGE * requests:
            self._in_outage, self._calm = True, 0
        else:
            self._calm += 1
        if self._calm >= MIN_WINDOWS or not self._in_outage:
            self._in_outage = False
            self._outages.close()

    def design_effect(self) -> float:
        """The largest estimate of all batch sizes with at least six batches, and at least 1.

        Without failures, without successes, or before six windows there is nothing to estimate it from: 1.
        """
        return max([1.0, *(found for found, _ in self._estimates())])

    def cautious_design_effect(self, *, confidence: float = 0.95) -> float:
        """As `design_effect`, each estimate replaced by its upper confidence limit, d (c − 1) ÷ χ²(1 − confidence; c − 1).

        A variance from six batches may easily be a quarter of the true one.
        """
        return max([1.0, *(found * _inflation(c - 1, confidence) for found, c in self._estimates())])

    def design_effect_if_met(self, limit: float, planned: int) -> float:
        """What the design effect of the whole run would at least be, were its failure rate at most `limit` in the end.

            d₀ = (Σ (y − q m)² / (q (1 − q)) + N − n) / N      q = limit, N = planned, n = requests so far

        Failures that an average of q has to absorb must have come in a burst; the N − n requests to come are taken as
        independent. The clusters are those that give more: batches of `burst` requests, at least six windows; or outages, of any
        length, and single windows between them. An outage lasts from a window in which at least three quarters fail until six in a row have failed
        less. `limit` is within 0 and 1, exclusive.
        """
        squares = max(self._bursts.around(limit), self._outages.around(limit))
        return max(1.0, (squares / (limit * (1 - limit)) + planned - self.requests) / planned)

    def _estimates(self) -> list[tuple[float, int]]:
        found = [(batches.whole.design_effect(), batches.whole.clusters) for batches in self._batches]
        return [(effect, clusters) for effect, clusters in found if effect is not None]


def _inflation(freedom: int, confidence: float) -> float:
    """f ÷ χ²(1 − confidence; f), the quantile by E. B. Wilson and M. M. Hilferty, PNAS 17 (1931); 1.5 % off at f = 5."""
    part = 2 / (9 * freedom)
    from statistics import NormalDist

    return float((1 - part - NormalDist().inv_cdf(confidence) * part**0.5) ** -3)
