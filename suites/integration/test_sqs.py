"""Each declared SQS queue is what it should be, loses nothing unseen, and carries a message."""

import pytest

from harness.aws import sqs
from harness.aws.faults import NotEmulated
from harness.aws.probe import Carried, alone, carry
from harness.aws.session import Aws
from harness.aws.sqs import QueueState, SqsQueue
from harness.aws.survey import Survey
from harness.fixtures import Check, SideBySide
from harness.gates.context import GateContext
from harness.model import Cause, Unit
from harness.profile import Profile
from harness.profile.units import write_duration

_DEPLOY = "deploy the stack that declares it, or correct the profile where the change is meant"


@pytest.fixture(scope="session")
def probes(
    request: pytest.FixtureRequest, aws: Aws, settle: float, context: GateContext
) -> SideBySide[SqsQueue, Carried]:
    """A probe message through each queue that may be sent one, all at once."""

    def work(queue: SqsQueue) -> Carried:
        with alone(context.work, queue.queue):
            return carry(aws, queue, timeout=settle)

    return SideBySide(request, SqsQueue.fixture, work)


def test_is_of_its_kind(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """It is a FIFO or a standard queue, as its name says."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if state.fifo != sqs_queue.fifo:
        check.fail(
            f"{sqs_queue.home} is {'a FIFO' if state.fifo else 'a standard'} queue, its name says otherwise",
            hint="a queue's kind cannot be changed: create it anew as what its name says",
        )


@pytest.mark.when("visibility")
def test_hides_messages_as_long_as_declared(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """A message that was received stays hidden from other consumers for the declared visibility time-out."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    check.measure("visibility_timeout", state.visibility, Unit.SECONDS)
    if sqs_queue.visibility is not None and state.visibility != sqs_queue.visibility:
        check.fail(
            f"{sqs_queue.home}: its visibility time-out is {write_duration(state.visibility)}, declared are "
            f"{write_duration(sqs_queue.visibility)}",
            hint=f"shorter, a message is handled twice; longer, it waits for its next try: {_DEPLOY}",
        )


@pytest.mark.when("retention")
def test_keeps_messages_as_long_as_declared(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """A message that nobody deletes is kept for the declared time."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    check.measure("retention", state.retention, Unit.SECONDS)
    if sqs_queue.retention is not None and state.retention != sqs_queue.retention:
        check.fail(
            f"{sqs_queue.home} keeps messages for {write_duration(state.retention)}, declared are "
            f"{write_duration(sqs_queue.retention)}",
            hint=f"what is older is lost without a trace: {_DEPLOY}",
        )


@pytest.mark.when("encryption")
def test_is_encrypted_as_declared(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """Messages are encrypted at rest, with the declared kind of key."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if problem := sqs.encryption_problem(sqs_queue, state):
        check.fail(f"{sqs_queue.home}: {problem}", hint=_DEPLOY)


@pytest.mark.when("deduplication")
def test_deduplicates_as_declared(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """It knows a message that was sent twice as declared: by its content, or by the id that its sender gives."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if state.deduplication != sqs_queue.deduplication:
        words = {"content": "by content", "id": "by the sender's id"}
        check.fail(
            f"{sqs_queue.home} deduplicates {words.get(state.deduplication, 'not at all')}, declared is "
            f"{words[sqs_queue.deduplication or 'id']}",
            hint=f"by id, a sender that gives none is refused; by content, equal messages are dropped: {_DEPLOY}",
        )


@pytest.mark.when("throughput")
def test_has_the_declared_throughput(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """Its deduplication scope and its limit are those of the declared throughput mode."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if state.throughput != sqs_queue.throughput:
        check.fail(
            f"{sqs_queue.home} has {state.throughput or 'no FIFO'} throughput, declared is {sqs_queue.throughput}",
            hint="high throughput is DeduplicationScope messageGroup with FifoThroughputLimit perMessageGroupId",
        )


def test_is_not_open_to_everybody(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """No statement of its policy lets anyone at all do something with it."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if found := sqs.open_statements(state):
        check.fail(
            f"{sqs_queue.home}: in its policy {'; '.join(found)}",
            hint='name the principals instead of "*", or add a condition such as aws:SourceArn',
        )


@pytest.mark.when("dead_letter_queue")
def test_redrives_to_its_dead_letter_queue(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """After the declared number of receives a message goes to the declared queue."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    if problems := sqs.redrive_problems(sqs_queue, state):
        check.fail(
            f"{sqs_queue.home}: {'; '.join(problems)}",
            hint="set the queue's redrive policy: without it a message that cannot be handled is lost or loops",
        )


@pytest.mark.when("dead_letter_queue")
def test_dead_letters_are_kept_as_long(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """Its dead-letter queue exists and keeps messages at least as long as the queue itself."""
    state = survey.state(sqs_queue, QueueState)
    dead = sqs.dead_letters(sqs_queue, state)
    check.snapshot("dead-letter-queue", dead)
    check.measure("retention", state.retention, Unit.SECONDS)
    check.measure("dead_letter_retention", dead.retention, Unit.SECONDS)
    if dead.retention < state.retention:
        check.fail(
            f"{dead.queue}, the dead-letter queue of {sqs_queue.queue}, keeps messages for "
            f"{write_duration(dead.retention)}, the queue itself for {write_duration(state.retention)}",
            hint="a standard queue's dead letters keep their age: they may expire on arrival. Keep them longer",
        )


@pytest.mark.when("dead_letter_queue")
def test_has_no_dead_letters(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """No more messages lie in its dead-letter queue than the profile allows."""
    dead = sqs.dead_letters(sqs_queue, survey.state(sqs_queue, QueueState))
    check.snapshot("dead-letter-queue", dead)
    check.measure("dead_letters", dead.messages, Unit.COUNT)
    if dead.messages > sqs_queue.max_dead_letters:
        check.fail(
            f"{dead.messages} messages lie in {dead.queue}, the dead-letter queue of {sqs_queue.queue}; "
            f"allowed are {sqs_queue.max_dead_letters}",
            hint="read them, mend what rejected them, then redrive them to their queue or purge them",
        )


@pytest.mark.when("backlog")
def test_backlog_is_small(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """No more messages wait to be received than the profile's rule allows."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    check.measure("backlog", state.visible, Unit.COUNT)
    check.measure("in_flight", state.in_flight, Unit.COUNT)
    if sqs_queue.backlog is not None:
        check.judge(
            sqs_queue.backlog,
            about=sqs_queue.home,
            hint="see whether its consumers run and keep up; a release on top of a backlog waits behind it",
        )


@pytest.mark.when("oldest_message")
def test_oldest_message_is_young(sqs_queue: SqsQueue, survey: Survey, profile: Profile, check: Check) -> None:
    """Its oldest message is younger than the profile's rule demands."""
    state = survey.state(sqs_queue, QueueState)
    check.snapshot("queue", state)
    age, source = sqs.oldest_message(state)
    if age is None and profile.local.stand_in:
        raise NotEmulated(
            f"{sqs_queue.home} holds {state.messages} messages, and the stand-in publishes no metrics of queues",
            hint="nothing is claimed about their age here; a run against AWS proves it",
        )
    check.fact("taken_from", source or "nothing")
    check.measure("oldest_message", age, Unit.SECONDS)
    if sqs_queue.oldest_message is not None:
        check.judge(
            sqs_queue.oldest_message,
            about=sqs_queue.home,
            hint="see whether its consumers run, and whether one message fails again and again",
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
