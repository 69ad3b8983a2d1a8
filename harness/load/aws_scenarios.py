"""What a scenario may load beside a URL: a queue, a topic with its queues, hosted zones. Each changes something in AWS."""

from abc import abstractmethod
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from harness.aws import traffic_messages, traffic_zones
from harness.aws.session import RATES
from harness.aws.traffic import settings
from harness.errors import ProfileError
from harness.load.plan import Plan
from harness.profile import Profile
from harness.profile.schema import Section
from harness.shapes import Field

if TYPE_CHECKING:
    from harness.aws.session import Aws

_RECEIVERS = 10
"""Most receivers of one queue."""
_EACH = 5.0
"""Probes a second for which one of them is started: with up to ten messages an answer they stay ahead of the load."""


class AwsTarget(Section):
    """Something of AWS that each arrival asks."""

    kind: ClassVar[str]
    """The row of `harness.load.generator.traffic.TRAFFIC`."""
    uses: ClassVar[tuple[str, ...]]
    """The operations that the load asks; the IAM policy is made of them."""
    service: ClassVar[str] = ""
    """The service whose own rate bounds it."""

    @property
    @abstractmethod
    def calls(self) -> int:
        """Requests to AWS that one arrival takes."""

    @abstractmethod
    def parameters(self, plan: Plan) -> dict[str, Any]:
        """What the sender needs beside the session, as JSON."""

    @abstractmethod
    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """What an IAM policy must name."""

    @abstractmethod
    def preflight(self, aws: "Aws", *, timeout: float) -> None:
        """Before the load: is it there, is nobody in the way, and is what earlier runs left removed?

        `timeout` is that of one arrival, in seconds.

        Raises:
            Fault: it is not, or cannot be asked.
        """

    def traffic(self, plan: Plan, profile: Profile) -> dict[str, Any]:
        """`harness.load.plan.Plan.traffic`: no secrets."""
        return {"session": settings(profile), **self.parameters(plan)}

    def require_room(self, plan: Plan, profile: Profile) -> None:
        """The load stays below the requests a second that the profile and the service allow: held back, it measures that.

        Raises:
            ProfileError: it does not.
        """
        limit, name = profile.aws.calls, "[aws] calls"
        if self.service in RATES and not profile.aws.endpoint_url:
            limit, name = min((limit, name), (RATES[self.service], f"what {self.service} takes"))
        per_second = self._most(plan)
        if per_second > limit:
            wanted = f"{per_second:.3g}/s" if per_second != float("inf") else "no bound"
            raise ProfileError(
                f"gates.load.scenarios[{plan.scenario}]: it may send {wanted} requests to AWS ({self.calls} an arrival); "
                f"{name} is {limit:g}/s",
                hint="lower the rate, or give the users more think_time"
                + (
                    ""
                    if limit != profile.aws.calls
                    else "; or raise [aws] calls, if the account has the room"
                ),
            )

    def idle(self, plan: Plan) -> int:  # noqa: ARG002
        """Requests a second that do not come of arrivals."""
        return 0

    def _most(self, plan: Plan) -> float:
        if plan.open:
            return plan.schedule.peak * self.calls + self.idle(plan)
        if not plan.think_time:
            return float("inf")
        return (plan.users or 0) * self.calls / plan.think_time + self.idle(plan)


def receivers(plan: Plan) -> int:
    """How many receivers each queue gets: enough that no probe waits for one."""
    rate = plan.schedule.peak if plan.open else float(plan.users or 1)
    return min(_RECEIVERS, max(2, ceil(rate / _EACH)))


class QueueTarget(AwsTarget):
    """``queue``: each arrival sends a probe message to an SQS queue and takes it back."""

    kind: ClassVar[str] = "queue"
    uses: ClassVar[tuple[str, ...]] = traffic_messages.QUEUE_USES

    name: str = Field(min_length=1)
    """The queue's name. Its consumers should give messages with the attribute ``gonogo-probe`` back at once."""

    @property
    def calls(self) -> int:
        """Send, receive, delete."""
        return 3

    def parameters(self, plan: Plan) -> dict[str, Any]:
        """The queue."""
        return {"queues": [self.name], "receivers": receivers(plan)}

    def idle(self, plan: Plan) -> int:
        """Its receivers ask once a second, whatever comes; so does the one of its dead letters."""
        return receivers(plan) + 1

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """The queue's."""
        return (f"arn:aws:sqs:{region}:{account}:{self.name}",)

    def preflight(self, aws: "Aws", *, timeout: float) -> None:
        """The queue is there and nobody's messages wait in it."""
        traffic_messages.clear(aws, self.name, timeout=timeout)


class TopicTarget(AwsTarget):
    """``topic``: each arrival publishes a probe message to an SNS topic and takes it back from every queue behind it."""

    kind: ClassVar[str] = "fan_out"
    uses: ClassVar[tuple[str, ...]] = traffic_messages.TOPIC_USES

    name: str = Field(min_length=1)
    """The topic's name."""
    queues: list[str] = Field(min_length=1)
    """The queues that each message must reach, by name. Consumers should give messages with the attribute
    ``gonogo-probe`` back at once."""

    @property
    def calls(self) -> int:
        """Publish, and receive and delete on each queue."""
        return 1 + 2 * len(self.queues)

    def parameters(self, plan: Plan) -> dict[str, Any]:
        """The topic and its queues."""
        return {"topic": self.name, "queues": list(dict.fromkeys(self.queues)), "receivers": receivers(plan)}

    def idle(self, plan: Plan) -> int:
        """As a queue's, for each of them."""
        return (receivers(plan) + 1) * len(self.queues)

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """The topic's and the queues'."""
        behind = (f"arn:aws:sqs:{region}:{account}:{name}" for name in self.queues)
        return (f"arn:aws:sns:{region}:{account}:{self.name}", *behind)

    def preflight(self, aws: "Aws", *, timeout: float) -> None:
        """The queues are there and nobody's messages wait in them."""
        for found in aws.each(lambda name: traffic_messages.clear(aws, name, timeout=timeout), self.queues):
            if found is not None:
                raise found


class ZoneTarget(AwsTarget):
    """``zones``: each arrival makes a public hosted zone below `suffix`, to which nobody delegates, and removes it."""

    kind: ClassVar[str] = "zones"
    uses: ClassVar[tuple[str, ...]] = traffic_zones.USES
    service: ClassVar[str] = "route53"

    suffix: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+\.?$")
    """The domain below which they are made: one that nothing else lives in."""

    @property
    def calls(self) -> int:
        """Create and delete."""
        return 2

    def parameters(self, plan: Plan) -> dict[str, Any]:  # noqa: ARG002
        """Where they are made."""
        return {"suffix": self.suffix}

    def arns(self, account: str, region: str) -> tuple[str, ...]:  # noqa: ARG002
        """None: their ids are not known beforehand."""
        return ()

    def preflight(self, aws: "Aws", *, timeout: float) -> None:  # noqa: ARG002
        """Zones of runs that are long over go."""
        traffic_zones.sweep(aws, self.suffix)
