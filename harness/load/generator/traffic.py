"""What one arrival does: a row for each kind of traffic, each in a file of its own."""

from importlib import import_module
from typing import Protocol

from harness.errors import ToolError
from harness.load.generator.recorder import Answer
from harness.load.plan import Plan

TRAFFIC = {
    "http": "harness.load.generator.client:Client",
    "journeys": "harness.load.generator.journey:Journeys",
    "queue": "harness.load.generator.aws_traffic:Queue",
    "fan_out": "harness.load.generator.aws_traffic:FanOut",
    "zones": "harness.load.generator.aws_traffic:Zones",
}
"""Kind of traffic -> the class that sends it, made as ``Class(plan)``."""


class Sender(Protocol):
    """Sends one arrival to its end, whatever that is."""

    def prime(self) -> None:
        """Do once what the first arrival must not be billed for."""
        ...

    def send(self) -> Answer:
        """Send it; never raises."""
        ...

    def close(self) -> None:
        """Give back what is held, after the last arrival."""
        ...


def sender_for(plan: Plan) -> Sender:
    """The sender of the plan's kind.

    Raises:
        ToolError: there is no such kind, or the plan holds what cannot be sent.
    """
    if (row := TRAFFIC.get(plan.kind)) is None:
        raise ToolError(
            f"scenario {plan.scenario!r}: {plan.kind!r} is no kind of traffic",
            hint=f"there are {', '.join(TRAFFIC)}",
        )
    module, _, name = row.partition(":")
    sender: Sender = getattr(import_module(module), name)(plan)
    return sender
