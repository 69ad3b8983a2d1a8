"""How the last deployment of an ECS service ended, as ECS remembers it (``ListServiceDeployments``, for 90 days)."""

from harness.aws.ecs import EcsService
from harness.aws.ecs_state import ServiceState, epoch
from harness.aws.paging import pages
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase

REMEMBERED = 90 * 86400.0
"""Seconds for which ECS lists a deployment."""
_OVER = {"ROLLBACK_SUCCESSFUL", "STOPPED"}
"""How a deployment is called that did not end well, but has ended."""
_BAD = {*_OVER, "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_REQUESTED", "STOP_REQUESTED"}


@dataclass(frozen=True)
class LastDeployment:
    """The newest deployment that ECS lists for a service; `created` in epoch seconds."""

    arn: str
    status: str
    reason: str
    created: float


def last_deployment(aws: Aws, service: EcsService) -> LastDeployment | None:
    """The newest of a service's deployments, or none where ECS lists none.

    Raises:
        Fault: they cannot be listed.
    """
    key = "ecs:ListServiceDeployments"
    found = [
        LastDeployment(
            arn=str(need(item, "serviceDeploymentArn", key, service.home)),
            status=str(need(item, "status", key, service.home)),
            reason=str(item.get("statusReason", "")),
            created=epoch(item, "createdAt", key, service.home),
        )
        for page in pages(
            aws,
            key,
            service.home,
            leads="nextToken",
            cluster=service.cluster,
            service=service.service,
        )
        for item in need(page, "serviceDeployments", key, service.home)
    ]
    return max(found, key=lambda item: item.created, default=None)


def rollback_problem(last: LastDeployment, phase: Phase) -> str:
    """Why the last deployment did not end well; empty where it did, or goes on.

    Before a deploy, one that has been rolled back is no obstacle: what is to be deployed may be what mends it.
    """
    if last.status not in _BAD or (phase is Phase.PRE_DEPLOY and last.status in _OVER):
        return ""
    how = "stopped" if last.status.startswith("STOP") else "rolled back"
    return f"its last deployment was {how}: {last.status}" + (f" ({last.reason})" if last.reason else "")


def must_be_listed(state: ServiceState) -> bool:
    """Whether ECS must know a deployment of this service: its current one is younger than what ECS forgets."""
    return any(state.at - item.created < REMEMBERED for item in state.deployments)
