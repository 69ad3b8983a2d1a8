"""The tags that a profile's rules demand, on what the emulator's tagging API covers."""

from collections.abc import Iterable, Sequence

from harness.aws import resource_types
from harness.aws.resource import AwsResource
from harness.aws.tags import EMULATED, TagRule
from harness.errors import ToolError
from harness.local.plan import Plan
from harness.local.resources import Emulator

_A_CALL = 20
"""ARNs that TagResources takes."""


def make(aws: Emulator, declared: Sequence[TagRule], plan: Plan) -> None:
    """Every resource of the plan gets every rule's tags; where any value will do, the environment's name.

    Raises:
        ToolError: the emulator does not tag one of them.
    """
    tags = {
        key: value or plan.environment for rule in declared for key, value in sorted(rule.required.items())
    }
    arns = sorted({arn for arn in _arns(aws, plan) if arn and arn.split(":")[2] in EMULATED})
    for start in range(0, len(arns), _A_CALL):
        chunk = arns[start : start + _A_CALL]
        failed = aws.client("resourcegroupstaggingapi").tag_resources(ResourceARNList=chunk, Tags=tags)
        if refused := failed["FailedResourcesMap"]:
            raise ToolError(
                f"the emulator does not tag {', '.join(sorted(refused))}",
                hint="this is a bug: it was created before",
            )


def _arns(aws: Emulator, plan: Plan) -> Iterable[str]:
    """The ARNs of what the plan contains."""
    for queue in plan.queues:
        yield aws.arn("sqs", queue.name)
    for topic in plan.topics:
        yield aws.arn("sns", topic.name)
    if plan.topic:
        yield aws.arn("sns", plan.topic)
    for service in plan.services:
        yield f"arn:aws:ecs:{aws.region}:{aws.account}:service/{service.cluster}/{service.name}"
    kinds = resource_types()
    for path, items in plan.declared.items():
        for item in items:
            resource = kinds[path].model_validate(item)
            if isinstance(resource, AwsResource) and resource.scope == "environment":
                yield from filter(None, [resource.arn(aws.account, aws.region)])
