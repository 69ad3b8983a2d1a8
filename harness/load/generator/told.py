"""Keeps Locust's own statistics in step, so that its summary in the log shows the same run."""

from locust.stats import RequestStats

from harness.load.generator.client import now
from harness.load.generator.recorder import Answer
from harness.load.generator.traffic import Sender
from harness.load.plan import Plan


class Told:
    """A sender that tells Locust of what it sent."""

    def __init__(self, sender: Sender, plan: Plan, stats: RequestStats) -> None:
        self._sender, self._stats = sender, stats
        self._method, self._name = plan.method, plan.scenario

    def prime(self) -> None:
        """See `Sender`."""
        self._sender.prime()

    def close(self) -> None:
        """See `Sender`."""
        self._sender.close()

    def send(self) -> Answer:
        """Send once."""
        started = now()
        answer = self._sender.send()
        self._stats.log_request(self._method, self._name, (now() - started) / 1e6, answer.size)
        if answer.kind is not None:
            self._stats.log_error(self._method, self._name, str(answer.kind))
        return answer
