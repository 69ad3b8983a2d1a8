"""CloudWatch Logs: the last lines of a group, for a diagnosis."""

from harness.aws.operations import Operation
from harness.aws.session import Aws, need

OPERATIONS = (
    Operation("logs", "DescribeLogStreams", diagnosis=True),
    Operation("logs", "GetLogEvents", diagnosis=True),
)
DIAGNOSIS = ("logs:DescribeLogStreams", "logs:GetLogEvents")
"""What `last_lines` asks."""
_STREAMS = 2


def last_lines(aws: Aws, group: str, *, limit: int = 15) -> tuple[str, ...]:
    """The newest lines of the group's most recently written streams, oldest first within each stream.

    Raises:
        Fault: they cannot be read.
    """
    answer = aws.call(
        "logs:DescribeLogStreams",
        group,
        logGroupName=group,
        orderBy="LastEventTime",
        descending=True,
        limit=_STREAMS,
    )
    lines: list[str] = []
    for stream in need(answer, "logStreams", "logs:DescribeLogStreams", group):
        name = stream["logStreamName"]
        events = aws.call(
            "logs:GetLogEvents",
            group,
            logGroupName=group,
            logStreamName=name,
            limit=limit,
            startFromHead=False,
        )
        lines += [f"{name}: {event['message'].rstrip()}" for event in events.get("events", ())]
    return tuple(lines)
