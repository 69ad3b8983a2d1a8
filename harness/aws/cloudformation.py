"""CloudFormation: what went wrong in the stack that made a resource, for a diagnosis."""

from collections.abc import Iterable, Mapping

from harness.aws.operations import Operation
from harness.aws.session import Aws, need

OPERATIONS = (Operation("cloudformation", "DescribeStackEvents", diagnosis=True),)
DIAGNOSIS = ("cloudformation:DescribeStackEvents",)
"""What `failures` asks."""
STACK_TAG = "aws:cloudformation:stack-name"
"""The tag that CloudFormation puts on what it makes."""


def stack_of(tags: Iterable[Mapping[str, str]]) -> str:
    """The stack that made a tagged resource, from the tags as ECS (``key``) or RDS (``Key``) gives them; or empty."""
    for tag in tags:
        if tag.get("key", tag.get("Key")) == STACK_TAG:
            return tag.get("value", tag.get("Value", ""))
    return ""


def failures(aws: Aws, stack: str, *, limit: int = 5) -> tuple[str, ...]:
    """The stack's newest events that report a failure or a rollback, newest first.

    Raises:
        Fault: they cannot be read.
    """
    key = "cloudformation:DescribeStackEvents"
    events = need(aws.call(key, stack, StackName=stack), "StackEvents", key, stack)
    bad = [
        event for event in events if any(word in event["ResourceStatus"] for word in ("FAILED", "ROLLBACK"))
    ]
    return tuple(
        f"stack {stack}: {event['LogicalResourceId']} {event['ResourceStatus']}: "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in bad[:limit]
    )
