"""The journey of the deployment guide: a domain is activated and deactivated through every part on the way.

What a profile declares of it, and the probe domains that it is made with. `harness.aws.traces` knows where a domain can be
seen and how it is removed there, `harness.aws.activation` takes the steps.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from harness.aws.operations import Operation
from harness.aws.resource import AwsResource
from harness.aws.session import Aws
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import PLACE, Duration
from harness.shapes import Field

OPERATIONS = (
    Operation("route53", "ListHostedZones"),
    Operation("route53", "ListHostedZonesByName"),
    Operation("route53", "GetHostedZone"),
    Operation("route53", "ListResourceRecordSets"),
    Operation("route53", "ChangeResourceRecordSets", mutating=True),
    Operation("route53", "DeleteHostedZone", mutating=True),
)
LEFTOVER_AGE = timedelta(hours=1)
"""A probe domain older than this belongs to a run that was killed: no journey takes as long."""
_BORN = "%Y%m%dt%H%M%Sz"
_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"


@dataclass(frozen=True)
class JourneyState:
    """What is read of a journey before it is made: nothing; it is declared."""

    suffix: str


class DomainJourney(AwsResource):
    """``[[journeys.domains]]``: a probe domain is activated and deactivated, and nothing of it may be left."""

    fixture: ClassVar[str] = "domain_journey"
    state_type: ClassVar[type] = JourneyState
    uses: ClassVar[tuple[str, ...]] = (
        *(operation.key for operation in OPERATIONS),
        "secretsmanager:GetSecretValue",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
    )

    scope: Literal["shared"] = "shared"
    """A journey is nothing that is deployed, so it does not tell whether the environment is."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: Annotated[str, PLACE]
    """The web endpoint, the only way in: `path` is asked below it."""
    path: str = Field(default="/v1/api/domains", pattern=r"^/")
    """Where domains are: POST activates one, GET below it shows one, DELETE deactivates it, DELETE with
    ``?purge=true`` forgets an inactive one and with ``?purge=force`` one in any state."""
    suffix: str = Field(pattern=rf"^{_LABEL}(\.{_LABEL})+$", max_length=200)
    """Probe domains are made below this name (``gonogo-….<suffix>``). Nothing else may live there."""
    queues: dict[str, str] = Field(default_factory=dict)
    """Queues whose delivery must be shown: the step as the application shows it below ``steps``
    (``waiting``, ``received``, ``done``) -> the queue's name."""
    hosted_zone: bool = True
    """Whether an active domain has a hosted zone in Route 53."""
    secret: str = ""
    """The database's credentials: the domain's row is looked up by a login of its own. Empty: it is not looked up."""
    table: str = Field(default="domains", pattern=_IDENTIFIER)
    name_column: str = Field(default="name", pattern=_IDENTIFIER)
    status_column: str = Field(default="status", pattern=_IDENTIFIER)
    timeout: Duration = Field(default=60.0, gt=0)
    """How long each step may take."""

    @property
    def id(self) -> str:
        """The journey's name."""
        return self.name

    @property
    def home(self) -> str:
        """The journey."""
        return f"journey {self.name}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """The journey, where it may be made."""
        made = profile.aws.access == "read-write"
        return ("journey.activates_and_deactivates_a_domain",) if made else ()

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["DomainJourney"]) -> Mapping[str, JourneyState]:  # noqa: ARG003
        """Every journey that is declared can be tried."""
        return {journey.id: JourneyState(journey.suffix) for journey in declared}


def probe_domain(suffix: str, run_id: str, now: datetime) -> str:
    """A domain that nobody else has; its name says when it was made, and by which run."""
    run = re.sub(r"[^a-z0-9]", "", run_id.lower())[-6:]
    return f"gonogo-{now.astimezone(UTC):{_BORN}}-{run}{os.urandom(2).hex()}.{suffix}"


def is_leftover(name: str, suffix: str, now: datetime) -> bool:
    """Whether this is a probe domain below `suffix`, and so old that its run must have been killed."""
    found = re.fullmatch(rf"gonogo-(\d{{8}}t\d{{6}}z)-[a-z0-9]+\.{re.escape(suffix)}", name.rstrip("."))
    if found is None:
        return False
    try:
        born = datetime.strptime(found[1], _BORN).replace(tzinfo=UTC)
    except ValueError:
        return False
    return now - born > LEFTOVER_AGE
