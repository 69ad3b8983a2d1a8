"""What every kind of declared AWS resource can say of itself, and how it is read."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from harness.aws.faults import Fault
from harness.model import Phase
from harness.profile.schema import Resource

if TYPE_CHECKING:
    from harness.aws.session import Aws

Read = Mapping[str, "object | Fault"]
"""What a reading found, by resource id: its state (a frozen dataclass), or what was met instead of an answer. What is
not in it does not exist."""


class AwsResource(Resource):
    """A resource that the survey reads, once, before any check judges it."""

    state_type: ClassVar[type]
    """The frozen dataclass that `read` gives for each: everything that its checks judge, secrets excepted."""
    uses: ClassVar[tuple[str, ...]] = ()
    """The operations (``ecs:DescribeServices``) that reading and checking it may call; the IAM policy is made of them."""

    parity: ClassVar[Mapping[str, str]] = {}
    """What must be alike in all environments: the state's attribute -> the key by which a profile may say that it
    differs; empty where none may."""

    @classmethod
    @abstractmethod
    def read(cls, aws: "Aws", declared: "Sequence[Any]") -> Read:
        """The states of those in `declared` (all of this class) that exist, asked with as few calls as the API allows.

        Raises:
            Fault: nothing can be found out about any of them.
        """

    def arn(self, account: str, region: str) -> str:  # noqa: ARG002
        """Its ARN, where it follows from its name; or empty."""
        return ""

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """What an IAM policy must name for its checks to see it: its ARN, and those of what they read beside it."""
        arn = self.arn(account, region)
        return (arn,) if arn else ()

    @property
    @abstractmethod
    def home(self) -> str:
        """What it is and where, for messages: ``ECS service api in cluster main``."""


class Asked(Protocol):
    """Something that a gate asks of AWS beside the declared resources: a queue that it loads."""

    uses: ClassVar[tuple[str, ...]]
    """The operations that it may call."""

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """What an IAM policy must name for it."""
        ...


@runtime_checkable
class GateAsks(Protocol):
    """The configuration of a gate that asks AWS beside the declared resources; the IAM policy counts that in."""

    def asks(self, profile: Any) -> Iterable[Asked]:  # noqa: ANN401
        """What it asks in this profile."""
        ...


def demanded(resource: Resource, phase: Phase) -> bool:
    """Whether it must be there in this phase: what comes with the release is not asked about before the deploy."""
    return resource.expect == "now" or phase is not Phase.PRE_DEPLOY
