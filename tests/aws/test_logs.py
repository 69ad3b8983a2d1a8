import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.aws import logs
from harness.aws.faults import Broken, Denied, Fault
from harness.aws.logs import GroupState, LogGroup, beginnings, retention_problem
from harness.aws.session import Aws
from harness.aws.survey import read_one
from harness.model import Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
KEY = "arn:aws:kms:us-east-1:111122223333:key/1"


def make(owner: Owner, name: str, *, days: int = 0, stamps: tuple[float, ...] = (), **settings: Any) -> None:
    client = owner("logs")
    client.create_log_group(logGroupName=name, **settings)
    if days:
        client.put_retention_policy(logGroupName=name, retentionInDays=days)
    if stamps:
        client.create_log_stream(logGroupName=name, logStreamName="stream")
        events = [{"timestamp": int(stamp * 1000), "message": f"line {stamp} "} for stamp in sorted(stamps)]
        client.put_log_events(logGroupName=name, logStreamName="stream", logEvents=events)


def test_the_states_of_real_groups(aws: Aws, owner: Owner) -> None:
    make(owner, "/ecs/api", days=30)
    make(owner, "/ecs/web", kmsKeyId=KEY)
    make(owner, "/ecs/other")
    make(owner, "plain")
    declared = [LogGroup(group=name) for name in ("/ecs/api", "/ecs/web", "plain", "/ecs/nosuch", "none")]
    assert LogGroup.read(aws, declared) == {
        "/ecs/api": GroupState("/ecs/api", 30, "", 0),
        "/ecs/web": GroupState("/ecs/web", 0, KEY, 0),
        "plain": GroupState("plain", 0, "", 0),
    }
    assert aws.calls["logs:DescribeLogGroups"] == 3, "one for what begins alike"
    assert read_one(aws, declared[0], GroupState).retention_days == 30


def test_many_groups_are_read_by_pages(aws: Aws, owner: Owner) -> None:
    names = [f"/ecs/service-{number:03}" for number in range(105)]
    for name in names:
        make(owner, name)
    assert sorted(LogGroup.read(aws, [LogGroup(group=name) for name in names])) == names
    assert aws.calls["logs:DescribeLogGroups"] == 3


def test_what_begins_alike_is_asked_for_together() -> None:
    names = ["/ecs/api-dev", "/ecs/web-dev", "/aws/rds/one", "/aws/rds/one-two", "alone", "also", "alone"]
    assert beginnings(names) == {
        "/ecs/": ("/ecs/api-dev", "/ecs/web-dev"),
        "/aws/rds/one": ("/aws/rds/one", "/aws/rds/one-two"),
        "alone": ("alone",),
        "also": ("also",),
    }


class Canned:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked += 1
        answer: dict[str, Any] = self.answers.pop(0)
        return answer

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> list[Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found = []
        for thing in about:
            try:
                found.append(question(thing))
            except Fault as fault:
                found.append(fault)
        return found


def test_a_fault_is_that_of_the_groups_it_is_about() -> None:
    denied = Denied("no", hint="allow it")
    aws: Any = Canned(denied, [{"logGroupName": "/b/x"}])
    declared = [LogGroup(group=name) for name in ("/a/x", "/a/y", "/b/x")]
    found = LogGroup.read(aws, declared)
    assert found == {"/a/x": denied, "/a/y": denied, "/b/x": GroupState("/b/x", 0, "", 0)}
    broken: Any = Canned([{}])
    assert isinstance(LogGroup.read(broken, declared[:1])["/a/x"], Broken)


@pytest.mark.parametrize(
    ("declared", "found", "said"),
    [
        (None, 30, ""),
        (None, 0, "its events never expire, so that it costs more every month"),
        ("never", 0, ""),
        ("never", 30, "it keeps events for 30 days, declared is that they never expire"),
        (30, 30, ""),
        (30, 14, "it keeps events for 14 days, declared are 30 days"),
        (30, 60, "it keeps events for 60 days, declared are 30 days"),
        (30, 0, "it keeps events for ever, declared are 30 days"),
    ],
)
def test_retention(declared: Any, found: int, said: str) -> None:
    state = GroupState("g", found, "", 0)
    assert retention_problem(LogGroup(group="g", retention_days=declared), state) == said


def test_days_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="cannot keep events for 31 days; near is 30 or 60"):
        LogGroup(group="g", retention_days=31)
    with pytest.raises(ValidationError, match=r"near is 1$"):
        LogGroup(group="g", retention_days=0)
    with pytest.raises(ValidationError):
        LogGroup.model_validate({"group": "g", "retention_days": "always"})


def test_recent_events_of_a_real_group(aws: Aws, owner: Owner) -> None:
    now = time.time()
    make(owner, "busy", stamps=(now - 7200, now - 5))
    make(owner, "idle", stamps=(now - 7200,))
    make(owner, "empty")
    group = LogGroup(group="busy", active_within=3600.0)
    assert logs.recent_event(aws, group).endswith("+00:00")
    assert logs.recent_event(aws, LogGroup(group="idle", active_within=3600.0)) == ""
    assert logs.recent_event(aws, LogGroup(group="idle", active_within=7300.0))
    (line,) = logs.last_event(aws, LogGroup(group="idle"))
    assert line.startswith("newest stream stream: last event 20")
    assert logs.last_event(aws, LogGroup(group="empty")) == (
        "log group empty has no log streams: nothing ever wrote to it",
    )
    assert logs.last_lines(aws, "busy", limit=1) == (f"stream: line {now - 5}",)


def test_an_empty_page_is_not_the_end() -> None:
    group = LogGroup(group="g", active_within=60.0)
    aws: Any = Canned({"events": [], "nextToken": "1"}, {"events": [{"timestamp": 1000}], "nextToken": "2"})
    assert logs.recent_event(aws, group) == "1970-01-01T00:00:01+00:00"
    endless: Any = Canned(*({"events": [], "nextToken": str(n)} for n in range(50)))
    with pytest.raises(Broken, match="20 pages were empty"):
        logs.recent_event(endless, group)
    assert endless.asked == 20
    half: Any = Canned({}, {"events": [{}]})
    with pytest.raises(Broken, match="events"):
        logs.recent_event(half, group)
    with pytest.raises(Broken, match="timestamp"):
        logs.recent_event(half, group)


def test_a_stream_without_events() -> None:
    aws: Any = Canned({"logStreams": [{"logStreamName": "s"}]})
    assert logs.last_event(aws, LogGroup(group="g")) == ("newest stream s: last event never",)


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    full = LogGroup(group="g", kms_key=True, active_within=60.0)
    assert LogGroup(group="g").mandatory(profile, Phase.PRE_DEPLOY) == ("logs.expires_as_declared",)
    assert full.mandatory(profile, Phase.PRE_DEPLOY) == (
        "logs.expires_as_declared",
        "logs.is_encrypted_with_a_key",
        "logs.has_recent_events",
    )
    assert full.home == "log group g"
    assert full.arn("111122223333", "us-east-1") == "arn:aws:logs:us-east-1:111122223333:log-group:g"
