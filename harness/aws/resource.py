"""What every kind of declared AWS resource can say of itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.model import Phase
from harness.profile.schema import Resource

if TYPE_CHECKING:
    from harness.aws.session import Aws


class AwsResource(Resource):
    """A resource that the census can look for."""

    @classmethod
    def existing(cls, aws: "Aws", declared: "Sequence[Any]") -> frozenset[str]:
        """The ids of those in `declared` (all of this class) that exist, asked with as few calls as the API allows.

        Raises:
            Fault: it cannot be found out.
        """
        raise NotImplementedError  # pragma: no cover - every kind can be looked for

    @property
    def home(self) -> str:
        """What it is and where, for messages: ``ECS service api in cluster main``."""
        return f"{type(self).__name__} {self.id}"  # pragma: no cover - every kind says it better


def demanded(resource: Resource, phase: Phase) -> bool:
    """Whether it must be there in this phase: what comes with the release is not asked about before the deploy."""
    return resource.expect == "now" or phase is not Phase.PRE_DEPLOY
