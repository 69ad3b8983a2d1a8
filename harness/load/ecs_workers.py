"""Where a scenario's generators run: here, wherever somebody starts them, or as tasks on ECS Fargate."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.aws import fargate
from harness.load.generator.channel import TOKEN
from harness.load.workers import MasterConfig, Meeting, elsewhere
from harness.profile.schema import Section
from harness.shapes import Field

if TYPE_CHECKING:
    from harness.aws.session import Aws

_SPARE = 120.0
"""Seconds that a task may run beyond the longest that its scenario takes."""
_DIGITS = 24


class EcsWorkers(Section):
    """``workers = { ecs = { … } }``: as many Fargate tasks as `processes` says, for the length of the scenario.

    The tasks reach this run at ``gates.load.master.advertise``. Their image has gonogo with the ``gate`` extra in it.
    """

    uses: ClassVar[tuple[str, ...]] = fargate.USES

    cluster: str
    task_definition: str
    container: str
    """The container whose command is replaced."""
    subnets: list[str] = Field(min_length=1)
    security_groups: list[str] = Field(default_factory=list)
    assign_public_ip: bool = False

    def spec(self, count: int) -> fargate.TaskSpec:
        """As ECS is asked."""
        return fargate.TaskSpec(
            cluster=self.cluster,
            task_definition=self.task_definition,
            container=self.container,
            subnets=tuple(self.subnets),
            security_groups=tuple(self.security_groups),
            assign_public_ip=self.assign_public_ip,
            count=count,
        )

    def arns(self, account: str, region: str) -> tuple[str, ...]:  # noqa: ARG002
        """Tasks have no name before they run."""
        return ()


class Elsewhere(Section):
    """The table form of `workers`."""

    ecs: EcsWorkers


Workers = Literal["local", "external"] | Elsewhere


@contextmanager
def gathered(
    workers: Workers, master: MasterConfig, *, count: int, longest: float, name: str, aws: "Callable[[], Aws]"
) -> Iterator[Meeting | None]:
    """Where the workers of one scenario come to while a block lasts; ``None`` for those of this machine.

    Tasks are started before and stopped after it. `longest` is what the scenario takes at most, in seconds: a task that nobody
    stops, because this run was killed, ends by itself soon after; the next run stops what it finds, too. `name` tells this
    scenario of this run from all others.

    Raises:
        ProfileError: there is no token for workers that somebody else starts.
        Fault: tasks could not be started, or stopped.
    """
    if workers == "local":
        yield None
        return
    if workers == "external":
        yield elsewhere(master)
        return
    import secrets

    token = secrets.token_hex(16)
    meeting = elsewhere(master, token=token)
    session, spec = aws(), workers.ecs.spec(count)
    started_by = f"{fargate.PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"
    fargate.sweep(session, spec, but=started_by)
    at_most = int(longest + master.wait + _SPARE)
    command = ["gonogo", "load-worker", meeting.advertise, "--once", "--at-most", f"{at_most}s"]
    with fargate.tasks(
        session, spec, command=command, environment={TOKEN: token}, started_by=started_by, wait=master.wait
    ):
        yield meeting
