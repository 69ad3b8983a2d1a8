"""Log groups in the emulator. Those of the ECS services are there already, with a few lines each."""

import time
from collections.abc import Sequence

from harness.aws.logs import LogGroup
from harness.local.plan import Plan
from harness.local.resources import Emulator

_DEFAULT_DAYS = 30
_KEY = "arn:aws:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000"


def make(aws: Emulator, declared: Sequence[LogGroup], plan: Plan) -> None:
    """The groups with their retention, and an event where one must be recent."""
    logs = aws.client("logs")
    there = {service.log_group for service in plan.services}
    for item in declared:
        if item.group not in there:
            key = {"kmsKeyId": _KEY.format(region=aws.region, account=aws.account)} if item.kms_key else {}
            logs.create_log_group(logGroupName=item.group, **key)
            if item.active_within:
                _write(aws, item.group)
        if item.retention_days != "never":
            logs.put_retention_policy(
                logGroupName=item.group, retentionInDays=item.retention_days or _DEFAULT_DAYS
            )


def _write(aws: Emulator, group: str) -> None:
    logs, stream = aws.client("logs"), "provisioned"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": "provisioned"}],
    )
