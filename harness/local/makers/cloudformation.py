"""Stacks in the emulator: each with the log group of a deployment, so that there is something that can drift."""

import json
from collections.abc import Sequence

from harness.aws.cloudformation import CloudFormationStack
from harness.local.plan import Plan
from harness.local.resources import Emulator

RETENTION_DAYS = 30


def make(aws: Emulator, declared: Sequence[CloudFormationStack], plan: Plan) -> None:  # noqa: ARG001
    """The stacks, complete and in sync."""
    for item in declared:
        _stack(aws, item)


def _stack(aws: Emulator, item: CloudFormationStack) -> None:
    aws.client("cloudformation").create_stack(
        StackName=item.stack,
        TemplateBody=json.dumps(template(item)),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value or "any"}
            for name, value in item.parameters.items()
        ],
        EnableTerminationProtection=bool(item.termination_protection),
    )


def log_group(stack: str) -> str:
    """The name of the log group that a stack makes here."""
    return f"/cloudformation/{stack}"


def template(item: CloudFormationStack) -> dict[str, object]:
    """A log group, and the declared parameters and outputs."""
    found: dict[str, object] = {
        "Resources": {
            "Log": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {"LogGroupName": log_group(item.stack), "RetentionInDays": RETENTION_DAYS},
            }
        }
    }
    if item.parameters:
        found["Parameters"] = {name: {"Type": "String"} for name in item.parameters}
    if item.outputs:
        found["Outputs"] = {name: {"Value": value or "any"} for name, value in item.outputs.items()}
    return found
