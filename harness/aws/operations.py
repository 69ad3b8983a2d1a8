"""Which AWS operations the checks may call: everything else is refused before it is sent.

Each service's file declares its own rows as ``OPERATIONS``; `MODULES` lists the files, and a test holds it against
the folder. `harness.aws.iam` makes the IAM policy that a gate's identity needs of the same rows.
"""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Literal

from harness.aws.faults import Fault
from harness.frozen import dataclass

Access = Literal["read-only", "read-write"]
MODULES = (
    "acm",
    "alb",
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "ecr",
    "ecs",
    "endpoints",
    "fargate",
    "journey",
    "logs",
    "metrics",
    "quotas",
    "rds",
    "route53",
    "secrets",
    "session",
    "sns",
    "sqs",
    "ssm",
    "tags",
    "target_groups",
    "traffic_zones",
)
"""The files of this package that declare operations of the target session."""
IAM_PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "opensearch": "es",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
"""botocore's name of a service -> how its IAM actions begin, where they differ."""


@dataclass(frozen=True)
class Operation:
    """One API operation that a check may call.

    `service` is botocore's client name, `name` the operation as the API spells it; `mutating` ones are allowed
    only where the profile says ``access = "read-write"``. Receiving from a queue is mutating: it hides messages.
    """

    service: str
    name: str
    mutating: bool = False
    iam: str = ""
    """The IAM action that allows it, where it is not called like the operation."""
    beside: tuple[str, ...] = ()
    """Further IAM actions that AWS demands for it."""
    diagnosis: bool = False
    """Asked only after a check has failed, to say why."""
    emulated: bool = True
    """Whether the embedded stand-in can show it; where it cannot, a local run reports ``not_emulated``."""

    @property
    def key(self) -> str:
        """How code names it: ``ecs:DescribeServices``."""
        return f"{self.service}:{self.name}"

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return self.iam or f"{IAM_PREFIXES.get(self.service, self.service)}:{self.name}"


class Refused(Fault):
    """An operation that this session must not send: not declared, or mutating where the access is read-only."""


@cache
def operations() -> dict[str, Operation]:
    """Every declared operation by its key."""
    found: dict[str, Operation] = {}
    for module in MODULES:
        declared: Iterable[Operation] = getattr(import_module(f"harness.aws.{module}"), "OPERATIONS", ())
        for operation in declared:
            if found.setdefault(operation.key, operation) != operation:
                msg = f"harness.aws.{module} declares {operation.key} differently from another file"
                raise AssertionError(msg)
    return found


READS = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Select")
"""How the names of operations begin that change nothing: what a profile may declare for its own checks."""


def own_operation(key: str) -> Operation:
    """The row of an operation that a profile declares for its own checks (``[aws] operations``)."""
    service, _, name = key.partition(":")
    return Operation(service, name, mutating=not name.startswith(READS))


def permit(service: str, name: str, access: Access, own: Iterable[str] = ()) -> Operation:
    """The declared row of an operation that may be sent; `own` are the keys that the profile declares.

    Raises:
        Refused: it may not.
    """
    key = f"{service}:{name}"
    operation = operations().get(key) or (own_operation(key) if key in own else None)
    if operation is None:
        raise Refused(
            f"{key} is refused: no check declares it",
            hint=f'add "{key}" to [aws] operations of the profile, if a check of yours may ask this',
        )
    if operation.mutating and access != "read-write":
        raise Refused(
            f"{operation.key} is refused: it changes something, and the profile's access is {access}",
            hint='mark the check `destructive`, so that it is left out where [aws] access is "read-only"',
        )
    return operation
