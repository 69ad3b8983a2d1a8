"""Keeps Locust's own statistics in step, so that its summary in the log shows the same run."""

import time
from collections import Counter

from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry

from harness.load.generator.client import now
from harness.load.generator.recorder import Answer
from harness.load.generator.traffic import Sender
from harness.load.plan import Plan

_BATCH = 512
_INTERVAL = 1_000_000_000
"""Nanoseconds after which Locust is told also of a smaller batch."""


class Told:
    """A sender that tells Locust of what it sent: in batches, as its bookkeeping costs more than ours when done one by one."""

    def __init__(self, sender: Sender, plan: Plan, stats: RequestStats) -> None:
        self._sender, self._stats = sender, stats
        self._method, self._name = plan.method, plan.scenario
        self._took: list[float] = []
        """Milliseconds, as Locust wants them, of what it does not know of yet."""
        self._size = 0
        self._next = 0

    def prime(self) -> None:
        """See `Sender`."""
        self._sender.prime()

    def close(self) -> None:
        """See `Sender`."""
        self._settle()
        self._sender.close()

    def send(self) -> Answer:
        """Send once."""
        started = now()
        answer = self._sender.send()
        ended = now()
        self._took.append((ended - started) / 1e6)
        self._size += answer.size
        if answer.kind is not None:
            self._stats.log_error(self._method, self._name, str(answer.kind))
        if len(self._took) >= _BATCH or ended >= self._next:
            self._settle()
            self._next = ended + _INTERVAL
        return answer

    def _settle(self) -> None:
        if not (took := self._took):
            return
        self._took = []
        batch = StatsEntry(self._stats, self._name, self._method)
        batch.num_requests = len(took)
        batch.total_response_time = sum(took)
        batch.min_response_time, batch.max_response_time = min(took), max(took)
        batch.response_times = Counter(map(locust_stats.bucket_response_time, took))
        batch.total_content_length, self._size = self._size, 0
        batch.last_request_timestamp = time.time()
        batch.num_reqs_per_sec = {int(batch.last_request_timestamp): len(took)}
        self._stats.total.extend(batch)
        self._stats.entries[(self._name, self._method)].extend(batch)
