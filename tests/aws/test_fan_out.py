"""A probe through a topic: it must arrive once on every queue, and nobody else's message may suffer."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.aws import fan_out as fanning
from harness.aws import sqs
from harness.aws.fan_out import FannedOut, fan_out
from harness.aws.faults import Broken, Denied
from harness.aws.probe import ATTRIBUTE
from harness.aws.session import Aws
from queue_parts import Owner, bodies, send

NAMES = ("a.fifo", "b.fifo", "c.fifo")


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the probe is not to arrive it need not be waited for long."""
    monkeypatch.setattr(fanning, "_LEAST", 0.3)
    monkeypatch.setattr(fanning, "_WAIT", 0)


@pytest.fixture
def topic(owner: Owner, credentials: str) -> str:
    """A FIFO topic with raw delivery to three queues that redrive to one dead-letter queue; its ARN."""
    client = owner("sqs")
    client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})
    redrive = {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{credentials}:dead.fifo",
        "maxReceiveCount": "3",
    }
    arn: str = owner("sns").create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    for name in NAMES:
        client.create_queue(
            QueueName=name, Attributes={"FifoQueue": "true", "RedrivePolicy": json.dumps(redrive)}
        )
        endpoint = f"arn:aws:sqs:us-east-1:{credentials}:{name}"
        owner("sns").subscribe(
            TopicArn=arn, Protocol="sqs", Endpoint=endpoint, Attributes={"RawMessageDelivery": "true"}
        )
    return arn


def url(owner: Owner, name: str) -> str:
    found: str = owner("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return found


def arrived(seen: FannedOut) -> dict[str, tuple[str, int]]:
    return {item.queue: (item.by, item.copies) for item in seen.arrivals}


def left(aws: Aws, *names: str) -> int:
    return sum(sqs.describe(aws, name).messages for name in (*names, "dead.fifo"))


class Meddling:
    """An `Aws` where `after` happens once the probe is published, or another operation's answer is a fault."""

    def __init__(self, aws: Aws, after: Callable[[], None] = lambda: None, **faults: Exception) -> None:
        self._aws, self._after, self._faults = aws, after, faults
        self.each = aws.each

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        name = key.partition(":")[2]
        if name in self._faults and about.endswith("b.fifo"):
            raise self._faults.pop(name)
        answer = self._aws.call(key, about, **parameters)
        if key == "sns:Publish":
            self._after()
        return answer


def test_it_arrives_once_on_every_queue_and_nothing_is_left(aws: Aws, topic: str) -> None:
    seen = fan_out(aws, topic, NAMES, timeout=10)
    assert arrived(seen) == dict.fromkeys(NAMES, ("gate", 1))
    assert (seen.missing, seen.doubled, seen.in_use) == ((), (), ())
    assert all(0 < item.seconds < 10 for item in seen.arrivals)
    assert left(aws, *NAMES) == 0


def test_a_standard_topic_that_wraps_its_messages_carries_one_too(
    aws: Aws, owner: Owner, credentials: str
) -> None:
    owner("sqs").create_queue(QueueName="plain")
    arn = owner("sns").create_topic(Name="t")["TopicArn"]
    endpoint = f"arn:aws:sqs:us-east-1:{credentials}:plain"
    owner("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=endpoint)
    assert arrived(fan_out(aws, arn, ["plain"], timeout=10)) == {"plain": ("gate", 1)}
    assert sqs.describe(aws, "plain").messages == 0


def test_where_it_does_not_arrive_is_named(aws: Aws, owner: Owner, topic: str) -> None:
    for item in owner("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        if item["Endpoint"].endswith(":b.fifo"):
            owner("sns").unsubscribe(SubscriptionArn=item["SubscriptionArn"])
    seen = fan_out(aws, topic, [*NAMES, "nosuch.fifo"], timeout=0.1)
    assert arrived(seen) == {
        "a.fifo": ("gate", 1),
        "b.fifo": ("nobody", 0),
        "c.fifo": ("gate", 1),
        "nosuch.fifo": ("nobody", 0),
    }
    assert [item.queue for item in seen.missing] == ["b.fifo", "nosuch.fifo"]
    assert not any(item.busy for item in seen.missing), "nothing was ever seen there"
    assert left(aws, *NAMES) == 0


def test_what_a_queue_holds_back_has_not_arrived(aws: Aws, owner: Owner, topic: str) -> None:
    owner("sqs").set_queue_attributes(QueueUrl=url(owner, "c.fifo"), Attributes={"DelaySeconds": "900"})
    (missing,) = fan_out(aws, topic, NAMES, timeout=0.1).missing
    assert (missing.queue, missing.delayed, missing.in_flight) == ("c.fifo", 1, 0)


def test_a_second_copy_is_counted_and_removed(aws: Aws, owner: Owner, topic: str) -> None:
    def double() -> None:
        """What a second subscription by way of another topic does."""
        client = owner("sqs")
        (first,) = client.receive_message(
            QueueUrl=url(owner, "b.fifo"), MessageAttributeNames=["All"], VisibilityTimeout=0
        )["Messages"]
        client.send_message(
            QueueUrl=url(owner, "b.fifo"),
            MessageBody=first["Body"],
            MessageAttributes={ATTRIBUTE: first["MessageAttributes"][ATTRIBUTE]},
            MessageGroupId="other",
            MessageDeduplicationId="other",
        )

    meddling: Any = Meddling(aws, double)
    seen = fan_out(meddling, topic, NAMES, timeout=10)
    assert [(item.queue, item.copies) for item in seen.doubled] == [("b.fifo", 2)]
    assert left(aws, *NAMES) == 0


def test_messages_of_others_are_given_back(aws: Aws, owner: Owner, topic: str) -> None:
    def others() -> None:
        for number in range(3):
            send(owner, url(owner, "a.fifo"), f"theirs-{number}")

    meddling: Any = Meddling(aws, others)
    seen = fan_out(meddling, topic, NAMES, timeout=10)
    assert arrived(seen)["a.fifo"] == ("gate", 1)
    assert seen.arrivals[0].others == 3
    assert sorted(bodies(owner, url(owner, "a.fifo"))) == ["theirs-0", "theirs-1", "theirs-2"]


def test_a_flood_ends_the_wait_without_a_claim(aws: Aws, owner: Owner, topic: str) -> None:
    """A consumer has the probe, and more comes than may be held."""

    def flood() -> None:
        assert owner("sqs").receive_message(QueueUrl=url(owner, "a.fifo"), VisibilityTimeout=600)["Messages"]
        for number in range(12):
            send(owner, url(owner, "a.fifo"), f"theirs-{number}")

    meddling: Any = Meddling(aws, flood)
    (missing,) = fan_out(meddling, topic, NAMES, timeout=10).missing
    assert (missing.queue, missing.others, missing.busy) == ("a.fifo", 10, True)


def test_queues_in_use_are_left_alone(aws: Aws, owner: Owner, topic: str) -> None:
    send(owner, url(owner, "b.fifo"), "theirs")
    waited: list[float] = []
    seen = fan_out(aws, topic, NAMES, timeout=0.8, clock=lambda: float(sum(waited)), sleep=waited.append)
    assert (seen.in_use, seen.arrivals) == (("b.fifo",), ())
    assert waited == pytest.approx([0.2, 0.3, 0.3]), "they were given the time to drain"
    assert left(aws, "a.fifo", "c.fifo") == 0, "nothing was published"


def test_queues_may_drain_first(aws: Aws, owner: Owner, topic: str) -> None:
    send(owner, url(owner, "b.fifo"), "theirs")

    def drain(_: float) -> None:
        client, queue = owner("sqs"), url(owner, "b.fifo")
        (message,) = client.receive_message(QueueUrl=queue)["Messages"]
        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    assert arrived(fan_out(aws, topic, NAMES, timeout=10, sleep=drain)) == dict.fromkeys(NAMES, ("gate", 1))


@pytest.fixture
def polite(owner: Owner, topic: str) -> Iterator[list[str]]:
    """A consumer of one queue that gives probes back and then rests, as the example application's do."""
    over, seen = threading.Event(), list[str]()
    client, queue = owner("sqs"), url(owner, "a.fifo")

    def work() -> None:
        while not over.is_set():
            answer = client.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MessageAttributeNames=["All"])
            for message in answer.get("Messages", []):
                seen.extend(message["MessageAttributes"])
                client.change_message_visibility(
                    QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
                over.wait(1)

    thread = threading.Thread(target=work)
    thread.start()
    yield seen
    over.set()
    thread.join(10)


def test_a_consumer_that_gives_it_back_leaves_it_to_us(aws: Aws, topic: str, polite: list[str]) -> None:
    assert arrived(fan_out(aws, topic, NAMES, timeout=10)) == dict.fromkeys(NAMES, ("gate", 1))
    assert set(polite) <= {ATTRIBUTE}


def test_in_a_consumer_s_hands_it_is_not_seen_and_the_queue_is_busy(
    aws: Aws, owner: Owner, topic: str
) -> None:
    def hold() -> None:
        assert owner("sqs").receive_message(QueueUrl=url(owner, "b.fifo"), VisibilityTimeout=600)["Messages"]

    meddling: Any = Meddling(aws, hold)
    (missing,) = fan_out(meddling, topic, NAMES, timeout=0.1).missing
    assert (missing.queue, missing.busy, missing.in_flight, missing.waiting) == ("b.fifo", True, 1, 0)


def test_what_consumers_rejected_had_arrived_and_is_removed_from_the_dead_letters(
    aws: Aws, owner: Owner, topic: str
) -> None:
    def reject() -> None:
        client, queue = owner("sqs"), url(owner, "b.fifo")
        while client.receive_message(QueueUrl=queue, VisibilityTimeout=0).get("Messages"):
            pass

    meddling: Any = Meddling(aws, reject)
    seen = fan_out(meddling, topic, NAMES, timeout=0.1)
    assert arrived(seen)["b.fifo"] == ("dead letters", 1)
    assert seen.missing == ()
    assert left(aws, *NAMES) == 0


def test_own_copies_go_also_after_a_failure(aws: Aws, topic: str) -> None:
    """One queue cannot be received from: the others' copies, and its own once it can, are removed."""
    broken: Any = Meddling(aws, ReceiveMessage=Broken("sqs:ReceiveMessage: HTTP 500", hint="run again"))
    with pytest.raises(Broken, match="HTTP 500"):
        fan_out(broken, topic, NAMES, timeout=10)
    assert left(aws, *NAMES) == 0


def test_a_queue_that_may_not_be_read_is_no_queue_without_probe(aws: Aws, topic: str) -> None:
    denied: Any = Meddling(aws, GetQueueUrl=Denied("sqs:GetQueueUrl: access denied", hint="allow it"))
    denied.each = lambda ask, things: [_fault(ask, thing) for thing in things]
    with pytest.raises(Denied):
        fan_out(denied, topic, NAMES, timeout=10)
    assert left(aws, *NAMES) == 0, "nothing was published"


def _fault(ask: Callable[[str], Any], thing: str) -> Any:
    try:
        return ask(thing)
    except Denied as fault:
        return fault
