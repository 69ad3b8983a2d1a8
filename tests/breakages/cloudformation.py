"""What can be wrong with a CloudFormation stack."""

import json

from breakages.parts import Breakage, World
from harness.aws.cloudformation import CloudFormationStack
from harness.local.makers.cloudformation import log_group, template

DATABASE = "DatabaseStack-staging"
QUEUES = "SQSStack-staging"
LEFT = "DomainDnsStack-staging-gone-example-com"
PATTERN = "*Stack-staging*"
IMPOSSIBLE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q", "VisibilityTimeout": 99999999}}


def _fail_an_update(world: World) -> None:
    """An update that adds a queue which SQS refuses is rolled back."""
    body = template(CloudFormationStack(stack=QUEUES))
    body["Resources"] = {**dict(body["Resources"]), "Impossible": IMPOSSIBLE}  # type: ignore[call-overload]
    cloudformation = world.owner("cloudformation")
    cloudformation.update_stack(StackName=QUEUES, TemplateBody=json.dumps(body))
    while _status(world, QUEUES) != "UPDATE_ROLLBACK_COMPLETE":
        pass


def _fail_a_creation(world: World) -> None:
    world.owner("cloudformation").create_stack(
        StackName=LEFT, TemplateBody=json.dumps({"Resources": {"Impossible": IMPOSSIBLE}})
    )
    while _status(world, LEFT) != "ROLLBACK_COMPLETE":
        pass


def _status(world: World, stack: str) -> str:
    (found,) = world.owner("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return str(found["StackStatus"])


def _delete(world: World) -> None:
    world.owner("cloudformation").delete_stack(StackName=QUEUES)


def _protect(world: World) -> None:
    world.owner("cloudformation").update_termination_protection(
        StackName=DATABASE, EnableTerminationProtection=True
    )


def _change_a_parameter(world: World) -> None:
    parameters = {"BootstrapVersion": "/cdk-bootstrap/other/version"}
    stack = CloudFormationStack(stack=DATABASE, parameters=parameters)
    world.owner("cloudformation").update_stack(
        StackName=DATABASE,
        TemplateBody=json.dumps(template(stack)),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    while _status(world, DATABASE) != "UPDATE_COMPLETE":
        pass


def _change_a_resource(world: World) -> None:
    world.owner("logs").put_retention_policy(logGroupName=log_group(QUEUES), retentionInDays=7)


def _delete_a_resource(world: World) -> None:
    world.owner("logs").delete_log_group(logGroupName=log_group("NetworkStack"))


BREAKAGES = (
    Breakage(
        "a stack's update was rolled back",
        f"cloudformation.is_complete[{QUEUES}]",
        _fail_an_update,
        ("is UPDATE_ROLLBACK_COMPLETE", "its last update failed", "Impossible UPDATE_FAILED"),
    ),
    Breakage(
        "a stack is missing",
        f"cloudformation.is_complete[{QUEUES}]",
        _delete,
        ("half deployed", f"stack {QUEUES} does not exist"),
        also=(f"cloudformation.has_not_drifted[{QUEUES}]",),  # what is not there cannot be compared either
    ),
    Breakage(
        "a stack is protected from deletion though it must not be",
        f"cloudformation.termination_protection_is_as_declared[{DATABASE}]",
        _protect,
        ("is on, declared off",),
    ),
    Breakage(
        "a stack was deployed with another parameter",
        f"cloudformation.values_are_as_declared[{DATABASE}]",
        _change_a_parameter,
        ("parameter BootstrapVersion is '/cdk-bootstrap/other/version'",),
    ),
    Breakage(
        "a stack's resource was changed by hand",
        f"cloudformation.has_not_drifted[{QUEUES}]",
        _change_a_resource,
        ("1 of 1 compared resources", "RetentionInDays is 7, the template says 30"),
    ),
    Breakage(
        "a stack's resource was deleted by hand",
        "cloudformation.has_not_drifted[NetworkStack]",
        _delete_a_resource,
        ("1 of 1 compared resources", log_group("NetworkStack"), "deleted"),
    ),
    Breakage(
        "a failed stack of a domain is left over",
        f"cloudformation.nothing_failed_is_left[{PATTERN}]",
        _fail_a_creation,
        (LEFT, "ROLLBACK_COMPLETE", "can only be deleted", "Impossible CREATE_FAILED"),
    ),
)
