"""Checks of our own, beside the shipped ones: same fixtures, same evidence, same verdict."""

import pytest

from harness.aws.session import Aws
from harness.aws.sqs import QueueState, SqsQueue
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Cause, Unit
from harness.profile import Profile


@pytest.mark.readonly
def test_every_topic_is_declared(aws: Aws, profile: Profile, check: Check) -> None:
    """No FIFO topic of this environment is one that nobody declared."""
    topics = aws.items("sns:ListTopics", "the account's topics", "Topics")
    names = sorted(topic["TopicArn"].rpartition(":")[2] for topic in topics)
    ours = [name for name in names if name.startswith("storefront-") and name.endswith(".fifo")]
    check.snapshot("topics", names)
    check.measure("topics", len(ours), Unit.COUNT)
    if not ours:
        check.skip(
            Cause.ABSENT,
            "the account has no FIFO topic of ours",
            hint="deploy the messaging stack, then run again",
        )
    declared = {topic.id for topic in profile.resources.get("sns.topics", ())}
    forgotten = [name for name in ours if name not in declared]
    assert not forgotten, f"nobody declared {', '.join(forgotten)}"


@pytest.mark.readonly
def test_queue_keeps_up(sqs_queue: SqsQueue, survey: Survey, check: Check) -> None:
    """Fewer than a hundred messages wait in the queue. Runs once for each declared queue."""
    state = survey.state(sqs_queue, QueueState)
    check.measure("waiting_messages", state.visible, Unit.COUNT)
    if state.visible >= 100:
        check.fail(
            f"{sqs_queue.home}: {state.visible} messages wait in it",
            hint="see whether its consumers run, and how long one message takes them",
        )
