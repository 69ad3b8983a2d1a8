"""What can be wrong with a log group."""

from breakages.parts import Breakage, World

GROUP = "/ecs/api-service-staging"


def _shorten(world: World) -> None:
    world.owner("logs").put_retention_policy(logGroupName=GROUP, retentionInDays=1)


def _keep_for_ever(world: World) -> None:
    world.owner("logs").delete_retention_policy(logGroupName=GROUP)


def _fall_silent(world: World) -> None:
    logs = world.owner("logs")
    for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]:
        logs.delete_log_stream(logGroupName=GROUP, logStreamName=stream["logStreamName"])


def _nothing(_: World) -> None:
    """The group has no key as it is."""


def _delete(world: World) -> None:
    world.owner("logs").delete_log_group(logGroupName=GROUP)


BREAKAGES = (
    Breakage(
        "a log group keeps its events for a day",
        f"logs.expires_as_declared[{GROUP}]",
        _shorten,
        ("it keeps events for 1 days, declared are 30 days",),
    ),
    Breakage(
        "a log group keeps its events for ever",
        f"logs.expires_as_declared[{GROUP}]",
        _keep_for_ever,
        ("it keeps events for ever",),
    ),
    Breakage(
        "nothing writes to a log group any more",
        f"logs.has_recent_events[{GROUP}]",
        _fall_silent,
        ("no event of the last 3600 s", "no log streams"),
    ),
    Breakage(
        "a log group is not encrypted with a key",
        f"logs.is_encrypted_with_a_key[{GROUP}]",
        _nothing,
        ("not encrypted with a KMS key",),
        overrides=(f'logs.groups=[{{ group = "{GROUP}", kms_key = true }}]',),
    ),
    Breakage(
        "a log group is missing",
        f"logs.expires_as_declared[{GROUP}]",
        _delete,
        ("half deployed", "does not exist"),
        also=(f"logs.has_recent_events[{GROUP}]",),  # what is not there has no events
    ),
)
