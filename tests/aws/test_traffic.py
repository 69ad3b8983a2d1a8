"""Load on AWS: what is ours is removed, what is others' is not, and what is met counts as what it is."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.aws import traffic, traffic_messages, traffic_zones
from harness.aws.faults import Absent, Fault, Unreachable
from harness.aws.probe import ATTRIBUTE
from harness.aws.session import Aws
from harness.aws.sqs import describe
from harness.aws.traffic_messages import Box, QueueInUse, clean_up, clear, open_box, remove_dead
from harness.model import Cause, Outcome
from harness.profile import Profile
from queue_parts import Owner, bodies, send, work_and_dead

RUN = "0123456789abcdef"
ZONE = "gate.example.com"


@pytest.fixture
def urls(owner: Owner, credentials: str) -> dict[str, str]:
    """A queue and its dead-letter queue, for real."""
    return work_and_dead(owner, credentials)


@pytest.fixture
def box(aws: Aws, urls: dict[str, str]) -> Box:
    return open_box(aws, "work.fifo", run=RUN, timeout=10.0)


def probe(owner: Owner, url: str, id_: str) -> None:
    """A probe as a load run, or a check, sends it."""
    attributes = {ATTRIBUTE: {"DataType": "String", "StringValue": id_}}
    send(owner, url, id_, MessageAttributes=attributes)


def received(box: Box) -> list[str]:
    return [taken.id for taken in box.receive(wait=0)]


def test_probes_come_back_and_are_gone_when_deleted(aws: Aws, box: Box) -> None:
    ids = [f"load-{RUN}-{number}" for number in range(3)]
    for id_ in ids:
        traffic_messages.send(box, id_)
    taken = box.receive(wait=1)
    assert sorted(item.id for item in taken) == ids
    assert describe(aws, "work.fifo").in_flight == 3
    for item in taken:
        item.delete()
    assert describe(aws, "work.fifo").messages == 0


def test_a_topic_brings_them_to_its_queue(aws: Aws, owner: Owner, box: Box, credentials: str) -> None:
    topic = owner("sns").create_topic(Name="changes.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    assert traffic_messages.topic_arn(aws, "changes.fifo") == topic
    queue = f"arn:aws:sqs:us-east-1:{credentials}:work.fifo"
    owner("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    traffic_messages.publish(aws, topic, f"load-{RUN}-0")
    assert [item.id for item in box.receive(wait=2)] == [f"load-{RUN}-0"]


def test_a_standard_queue_needs_no_groups(aws: Aws, owner: Owner) -> None:
    owner("sqs").create_queue(QueueName="plain")
    box = open_box(aws, "plain", run=RUN, timeout=5.0)
    traffic_messages.send(box, f"load-{RUN}-7")
    assert [item.id for item in box.receive(wait=2)] == [f"load-{RUN}-7"]


def test_messages_of_others_are_given_back_at_once_and_held_the_second_time(
    aws: Aws, owner: Owner, urls: dict[str, str], box: Box
) -> None:
    send(owner, urls["work"], "theirs")
    probe(owner, urls["work"], "load-another-1")  # of a run that may still wait for it
    probe(owner, urls["work"], "5f0c-integration")
    assert received(box) == []
    assert (describe(aws, "work.fifo").visible, len(box.held)) == (3, 0)
    assert received(box) == []
    assert (describe(aws, "work.fifo").in_flight, len(box.held)) == (3, 3)
    box.give_back()
    assert sorted(bodies(owner, urls["work"])) == ["5f0c-integration", "load-another-1", "theirs"]


def test_a_probe_that_no_run_waits_for_any_more_is_removed(
    aws: Aws, owner: Owner, urls: dict[str, str], box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe(owner, urls["work"], "load-another-1")
    send(owner, urls["work"], "theirs")
    later = time.time() + 16  # hidden for 15 s: its time-out and a margin
    monkeypatch.setattr(traffic_messages, "time", lambda: later)
    assert received(box) == []
    assert bodies(owner, urls["work"]) == ["theirs"]


def test_a_flood_of_messages_ends_the_receiving(owner: Owner, urls: dict[str, str], box: Box) -> None:
    for number in range(10):
        send(owner, urls["work"], f"theirs-{number}")
    assert received(box) == []
    send(owner, urls["work"], "one-more")
    with pytest.raises(QueueInUse, match="11 messages of others came between") as caught:  # noqa: PT012
        for _ in range(5):
            received(box)
    assert (caught.value.outcome, caught.value.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)


def test_a_quiet_queue_is_clear(aws: Aws, urls: dict[str, str]) -> None:
    clear(aws, "work.fifo", timeout=5.0)
    assert aws.calls["sqs:ReceiveMessage"] == 0


def test_what_a_killed_run_left_is_cleared(
    aws: Aws, owner: Owner, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        probe(owner, urls["work"], f"load-killed-{number}")
    probe(owner, urls["dead"], "load-killed-12")
    send(owner, urls["dead"], "their-dead-letter")
    later = time.time() + 60
    monkeypatch.setattr(traffic_messages, "time", lambda: later)
    clear(aws, "work.fifo", timeout=0.1)
    assert describe(aws, "work.fifo").messages == 0
    assert bodies(owner, urls["dead"]) == ["their-dead-letter"]


def test_messages_of_others_are_in_the_way(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    send(owner, urls["work"], "theirs")
    with pytest.raises(QueueInUse, match="1 messages of others are waiting"):
        clear(aws, "work.fifo", timeout=0.1)
    assert bodies(owner, urls["work"]) == ["theirs"]


def test_a_queue_that_is_missing_is_absent(aws: Aws) -> None:
    with pytest.raises(Absent, match=r"SQS queue nothing\.fifo"):
        clear(aws, "nothing.fifo", timeout=0.1)
    with pytest.raises(Absent):
        open_box(aws, "nothing.fifo", run=RUN, timeout=1.0)


def test_dead_letters_of_ours_go_and_others_stay(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    for number in range(23):
        probe(owner, urls["dead"], f"load-{RUN}-{number}")
    send(owner, urls["dead"], "their-dead-letter")
    assert remove_dead(aws, "dead.fifo") == 23
    assert bodies(owner, urls["dead"]) == ["their-dead-letter"]
    assert remove_dead(aws, "") == 0


def test_cleaning_up_takes_what_is_ours_from_the_queue_and_its_dead_letters(
    aws: Aws, owner: Owner, urls: dict[str, str], box: Box
) -> None:
    traffic_messages.send(box, f"load-{RUN}-0")
    probe(owner, urls["dead"], f"load-{RUN}-1")
    send(owner, urls["work"], "theirs")
    box.receive(wait=0)
    box.receive(wait=0)
    traffic_messages.send(box, f"load-{RUN}-2")
    assert clean_up(box) == 2
    assert bodies(owner, urls["work"]) == ["theirs"]


def test_cleaning_up_stops_at_a_flood(aws: Aws, owner: Owner, urls: dict[str, str], box: Box) -> None:
    box.seen.update(str(number) for number in range(11))
    assert clean_up(box) == 0


def test_zones_are_made_found_and_removed(aws: Aws, owner: Owner) -> None:
    id_ = traffic_zones.create(aws, ZONE, run=RUN, number="r-0")
    (found,) = traffic_zones.leftovers(aws, ZONE)
    assert (found.id, found.name, found.run) == (id_, f"gonogo-load-r-0.{ZONE}", RUN)
    assert found.age < 60
    traffic_zones.delete(aws, id_)
    assert traffic_zones.leftovers(aws, ZONE) == ()


def test_only_zones_with_both_marks_are_swept(
    aws: Aws, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def theirs(name: str, comment: str = "") -> None:
        owner("route53").create_hosted_zone(
            Name=name, CallerReference=f"{name}-{time.time_ns()}", HostedZoneConfig={"Comment": comment}
        )

    ours = f"load probe of gonogo, run {RUN}, made 1"
    theirs(f"gonogo-load-x.{ZONE}", "somebody's")
    theirs(f"customer.{ZONE}", ours)
    theirs(f"gonogo-load-y.deep.{ZONE}", ours)
    theirs(ZONE, ours)
    theirs("gonogo-load-z.zebra.example.org", ours)
    mine = traffic_zones.create(aws, ZONE, run=RUN, number="mine")
    traffic_zones.create(aws, ZONE, run="abc", number="fresh")
    assert traffic_zones.sweep(aws, ZONE, run=RUN) == 1
    assert mine not in {zone.id for zone in traffic_zones.leftovers(aws, ZONE)}
    later = time.time() + traffic_zones.LEFTOVER_AGE + 5
    monkeypatch.setattr(traffic_zones, "time", lambda: later)
    assert traffic_zones.sweep(aws, ZONE) == 1
    left = {zone["Name"] for zone in owner("route53").list_hosted_zones()["HostedZones"]}
    assert left == {
        f"gonogo-load-x.{ZONE}.", f"customer.{ZONE}.", f"gonogo-load-y.deep.{ZONE}.", f"{ZONE}.",
        "gonogo-load-z.zebra.example.org.",
    }  # fmt: skip


def test_zones_are_found_on_every_page(aws: Aws, owner: Owner) -> None:
    client = owner("route53")
    for number in range(100):
        client.create_hosted_zone(Name=f"customer-{number}.example.org", CallerReference=str(number))
    made = {traffic_zones.create(aws, ZONE, run=RUN, number=str(number)) for number in range(2)}
    assert {zone.id for zone in traffic_zones.leftovers(aws, ZONE)} == made
    assert aws.calls["route53:ListHostedZones"] == 2


def test_zones_that_cannot_be_removed_are_told(
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    make_profile: Callable[..., Profile],
    credentials: str,
) -> None:
    aws = session(make_profile(stub(lambda _: throttled(http)).url, access="read-write"))
    fault = traffic_zones.sweep_soon(aws, ZONE, run=RUN, timeout=0.0)
    assert fault is not None
    assert "Throttling" in fault.message


def session(profile: Profile, slots: int = 3) -> Aws:
    return traffic.session(traffic.settings(profile), slots=slots, timeout=0.5)


def throttled(http: Callable[..., bytes]) -> bytes:
    body = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    return http("400 Bad Request", body, "text/xml")


def met(aws: Aws) -> traffic.Failure:
    with pytest.raises(Fault) as caught:
        aws.call("route53:ListHostedZones", "zones")
    return traffic.failure(caught.value)


def test_settings_hold_no_secret_and_make_the_same_session(
    make_profile: Callable[..., Profile], credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-a-real-looking-one")
    monkeypatch.setenv("HOME", "/home/somebody")
    profile = make_profile("http://127.0.0.1:9", account=credentials, access="read-write", region="eu-west-1")
    given = traffic.settings(profile)
    assert "wJalrXUtnFEMI" not in str(given)
    monkeypatch.setenv("HOME", "/tmp/locust")
    made = session_of(given)
    assert (made.region, made.access, made.profile.aws) == ("eu-west-1", "read-write", profile.aws)
    assert os.environ["HOME"] == "/home/somebody"
    session_of({**given, "home": ""})
    assert os.environ["HOME"] == "/home/somebody"


def session_of(given: dict[str, Any]) -> Aws:
    return traffic.session(given, slots=3, timeout=0.5)


def test_a_throttled_request_is_tried_once_and_is_an_answer(
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    make_profile: Callable[..., Profile],
    credentials: str,
) -> None:
    server = stub(lambda _: throttled(http))
    failed = met(session(make_profile(server.url)))
    assert (failed.kind, failed.status, server.asked) == ("status", 400, 1)
    assert "Throttling: Rate exceeded" in failed.detail


def test_a_service_that_does_not_answer_is_asked_again_by_the_next(
    stub: Callable[..., Any], make_profile: Callable[..., Profile], credentials: str
) -> None:
    server = stub(lambda _: b"")
    aws = session(make_profile(server.url))
    assert (met(aws).kind, met(aws).kind, server.asked) == ("closed", "closed", 2)


def test_one_that_never_answers_is_a_time_out(
    stub: Callable[..., Any], make_profile: Callable[..., Profile], credentials: str
) -> None:
    assert met(session(make_profile(stub(lambda _: None).url))).kind == "timeout"


@pytest.mark.parametrize(
    ("url", "kind"),
    [("http://127.0.0.1:9", "refused"), ("http://gate.invalid", "dns"), ("https://127.0.0.1:{port}", "tls")],
)
def test_what_keeps_a_request_from_arriving(
    stub: Callable[..., Any], make_profile: Callable[..., Profile], credentials: str, url: str, kind: str
) -> None:
    port = stub(lambda _: b"not TLS").url.rpartition(":")[2]
    assert met(session(make_profile(url.format(port=port)))).kind == kind


def test_a_web_page_is_no_answer(
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    make_profile: Callable[..., Profile],
    credentials: str,
) -> None:
    server = stub(lambda _: http("200 OK", "<html>Sign in</html>", "text/html"))
    assert met(session(make_profile(server.url))).kind == "protocol"


def test_want_of_files_is_the_generators_own() -> None:
    fault = Unreachable("no connection", hint="")
    fault.__cause__ = OSError(24, "Too many open files")
    assert traffic.failure(fault).kind == "generator"
    fault.__cause__ = ValueError("whatever")
    assert traffic.failure(fault).kind == "other"


def test_requests_that_were_held_back_are_told(aws: Aws, urls: dict[str, str]) -> None:
    slow = aws.profile.aws.model_copy(update={"calls": 2.0})
    held = traffic.session({**traffic.settings(aws.profile), "aws": slow.model_dump()}, slots=1, timeout=5.0)
    held.identity()
    describe(held, "work.fifo")
    assert held.held_back > 0
    assert aws.held_back == 0
