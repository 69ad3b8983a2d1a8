"""Each declared SNS topic delivers to every queue behind it, once, and to nothing that is not there."""

import pytest

from harness.aws import sns
from harness.aws.fan_out import Arrival, FannedOut, fan_out
from harness.aws.faults import Fault
from harness.aws.probe import alone
from harness.aws.session import Aws
from harness.aws.sns import SnsTopic, TopicState
from harness.aws.survey import Survey, read_one
from harness.fixtures import Check, Patience, SideBySide
from harness.gates.context import GateContext
from harness.model import Cause, Unit

_DEPLOY = "deploy the stack that declares it, or correct the profile where the change is meant"


@pytest.fixture(scope="session")
def fan_outs(
    request: pytest.FixtureRequest, aws: Aws, settle: float, context: GateContext
) -> SideBySide[SnsTopic, FannedOut]:
    """A probe message through each topic that may be sent one, all at once."""

    def work(topic: SnsTopic) -> FannedOut:
        arn = topic.arn(aws.identity().account, aws.region)
        with alone(context.work, *topic.probed):
            return fan_out(aws, arn, topic.probed, timeout=settle)

    return SideBySide(request, SnsTopic.fixture, work)


def test_is_of_its_kind(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """It is a FIFO or a standard topic, as its name says."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if state.fifo != sns_topic.fifo:
        check.fail(
            f"{sns_topic.home} is {'a FIFO' if state.fifo else 'a standard'} topic, its name says otherwise",
            hint="a topic's kind cannot be changed: create it anew as what its name says",
        )


@pytest.mark.when("queues")
def test_delivers_to_its_queues(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """Every declared queue is subscribed, and the subscription is confirmed."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    check.measure("declared_queues", len(state.targets), Unit.COUNT)
    if found := sns.not_subscribed(state):
        check.fail(
            f"{sns_topic.home} does not deliver to {', '.join(found)}: no confirmed subscription",
            hint=f"subscribe the queue: what is published meanwhile never reaches it; {_DEPLOY}",
        )


@pytest.mark.when("queues")
def test_may_send_to_its_queues(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """The queues' policies and keys let SNS put the topic's messages into them."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if not any(target.exists or target.fault for target in state.targets):
        check.inconclusive(
            Cause.NOTHING_CHECKED, f"none of the queues behind {sns_topic.home} exists", hint=_DEPLOY
        )
    reasons = [reason for target in state.targets if (reason := sns.barred(target, state.arn))]
    if reasons:
        check.fail(
            f"{sns_topic.home} may not send to its queues: {'; '.join(reasons)}",
            hint="allow sns.amazonaws.com sqs:SendMessage in the queue's policy, on the condition that aws:SourceArn "
            f"is {state.arn}; a queue under a KMS key needs a customer managed one that SNS may use",
        )


@pytest.mark.when("queues")
def test_filters_nothing_out(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """No filter policy keeps messages from a queue that is to get all of them."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if found := sns.filtered(sns_topic, state):
        check.fail(
            f"{sns_topic.home}: a filter policy keeps messages from {', '.join(found)}",
            hint="remove the filter policy, or name the queue in `filtered` of the topic in the profile",
        )


@pytest.mark.when("raw_delivery")
def test_delivers_raw(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """Messages come to the declared queues as they were published, not wrapped into JSON."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if found := sns.not_raw(state):
        check.fail(
            f"{sns_topic.home} wraps what it delivers to {', '.join(found)}: raw delivery is off",
            hint=f"consumers that expect the message itself cannot read it: set RawMessageDelivery; {_DEPLOY}",
        )


def test_has_no_pending_subscription(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """No subscription waits for its confirmation."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    check.measure("pending_subscriptions", state.pending, Unit.COUNT)
    if state.pending:
        check.fail(
            f"{state.pending} subscriptions of {sns_topic.home} wait for their confirmation",
            hint="confirm them, or delete them: nothing is delivered to them, and nobody is told",
        )


def test_has_no_dead_subscription(
    sns_topic: SnsTopic, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """No subscription points at a queue that does not exist."""
    state = check.eventually(
        survey.live(aws, sns_topic, TopicState), lambda seen: not sns.dead(seen), timeout=patience.left
    )
    check.snapshot("topic", state)
    check.measure("subscriptions", len(state.subscriptions), Unit.COUNT)
    if found := sns.dead(state):
        check.fail(
            f"{sns_topic.home} delivers to queues that do not exist: {', '.join(found)}",
            hint="create the queue again, or delete the subscription: what goes there is lost",
        )


@pytest.mark.when("encryption")
def test_is_encrypted_as_declared(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """Messages are encrypted at rest as declared."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if problem := sns.encryption_problem(sns_topic, state):
        check.fail(f"{sns_topic.home}: {problem}", hint=_DEPLOY)


@pytest.mark.when("deduplication")
def test_deduplicates_as_declared(sns_topic: SnsTopic, survey: Survey, check: Check) -> None:
    """It knows a message that was published twice as declared: by its content, or by the id that its publisher gives."""
    state = survey.state(sns_topic, TopicState)
    check.snapshot("topic", state)
    if state.deduplication != sns_topic.deduplication:
        words = {"content": "by content", "id": "by the publisher's id"}
        check.fail(
            f"{sns_topic.home} deduplicates {words.get(state.deduplication, 'not at all')}, declared is "
            f"{words[sns_topic.deduplication or 'id']}",
            hint=f"by id, a publisher that gives none is refused; by content, equal messages are dropped: {_DEPLOY}",
        )


@pytest.mark.destructive
@pytest.mark.when("probe")
def test_reaches_every_queue_once(
    sns_topic: SnsTopic, fan_outs: SideBySide[SnsTopic, FannedOut], aws: Aws, check: Check
) -> None:
    """A probe message that is published once arrives once on every declared queue."""
    seen = fan_outs.of(sns_topic)
    check.snapshot("probe", seen)
    check.fact("probe", seen.id)
    if seen.in_use:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{sns_topic.home}: messages of others are waiting in {', '.join(seen.in_use)}, and a probe would have to "
            "receive them",
            hint="run again when their consumers have caught up, or leave `probe` out for this topic",
        )
    for item in seen.arrivals:
        if item.by != "nobody":
            check.fact(f"arrived on {item.queue}", f"after {item.seconds:.3f} s" if item.seconds else item.by)
    if times := [item.seconds for item in seen.arrivals if item.seconds]:
        check.measure("fan_out_latency", max(times), Unit.SECONDS, sample=len(times))
    if seen.missing:
        _not_everywhere(check, aws, sns_topic, seen.missing)
    if seen.doubled:
        told = ", ".join(f"{item.copies} times on {item.queue}" for item in seen.doubled)
        check.fail(
            f"{sns_topic.home}: what was published once arrived {told}",
            hint="see whether the queue is subscribed twice, perhaps by way of another topic",
        )


def _not_everywhere(check: Check, aws: Aws, topic: SnsTopic, missing: tuple[Arrival, ...]) -> None:
    """End the check: failed where it is known why, or nothing was ever seen; else a consumer may have taken the probe."""
    try:
        state = read_one(aws, topic, TopicState)
        reasons = {item.queue: sns.why_not(topic, state, item.queue) for item in missing}
    except Fault as fault:
        check.diagnose(f"why could not be read: {fault.message}")
        reasons = {item.queue: () for item in missing}
    for item in missing:
        check.diagnose(
            reasons[item.queue] or (f"{item.queue}: subscription, policies and key are as they must be",)
        )
    left = "; ".join(
        f"{item.queue} ({item.waiting} messages are waiting, {item.delayed} are delayed, {item.in_flight} are with "
        f"consumers, {item.others} of others were received)"
        for item in missing
    )
    if all(
        not reasons[item.queue] and item.busy and not item.waiting and not item.delayed for item in missing
    ):
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{topic.home}: consumers were receiving and may have taken the probe on {left}",
            hint="let consumers give back messages with the attribute gonogo-probe, or leave `probe` out",
        )
    check.fail(
        f"{topic.home}: the probe did not arrive in time on {left}",
        hint="see in the diagnosis what keeps it away; a consumer that deletes probes looks the same",
    )
