"""Scenarios of AWS: what a profile may say, what Locust's process then does, and what it counts."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws_parts import (  # noqa: F401 - fixtures
    aws,
    credentials,
    http,
    make_profile,
    no_inherited_aws,
    owner,
    stack_url,
    stub,
)
from harness.aws.iam import needed, policy
from harness.aws.session import Aws
from harness.errors import ProfileError, ToolError
from harness.gates.load import LoadConfig
from harness.load.generator.traffic import TRAFFIC, sender_for
from harness.load.plan import Plan
from harness.load.result import Kind, LoadResult
from harness.load.runner import run_scenario
from harness.load.scenario import Scenario
from harness.model import Phase
from harness.profile import Profile
from harness.shapes import ValidationError
from queue_parts import Owner, bodies, send, work_and_dead

# ruff: noqa: F811 - a fixture's parameters are named like the fixtures they ask for

QUEUE = {"name": "work.fifo"}
TOPIC = {"name": "changes.fifo", "queues": ["a.fifo", "b.fifo"]}
ZONES = {"suffix": "gate.example.com"}
RULES = ["success_rate >= 95%"]
Profiles = Callable[..., Profile]


def scenario(**values: Any) -> Scenario:
    given = {"name": "load", "thresholds": RULES, **values}
    if not {"rate", "users"} & given.keys():
        given["rate"] = "10/s"
    return Scenario.model_validate(given)


@pytest.fixture
def writing(make_profile: Profiles, stack_url: str, credentials: str) -> Profile:
    return make_profile(stack_url, account=credentials, access="read-write")


def with_calls(profile: Profile, calls: float) -> Profile:
    return replace(profile, aws=profile.aws.model_copy(update={"calls": calls}))


def with_load(profile: Profile, *scenarios: Scenario) -> Profile:
    return replace(
        profile,
        gates={"load": LoadConfig(allowed_hosts=["127.0.0.1", "example.com"], scenarios=list(scenarios))},
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "exactly one of url, .*queue, topic, zones.*; it has none"),
        ({"url": "http://a/", "queue": QUEUE}, "it has url and queue"),
        ({"queue": QUEUE, "zones": ZONES}, "it has queue and zones"),
        ({"queue": QUEUE, "method": "POST"}, r"queue does not take method \(which goes with url\)"),
        ({"topic": TOPIC, "body": "x", "headers": {"A": "b"}}, "topic does not take body .*, headers"),
        ({"zones": ZONES, "processes": 2}, "zones does not take processes"),
        ({"queue": {"name": ""}}, "at least 1 character"),
        ({"queue": {"nam": "x"}}, "nam"),
        ({"topic": {"name": "changes.fifo", "queues": []}}, "at least 1 item"),
        ({"zones": {"suffix": "com"}}, "pattern"),
        ({"zones": {"suffix": "a b.example.com"}}, "pattern"),
    ],
)
def test_a_scenario_goes_to_one_thing_with_its_own_keys(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        scenario(**values)


@pytest.mark.parametrize(
    ("target", "kind"),
    [("queue", QUEUE), ("topic", TOPIC), ("zones", ZONES)],
    ids=["queue", "topic", "zones"],
)
def test_its_plan_carries_no_secret_and_names_a_known_kind(
    writing: Profile, target: str, kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-that-nobody-may-see")
    plan = scenario(**{target: kind}, rate="1/s").plan(profile=writing)
    assert plan.kind in TRAFFIC
    assert "nobody-may-see" not in plan.to_json()
    assert Plan.from_json(plan.to_json()) == plan


def test_a_plan_for_aws_needs_the_profile() -> None:
    with pytest.raises(TypeError, match="needs the profile"):
        scenario(queue=QUEUE).plan()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"queue": QUEUE, "rate": "17/s"},
            r"may send 56/s requests to AWS \(3 an arrival\); \[aws\] calls is 50/s",
        ),
        ({"topic": TOPIC, "rate": "10/s"}, r"\(5 an arrival\)"),
        ({"queue": QUEUE, "users": 5, "think_time": "300ms"}, "53/s"),
        ({"queue": QUEUE, "users": 5}, "no bound"),
    ],
)
def test_what_the_account_may_not_be_asked_is_refused_beforehand(
    writing: Profile, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProfileError, match=told) as caught:
        scenario(**values).plan(profile=writing)
    assert "raise [aws] calls" in caught.value.hint


def test_route_53_takes_less_than_the_profile_allows(make_profile: Profiles) -> None:
    aws_itself = make_profile("", access="read-write")
    assert scenario(zones=ZONES, rate="2/s").plan(profile=aws_itself).kind == "zones"
    scenario(zones=ZONES, users=2, think_time="1s").plan(profile=aws_itself)
    with pytest.raises(ProfileError, match=r"may send 4\.2/s.*what route53 takes is 4/s") as caught:
        scenario(zones=ZONES, rate="2.1/s").plan(profile=aws_itself)
    assert "[aws] calls" not in caught.value.hint


def test_with_read_only_access_they_are_left_out(make_profile: Profiles) -> None:
    http_one, queue = scenario(name="http", url="http://127.0.0.1:9/"), scenario(name="queue", queue=QUEUE)
    for access, names in (("read-write", ["http", "queue"]), ("read-only", ["http"])):
        profile = with_load(make_profile("", access=access), http_one, queue)
        gate = profile.gate("load", LoadConfig)
        assert [check.resource for check in gate.expected("load", profile, Phase.PRE_DEPLOY)] == names
        assert [name for name, _ in gate.parameters(profile, Phase.PRE_DEPLOY)["scenario"]] == names
        assert ("sqs:SendMessage" in {row.key for row in needed(profile)}) == (access == "read-write")


def test_the_iam_policy_allows_what_they_ask_on_what_they_name(make_profile: Profiles) -> None:
    targets = (
        scenario(name="q", queue=QUEUE),
        scenario(name="t", topic=TOPIC),
        scenario(name="z", zones=ZONES),
    )
    profile = with_load(make_profile("", account="111122223333", access="read-write"), *targets)
    statements = {item["Sid"]: item for item in policy(profile)["Statement"]}
    assert statements["GonogoProbes"]["Action"] == ["route53:CreateHostedZone", "route53:DeleteHostedZone"]
    assert statements["GonogoProbesSns"]["Resource"] == ["arn:aws:sns:us-east-1:111122223333:changes.fifo"]
    sqs = statements["GonogoProbesSqs"]
    assert sqs["Action"] == [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage",
    ]  # fmt: skip
    assert sqs["Resource"] == [
        f"arn:aws:sqs:us-east-1:111122223333:{name}.fifo" for name in ("a", "b", "work")
    ]


def test_prepare_refuses_a_host_that_may_not_be_loaded(writing: Profile) -> None:
    with pytest.raises(ProfileError, match="allowed_hosts"):
        scenario(url="http://example.com/").prepare(writing, ["127.0.0.1"])
    assert scenario(url="http://127.0.0.1/").prepare(writing, ["127.0.0.1"]).kind == "http"


def run(profile: Profile, tmp_path: Path, **values: Any) -> LoadResult:
    return run_scenario(scenario(**values).prepare(profile, []), work=tmp_path / "work")


def test_probes_go_through_a_queue(writing: Profile, owner: Owner, credentials: str, tmp_path: Path) -> None:
    urls = work_and_dead(owner, credentials)
    result = run(writing, tmp_path, queue=QUEUE, rate="12/s", duration="2s", warm_up="500ms")
    assert (result.sent, result.succeeded, result.warm_up, dict(result.failures)) == (24, 24, 6, {})
    assert result.statuses == {"200": 24}
    assert {name: (step.sent, step.failed) for name, step in result.steps.items()} == {
        "send": (24, 0), "receive": (24, 0), "delete": (24, 0),
    }  # fmt: skip
    assert bodies(owner, urls["work"]) == []


def fan_out(owner: Owner, account: str, *subscribed: str) -> None:
    topic = owner("sns").create_topic(Name="changes.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    for name in TOPIC["queues"]:
        owner("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        if name in subscribed:
            arn = f"arn:aws:sqs:us-east-1:{account}:{name}"
            owner("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)


def test_probes_go_through_a_topic_to_each_queue(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path
) -> None:
    fan_out(owner, credentials, "a.fifo", "b.fifo")
    result = run(writing, tmp_path, topic=TOPIC, rate="3/s", duration="1s")
    assert (result.sent, result.succeeded) == (3, 3)
    assert set(result.steps) == {"publish", "receive", "delete"}


@pytest.mark.slow
def test_one_queue_that_gets_nothing_is_a_time_out_and_nothing_is_left(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path
) -> None:
    fan_out(owner, credentials, "a.fifo")
    result = run(writing, tmp_path, topic=TOPIC, rate="3/s", duration="1s", timeout="800ms")
    assert (result.sent, result.timed_out) == (3, 3)
    assert "did not come back within 0.8 s: a consumer may have taken it" in result.first_failures[0].detail
    url = owner("sqs").get_queue_url(QueueName="a.fifo")["QueueUrl"]
    counts = owner("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_zones_come_and_go(writing: Profile, owner: Owner, tmp_path: Path) -> None:
    result = run(writing, tmp_path, zones=ZONES, users=2, think_time="100ms", duration="1s")
    assert result.succeeded == result.sent > 5
    assert set(result.steps) == {"create", "delete"}
    assert owner("route53").list_hosted_zones()["HostedZones"] == []


def test_what_is_not_there_is_met_before_the_load(writing: Profile, tmp_path: Path) -> None:
    from harness.aws.faults import Absent

    with pytest.raises(Absent, match=r"work\.fifo"):
        run(writing, tmp_path, queue=QUEUE)
    with pytest.raises(Absent, match=r"[ab]\.fifo"):
        run(writing, tmp_path, topic=TOPIC, rate="1/s")
    assert not (tmp_path / "work").exists()


def test_another_account_is_refused_in_locusts_process_too(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_and_dead(owner, credentials)
    plan = scenario(queue=QUEUE, duration="1s").prepare(writing, [])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "999999999999")
    with pytest.raises(ToolError, match="credentials belong to account 999999999999"):
        run_scenario(plan, work=tmp_path / "work")


@contextmanager
def somebody(owner: Owner, act: Callable[[Any, int], None]) -> Iterator[None]:
    """Somebody else who does something again and again meanwhile."""
    over, client = threading.Event(), owner("sqs")

    def work() -> None:
        turn = 0
        while not over.is_set():
            act(client, turn)
            turn += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


@pytest.mark.slow
def test_a_queue_that_others_use_proves_nothing(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path
) -> None:
    urls = work_and_dead(owner, credentials)
    plan = scenario(queue=QUEUE, rate="10/s", duration="2s").prepare(writing, [])
    for number in range(12):
        send(owner, urls["work"], f"theirs-{number}")
    result = run_scenario(plan, work=tmp_path / "work")
    assert result.failures[Kind.GENERATOR] > 0
    assert "SQS queue work.fifo is in use" in next(
        seen.detail for seen in result.first_failures if seen.kind is Kind.GENERATOR
    )
    counts = owner("sqs").get_queue_attributes(QueueUrl=urls["work"], AttributeNames=["All"])["Attributes"]
    dead = owner("sqs").get_queue_attributes(QueueUrl=urls["dead"], AttributeNames=["All"])["Attributes"]
    assert int(counts["ApproximateNumberOfMessages"]) >= 12
    assert dead["ApproximateNumberOfMessages"] == "0", "none of theirs was received to death"


@pytest.mark.slow
def test_probes_that_a_consumer_gives_back_are_seen_here_or_among_the_dead_letters(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path
) -> None:
    urls = work_and_dead(owner, credentials)
    plan = scenario(queue=QUEUE, rate="10/s", duration="2s").prepare(writing, [])

    def consume(client: Any, _turn: int) -> None:
        answer = client.receive_message(QueueUrl=urls["work"], WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            client.change_message_visibility(
                QueueUrl=urls["work"], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )

    with somebody(owner, consume):
        result = run_scenario(plan, work=tmp_path / "work")
    assert result.succeeded == result.sent == 20, result.first_failures
    assert bodies(owner, urls["dead"]) == bodies(owner, urls["work"]) == []


def test_throttled_requests_are_failures_by_their_code(
    writing: Profile, stub: Any, http: Callable[..., bytes], tmp_path: Path
) -> None:
    """Route 53's first answers are fine; later ones are not."""

    def answer(request: bytes) -> bytes:
        if b"GetCallerIdentity" in request:
            return http("200 OK", f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
                <GetCallerIdentityResult><Account>{writing.aws.account}</Account><Arn>arn</Arn></GetCallerIdentityResult>
                </GetCallerIdentityResponse>""", "text/xml")  # fmt: skip
        body = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
        return http("400 Bad Request", body, "text/xml")

    server = stub(answer)
    elsewhere = replace(writing, aws=writing.aws.model_copy(update={"endpoint_url": server.url}))
    plan = scenario(zones=ZONES, rate="5/s", duration="1s").plan(profile=elsewhere)
    result = run_scenario(plan, work=tmp_path / "work")
    assert dict(result.failures) == {Kind.STATUS: 5}
    assert result.statuses == {"400": 5}
    assert "Throttling: Rate exceeded" in result.first_failures[0].detail
    creations = [request for request in server.requests if b"CreateHostedZoneRequest" in request]
    assert len(creations) == 5, "none was tried again unseen"
    said = (tmp_path / "work" / "locust.err").read_text()
    assert "not all could be cleaned up" in said


@pytest.mark.slow
def test_arrivals_that_aws_calls_hold_back_are_the_generators(
    writing: Profile, owner: Owner, tmp_path: Path
) -> None:
    generous = scenario(zones=ZONES, rate="10/s", duration="1s").plan(profile=writing)
    session = {**generous.traffic["session"], "aws": with_calls(writing, 3.0).aws.model_dump()}
    plan = replace(generous, traffic={**generous.traffic, "session": session})
    result = run_scenario(plan, work=tmp_path / "work")
    assert result.failures[Kind.GENERATOR] > 0
    assert "held back by [aws] calls" in result.first_failures[0].detail


@pytest.mark.slow
def test_shared_credentials_are_found_although_locust_has_another_home(
    writing: Profile, owner: Owner, credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_and_dead(owner, credentials)
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {credentials}\naws_secret_access_key = test\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    result = run(writing, tmp_path, queue=QUEUE, rate="5/s", duration="1s")
    assert result.succeeded == 5


def test_several_processes_cannot_share_messages(writing: Profile, make_plan: Any) -> None:
    plan = scenario(queue=QUEUE).plan(profile=writing)
    with pytest.raises(ToolError, match="cannot be shared by 2 processes"):
        sender_for(replace(plan, nodes=2))


CONCURRENT = """
import sys, time
from gevent import monkey
monkey.patch_all()
import gevent
from harness.load.generator.traffic import sender_for
from harness.load.plan import Plan
sender = sender_for(Plan.from_json(sys.stdin.read()))
sender.prime()
begun = time.monotonic()
answers = [job.get() for job in [gevent.spawn(sender.send) for _ in range(10)]]
took = time.monotonic() - begun
sender.close()
print(len(answers), {str(answer.kind) for answer in answers}, took)
"""


@pytest.mark.slow
def test_ten_arrivals_wait_at_the_same_time(
    writing: Profile, stub: Any, http: Callable[..., bytes], tmp_path: Path
) -> None:
    """A server that never answers holds each for its whole time-out; one after another they would take ten times that."""

    def answer(request: bytes) -> bytes | None:
        if b"GetCallerIdentity" not in request:
            return None
        return http("200 OK", f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
            <GetCallerIdentityResult><Account>{writing.aws.account}</Account><Arn>arn</Arn></GetCallerIdentityResult>
            </GetCallerIdentityResponse>""", "text/xml")  # fmt: skip

    elsewhere = replace(writing, aws=writing.aws.model_copy(update={"endpoint_url": stub(answer).url}))
    plan = scenario(zones=ZONES, rate="10/s", timeout="1s").plan(profile=elsewhere)
    done = subprocess.run(
        [sys.executable, "-c", CONCURRENT],
        input=plan.to_json(), capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60,
    )  # fmt: skip
    count, kinds, took = done.stdout.split()
    assert (count, kinds) == ("10", "{'timeout'}")
    assert 1.0 <= float(took) < 5.0, done.stderr


def test_the_session_of_the_gate_stays_patient(aws: Aws) -> None:
    """Only the generator's own has one try a request."""
    config: Any = aws.client("sqs").meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 8}
