"""Each declared SQS queue is what it should be, loses nothing unseen, and carries a message."""

import pytest

from harness.aws import sqs
from harness.aws.probe import Carried, carry
from harness.aws.session import Aws
from harness.aws.sqs import QueueState, SqsQueue
from harness.aws.survey import Survey
from harness.fixtures import Check, SideBySide
from harness.model import Cause, Unit


@pytest.fixture(scope="session")
def probes(request: pytest.FixtureRequest, aws: Aws, settle: float) -> SideBySide[SqsQueue, Carried]:
    """A probe message through each queue that may be sent one, all at once."""
    return SideBySide(request, SqsQueue.fixture, lambda queue: carry(aws, queue, timeout=settle))


def test_is_of_its_kind(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """It is a FIFO or a standard queue as its name says, with the declared visibility time-out."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if problems := sqs.kind_problems(sqs_queue, state):
        check.fail(
            f"{sqs_queue.home}: {'; '.join(problems)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )


@pytest.mark.when("dead_letter_queue")
def test_redrives_to_its_dead_letter_queue(
    sqs_queue: SqsQueue, survey: Survey, aws: Aws, check: Check
) -> None:
    """After the declared number of receives a message goes to the declared queue, which exists."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if problems := sqs.redrive_problems(sqs_queue, state):
        check.fail(
            f"{sqs_queue.home}: {'; '.join(problems)}",
            hint="set the queue's redrive policy: without it a message that cannot be handled is lost or loops",
        )
    sqs.describe(aws, sqs_queue.dead_letter_queue)


@pytest.mark.when("dead_letter_queue")
def test_has_no_dead_letters(sqs_queue: SqsQueue, aws: Aws, check: Check) -> None:
    """No more messages lie in its dead-letter queue than the profile allows."""
    state = sqs.describe(aws, sqs_queue.dead_letter_queue)
    check.snapshot("dead-letter-queue", state)
    check.measure("dead_letters", state.messages, Unit.COUNT)
    if state.messages > sqs_queue.max_dead_letters:
        check.fail(
            f"{state.messages} messages lie in {sqs_queue.dead_letter_queue}, the dead-letter queue of "
            f"{sqs_queue.queue}; allowed are {sqs_queue.max_dead_letters}",
            hint="read them, mend what rejected them, then redrive them to their queue or purge them",
        )


@pytest.mark.destructive
@pytest.mark.when("probe")
def test_carries_a_message(sqs_queue: SqsQueue, probes: SideBySide[SqsQueue, Carried], check: Check) -> None:
    """A probe message is sent, received and deleted; messages of others stay untouched."""
    carried = probes.of(sqs_queue)
    check.snapshot("probe", carried)
    check.fact("probe", carried.id)
    check.fact(
        "received_by", {"gate": "this check", "consumer": "a consumer of the queue"}.get(carried.by, "nobody")
    )
    if carried.by == "nobody":
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{sqs_queue.home} is in use: {max(carried.waiting, carried.others)} messages of others are waiting, and "
            "a probe would have to receive them",
            hint="run again when its consumers have caught up, or leave `probe` out for this queue",
        )
    check.measure("message_latency", carried.seconds, Unit.SECONDS)
