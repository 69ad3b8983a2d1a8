"""Which AWS operations the checks may call: everything else is refused before it is sent.

Each service's file declares its own rows as ``OPERATIONS``; `MODULES` lists the files, and a test holds it against
the folder. The same rows print the IAM policy that a gate's identity needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

from harness.aws.faults import Fault

Access = Literal["read-only", "read-write"]
MODULES = ("cloudformation", "ecr", "ecs", "logs", "rds", "secrets", "session", "sqs")
"""The files of this package that declare operations of the target session."""


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
    """The IAM action that allows it, where it is not ``service:name``."""

    @property
    def key(self) -> str:
        """How code names it: ``ecs:DescribeServices``."""
        return f"{self.service}:{self.name}"

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return self.iam or self.key


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


def permit(service: str, name: str, access: Access) -> Operation:
    """The declared row of an operation that may be sent.

    Raises:
        Refused: it may not.
    """
    operation = operations().get(f"{service}:{name}")
    if operation is None:
        raise Refused(
            f"{service}:{name} is refused: no check declares it",
            hint=f"declare it in OPERATIONS of the service's file in harness/aws, if {service} may be asked this",
        )
    if operation.mutating and access != "read-write":
        raise Refused(
            f"{operation.key} is refused: it changes something, and the profile's access is {access}",
            hint='mark the check `destructive`, so that it is left out where [aws] access is "read-only"',
        )
    return operation


def iam_policy(access: Access) -> dict[str, Any]:
    """The least IAM policy that the checks need with this access, as an IAM policy document."""
    actions = {row.action for row in operations().values() if access == "read-write" or not row.mutating}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}],
    }
