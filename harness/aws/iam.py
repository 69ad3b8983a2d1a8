"""The least IAM policy that a profile's gates need, made of what its checks declare and of nothing else."""

from collections.abc import Callable, Iterable
from typing import Any

from harness.aws.operations import Operation, operations, own_operation
from harness.aws.resource import Asked, AwsResource, GateAsks
from harness.aws.verdict_store import store_statements
from harness.profile import Profile

ALWAYS = ("sts:GetCallerIdentity",)
"""What every run asks: whose credentials these are."""
IMAGES = ("ecr:DescribeImages",)
"""What every run of a profile with images asks: the bytes behind a release's tags."""
SCOPED = frozenset(
    {
        "ecr:DescribeImages",
        "ecr:DescribeImageScanFindings",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "sns:Publish",
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
        "ssm:GetParameters",
    }
)
"""Actions that are allowed on the declared resources alone. The others describe or list, which IAM allows on ``*`` or
on resources whose names are not known beforehand (a task, a snapshot)."""
PASSING = frozenset({"iam:PassRole"})
"""Demanded for starting a task: the roles of its definition, which the profile does not name, go to it."""
_TO_TASKS = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
_STATEMENTS: tuple[tuple[str, Callable[[Operation], bool]], ...] = (
    ("GonogoReads", lambda row: not row.mutating and not row.diagnosis),
    ("GonogoProbes", lambda row: row.mutating),
    ("GonogoDiagnoses", lambda row: row.diagnosis and not row.mutating),
)


def needed(profile: Profile, counterparts: Iterable[Profile] = ()) -> tuple[Operation, ...]:
    """The operations that the profile's gates may call, by name; with read-only access those that change nothing.

    `counterparts` are the profiles of environments that this one is compared with: they are only read.
    """
    keys = set(ALWAYS)
    for other in counterparts:
        keys.update(row.key for row in needed(other) if not row.mutating and not row.diagnosis)
    if profile.app.images:
        keys.update(IMAGES)
    for group in profile.resources.values():
        for item in group:
            if isinstance(item, AwsResource):
                keys.update(item.uses)
    for asked in _asked(profile):
        keys.update(asked.uses)
    known = operations()
    rows = [known[key] for key in keys] + [own_operation(key) for key in profile.aws.operations]
    writes = profile.aws.access == "read-write"
    return tuple(
        sorted({row for row in rows if writes or not row.mutating}, key=lambda row: (row.action, row.key))
    )


def policy(
    profile: Profile, counterparts: Iterable[Profile] = (), predecessors: Iterable[Profile] = ()
) -> dict[str, Any]:
    """An IAM policy document: what the checks read, what the probes change, what explains a failure, what keeping the
    verdict in the profile's store needs, and what reading those of its `predecessors` does."""
    others = tuple(counterparts)
    rows = needed(profile, others)
    own, all_ = _arns(profile), _arns(profile, *others)
    statements = []
    for sid, belongs in _STATEMENTS:
        mine = [row for row in rows if belongs(row)]
        arns = own if sid == "GonogoProbes" else all_
        for service in sorted(
            {_service(row) for row in mine if row.action in SCOPED and arns.get(_service(row))}
        ):
            scoped = {row.action for row in mine if row.action in SCOPED and _service(row) == service}
            statements.append(_allow(f"{sid}{service.capitalize()}", scoped, arns[service]))
        free = {row.action for row in mine if row.action not in SCOPED or not arns.get(_service(row))}
        free.update(action for row in mine for action in row.beside)
        if passes := free & PASSING:
            free -= passes
            statements.append({**_allow(f"{sid}Passes", passes, ["*"]), "Condition": _TO_TASKS})
        if free:
            statements.append(_allow(sid, free, ["*"]))
    if profile.store.uri.startswith("s3://"):
        statements.extend(store_statements(profile.store.uri))
    read = sorted({each.store.uri for each in predecessors} - {profile.store.uri})
    for number, uri in enumerate((uri for uri in read if uri.startswith("s3://")), 1):
        statements.extend(store_statements(uri, sid=f"GonogoEarlierStore{number}", writes=False))
    return {"Version": "2012-10-17", "Statement": statements}


def _asked(profile: Profile) -> Iterable[Asked]:
    """What the gates ask beside the declared resources."""
    return [
        item for gate in profile.gates.values() if isinstance(gate, GateAsks) for item in gate.asks(profile)
    ]


def _service(row: Operation) -> str:
    return row.action.partition(":")[0]


def _arns(*profiles: Profile) -> dict[str, list[str]]:
    """Service, as ARNs name it -> the ARNs of the profiles' resources."""
    found: dict[str, set[str]] = {}
    for profile in profiles:
        account, region = profile.aws.account or "*", profile.aws.region
        for group in profile.resources.values():
            for item in group:
                for arn in item.arns(account, region) if isinstance(item, AwsResource) else ():
                    found.setdefault(arn.split(":")[2], set()).add(arn)
        for asked in _asked(profile):
            for arn in asked.arns(account, region):
                found.setdefault(arn.split(":")[2], set()).add(arn)
        for repository in profile.app.images.values():
            found.setdefault("ecr", set()).add(f"arn:aws:ecr:{region}:{account}:repository/{repository}")
    return {service: sorted(items) for service, items in found.items()}


def _allow(sid: str, actions: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
