"""CloudWatch Logs: log groups, and the last lines of one for a diagnosis."""

import os.path
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.paging import pages
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Duration
from harness.shapes import AfterValidator

OPERATIONS = (
    Operation("logs", "DescribeLogGroups"),
    Operation("logs", "FilterLogEvents"),
    Operation("logs", "DescribeLogStreams", diagnosis=True),
    Operation("logs", "GetLogEvents", diagnosis=True),
)
DIAGNOSIS = ("logs:DescribeLogStreams", "logs:GetLogEvents")
"""What `last_lines` asks."""
RETENTIONS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""The days that CloudWatch Logs can keep events; PutRetentionPolicy takes no others."""
_KEY, _EVENTS, _STREAMS = "logs:DescribeLogGroups", "logs:FilterLogEvents", "logs:DescribeLogStreams"
_STREAMS_READ = 2
_PAGES_OF_EVENTS = 20
"""FilterLogEvents may answer with an empty page and a token, while it still searches."""


def _possible(days: int) -> int:
    if days not in RETENTIONS:
        below = [str(other) for other in RETENTIONS if other < days][-1:]
        above = [str(other) for other in RETENTIONS if other > days][:1]
        msg = f"CloudWatch Logs cannot keep events for {days} days; near is {' or '.join(below + above)}"
        raise ValueError(msg)
    return days


class LogGroup(AwsResource):
    """``[[logs.groups]]``."""

    fixture: ClassVar[str] = "log_group"
    uses: ClassVar[tuple[str, ...]] = (_KEY, _EVENTS, _STREAMS)
    parity: ClassVar[Mapping[str, str]] = {"retention_days": "retention_days"}

    group: str
    retention_days: Annotated[int, AfterValidator(_possible)] | Literal["never"] | None = None
    """How long it keeps events; ``"never"`` where they must never expire. Unset: whatever, as long as they do."""
    kms_key: bool = False
    """Whether a KMS key of yours must encrypt it; CloudWatch Logs encrypts with a key of its own in any case."""
    active_within: Duration = 0.0
    """How old its newest event may be; unset, it is not looked for."""

    @property
    def id(self) -> str:
        """The group's name."""
        return self.group

    @property
    def home(self) -> str:
        """The group."""
        return f"log group {self.group}"

    def arn(self, account: str, region: str) -> str:
        """The group's ARN."""
        return f"arn:aws:logs:{region}:{account}:log-group:{self.group}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Its retention, and what else the profile declares of it."""
        optional = (
            (self.kms_key, "logs.is_encrypted_with_a_key"),
            (self.active_within, "logs.has_recent_events"),
        )
        return ("logs.expires_as_declared", *(check for wanted, check in optional if wanted))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["LogGroup"]) -> Read:
        """The groups by the beginnings of their names, by pages."""
        starts = beginnings(item.group for item in declared)
        found: dict[str, object] = {}
        answers = aws.each(lambda start: _groups(aws, start), starts)
        for names, answer in zip(starts.values(), answers, strict=True):
            if isinstance(answer, Fault):
                found.update(dict.fromkeys(names, answer))
            else:
                found.update({name: state for name, state in answer.items() if name in names})
        return found


@dataclass(frozen=True)
class GroupState:
    """A log group as CloudWatch Logs describes it. `retention_days` is 0 where events never expire."""

    name: str
    retention_days: int
    kms_key: str
    stored_bytes: int


LogGroup.state_type = GroupState


def beginnings(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What to ask for so that every name is in an answer -> the names that begin so.

    Names of one folder (``/ecs/``) are asked for together, by the longest beginning that they share.
    """
    folders: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        folder = name[: name.rfind("/") + 1]
        folders.setdefault(folder or name, []).append(name)
    return {os.path.commonprefix(group): tuple(group) for group in folders.values()}  # noqa: RUF071 - of characters


def _groups(aws: Aws, start: str) -> dict[str, GroupState]:
    about = f"log groups {start}…"
    return {
        str(need(row, "logGroupName", _KEY, about)): GroupState(
            name=str(row["logGroupName"]),
            retention_days=int(row.get("retentionInDays") or 0),
            kms_key=str(row.get("kmsKeyId") or ""),
            stored_bytes=int(row.get("storedBytes") or 0),
        )
        for row in aws.items(_KEY, about, "logGroups", logGroupNamePrefix=start)
    }


def retention_problem(group: LogGroup, state: GroupState) -> str:
    """What is wrong with how long it keeps events; empty where nothing is."""
    never, days = state.retention_days == 0, f"{state.retention_days} days"
    match group.retention_days:
        case None if never:
            return "its events never expire, so that it costs more every month"
        case None:
            return ""
        case "never":
            return "" if never else f"it keeps events for {days}, declared is that they never expire"
        case wanted if wanted != state.retention_days:
            return f"it keeps events {'for ever' if never else f'for {days}'}, declared are {wanted} days"
    return ""


def recent_event(aws: Aws, group: LogGroup) -> str:
    """When an event came in that is recent enough, as ISO time; empty where there is none.

    Asked of the events themselves: what a stream says of its last event may be an hour old.

    Raises:
        Broken: it cannot be found out in as many pages as are read.
        Fault: they cannot be read.
    """
    since = int((time.time() - group.active_within) * 1000)
    found = pages(
        aws, _EVENTS, group.home, leads="nextToken", logGroupName=group.group, startTime=since, limit=1
    )
    for number, answer in enumerate(found, 1):
        for event in need(answer, "events", _EVENTS, group.home):
            return _iso(need(event, "timestamp", _EVENTS, group.home))
        if number == _PAGES_OF_EVENTS:
            raise Broken(
                f"{_EVENTS} on {group.home}: {number} pages were empty, and it still searches",
                hint="run again, or ask for a shorter time with `active_within`",
            )
    return ""


def last_event(aws: Aws, group: LogGroup) -> tuple[str, ...]:
    """When the group's newest stream says that its last event was, in a line.

    Raises:
        Fault: it cannot be read.
    """
    streams = _newest_streams(aws, group.group)
    if not streams:
        return (f"{group.home} has no log streams: nothing ever wrote to it",)
    stamp = streams[0].get("lastEventTimestamp")
    when = _iso(stamp) if stamp else "never"
    return (f"newest stream {streams[0].get('logStreamName', '')}: last event {when}",)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _newest_streams(aws: Aws, group: str) -> Sequence[Mapping[str, Any]]:
    answer = aws.call(
        _STREAMS, group, logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS_READ
    )
    streams: list[Mapping[str, Any]] = need(answer, "logStreams", _STREAMS, group)
    return streams


def last_lines(aws: Aws, group: str, *, limit: int = 15) -> tuple[str, ...]:
    """The newest lines of the group's most recently written streams, oldest first within each stream.

    Raises:
        Fault: they cannot be read.
    """
    lines: list[str] = []
    for stream in _newest_streams(aws, group):
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
