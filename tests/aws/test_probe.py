"""A probe message through one queue: what comes back, what others lose, and what is left behind."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aws_parts import until_true
from harness.aws import sqs
from harness.aws.probe import ATTRIBUTE, ProbeLost, alone, carry, probe_of
from harness.aws.session import Aws
from harness.aws.sqs import SqsQueue
from harness.model import Outcome
from queue_parts import Owner, bodies, send, work_and_dead

QUEUE = SqsQueue(queue="work.fifo", dead_letter_queue="dead.fifo", max_receives=3, probe=True)


@pytest.fixture
def urls(owner: Owner, credentials: str) -> dict[str, str]:
    """The queue and its dead-letter queue, for real."""
    return work_and_dead(owner, credentials)


@contextmanager
def consumer(owner: Owner, url: str, handle: Callable[[Any, dict[str, Any]], None]) -> Iterator[list[str]]:
    """A worker that reads the queue and handles what it gets; gives the probes it saw."""
    seen: list[str] = []
    over = threading.Event()
    client = owner("sqs")

    def work() -> None:
        while not over.is_set():
            answer = client.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"])
            for message in answer.get("Messages", []):
                seen.extend(message.get("MessageAttributes", {}))
                handle(client, message)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(10)


def test_a_probe_comes_back_and_nothing_is_left(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    carried = carry(aws, QUEUE, timeout=10)
    assert (carried.by, carried.others, carried.dead_lettered) == ("gate", 0, 0)
    assert 0 < carried.seconds < 10
    assert sqs.describe(aws, "work.fifo").messages == 0
    assert sqs.describe(aws, "dead.fifo").messages == 0


def test_a_standard_queue_carries_one_too(aws: Aws, owner: Owner) -> None:
    owner("sqs").create_queue(QueueName="plain")
    assert carry(aws, SqsQueue(queue="plain"), timeout=10).by == "gate"


def test_a_queue_in_use_is_left_alone(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    send(owner, urls["work"], "theirs")
    carried = carry(aws, QUEUE, timeout=0.3)
    assert (carried.by, carried.waiting) == ("nobody", 1)
    attributes = owner("sqs").receive_message(
        QueueUrl=urls["work"], AttributeNames=["ApproximateReceiveCount"]
    )
    assert attributes["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "1", "nobody had received it"


class Meddling:
    """An `Aws` before whose first receive somebody else sends messages, which then come first."""

    def __init__(self, aws: Aws, before: Callable[[], None]) -> None:
        self._aws, self._before, self.received = aws, before, 0

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        if key == "sqs:SendMessage":
            self._before()
        return self._aws.call(key, about, **parameters)


def test_messages_of_others_are_given_back(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    def others() -> None:
        send(owner, urls["work"], "theirs-1")
        send(owner, urls["work"], "theirs-2")

    meddling: Any = Meddling(aws, others)
    carried = carry(meddling, QUEUE, timeout=10)
    assert (carried.by, carried.others) == ("gate", 2)
    assert sorted(bodies(owner, urls["work"])) == ["theirs-1", "theirs-2"], "visible again at once"


def test_a_flood_of_messages_ends_the_probe_without_a_verdict(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    def flood() -> None:
        for number in range(12):
            send(owner, urls["work"], f"theirs-{number}")

    meddling: Any = Meddling(aws, flood)
    carried = carry(meddling, QUEUE, timeout=10)
    assert (carried.by, carried.others) == ("nobody", 10)
    assert sqs.describe(aws, "work.fifo").in_flight == 0


def test_a_consumer_that_takes_the_probe_shows_that_it_was_carried(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    def eat(client: Any, message: dict[str, Any]) -> None:
        client.delete_message(QueueUrl=urls["work"], ReceiptHandle=message["ReceiptHandle"])

    taken: list[str] = []

    def eat_at_once() -> None:
        """Take the probe between its being sent and our first look."""
        (message,) = owner("sqs").receive_message(QueueUrl=urls["work"], MessageAttributeNames=["All"])[
            "Messages"
        ]
        taken.extend(message["MessageAttributes"])
        eat(owner("sqs"), message)

    class Eaten(Meddling):
        def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
            answer = self._aws.call(key, about, **parameters)
            if key == "sqs:SendMessage":
                self._before()
            return answer

    eaten: Any = Eaten(aws, eat_at_once)
    carried = carry(eaten, QUEUE, timeout=20)
    assert taken == [ATTRIBUTE]
    assert (carried.by, carried.dead_lettered) == ("consumer", 0)


def test_a_consumer_that_gives_the_probe_back_leaves_it_to_us(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    def give_back(client: Any, message: dict[str, Any]) -> None:
        client.change_message_visibility(
            QueueUrl=urls["work"], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
        until_true(lambda: not sqs.describe(aws, "work.fifo").messages)

    with consumer(owner, urls["work"], give_back):
        carried = carry(aws, QUEUE, timeout=20)
    assert carried.by == "gate"


def test_a_probe_that_consumers_rejected_is_removed_from_the_dead_letters(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    send(owner, urls["dead"], "a real dead letter")

    def reject() -> None:
        """Receive it as often as the queue allows, and never delete it."""
        client = owner("sqs")

        def receive() -> bool:
            answer = client.receive_message(QueueUrl=urls["work"], VisibilityTimeout=0)
            return not answer.get("Messages")

        until_true(receive)

    class Rejected(Meddling):
        def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
            answer = self._aws.call(key, about, **parameters)
            if key == "sqs:SendMessage":
                self._before()
            return answer

    rejected: Any = Rejected(aws, reject)
    carried = carry(rejected, QUEUE, timeout=20)
    assert (carried.by, carried.dead_lettered) == ("consumer", 1)
    assert bodies(owner, urls["dead"]) == ["a real dead letter"]


def test_a_probe_that_is_held_back_is_lost(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    owner("sqs").create_queue(QueueName="late", Attributes={"DelaySeconds": "900"})
    with pytest.raises(ProbeLost, match="1 are delayed") as caught:
        carry(aws, SqsQueue(queue="late"), timeout=1)
    assert caught.value.outcome is Outcome.FAILED


def test_a_probe_in_a_consumers_hands_at_the_deadline_was_carried(
    aws: Aws, owner: Owner, urls: dict[str, str]
) -> None:
    class Held(Meddling):
        def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
            answer = self._aws.call(key, about, **parameters)
            if key == "sqs:SendMessage":
                self._before()
            return answer

    def hold() -> None:
        assert owner("sqs").receive_message(QueueUrl=urls["work"], VisibilityTimeout=600)["Messages"]

    held: Any = Held(aws, hold)
    assert carry(held, SqsQueue(queue="work.fifo"), timeout=1).by == "consumer"


def test_the_queue_may_drain_first(aws: Aws, owner: Owner, urls: dict[str, str]) -> None:
    send(owner, urls["work"], "theirs")
    waited: list[float] = []

    def drain(seconds: float) -> None:
        waited.append(seconds)
        client = owner("sqs")
        (message,) = client.receive_message(QueueUrl=urls["work"])["Messages"]
        client.delete_message(QueueUrl=urls["work"], ReceiptHandle=message["ReceiptHandle"])

    assert carry(aws, QUEUE, timeout=10, sleep=drain).by == "gate"
    assert len(waited) == 1


@pytest.mark.parametrize(
    ("message", "probe"),
    [
        ({"MessageAttributes": {ATTRIBUTE: {"StringValue": "a"}}, "Body": "x"}, "a"),
        ({"Body": '{"MessageAttributes": {"gonogo-probe": {"Type": "String", "Value": "b"}}}'}, "b"),
        ({"Body": '{"gonogo-probe": "c"}'}, ""),
        ({"Body": "gonogo-probe, they say"}, ""),
        ({"Body": '["gonogo-probe"]'}, ""),
        ({"Body": "theirs"}, ""),
        ({}, ""),
    ],
)
def test_a_probe_is_known_by_its_attribute_wrapped_by_sns_or_not(message: dict[str, Any], probe: str) -> None:
    assert probe_of(message) == probe


def test_two_probes_of_a_run_do_not_meet_on_a_queue(tmp_path: Path) -> None:
    inside, let_go = threading.Event(), threading.Event()

    def other() -> None:
        with alone(tmp_path, "b", "a"):
            inside.set()
            let_go.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    order: list[str] = []

    def second() -> None:
        with alone(tmp_path, "a"):
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with alone(tmp_path, "c"):
        order.append("elsewhere")
    let_go.set()
    thread.join(10)
    waiting.join(10)
    assert order == ["elsewhere", "second"]
