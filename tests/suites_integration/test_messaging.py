"""The suites on queues and topics, with states and probes that the emulator does not show of itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness import codec
from harness.aws import survey as surveys
from harness.aws.census import Census, Status
from harness.aws.fan_out import Arrival, FannedOut
from harness.aws.faults import Broken, NotEmulated
from harness.aws.metrics import Sample
from harness.aws.queues import QueueState
from harness.aws.sns import SnsTopic, Subscription, Target, TopicState
from harness.aws.sqs import SqsQueue
from harness.aws.survey import Survey
from harness.fixtures import Check, Ended
from harness.model import Cause, Outcome
from suite_parts import suite

QUEUE = SqsQueue.model_validate({"queue": "q.fifo", "oldest_message": "< 5m", "backlog": "<= 100"})
STATE = QueueState("q.fifo", "u", "arn:aws:sqs:r:1:q.fifo", True, 30, 1, 0, 0)
TOPIC = SnsTopic(topic="t.fifo", queues=["a.fifo", "b.fifo"], probe=True)
ARN, POLICY = "arn:aws:sns:r:1:t.fifo", '{"Statement": {"Effect": "Allow", "Principal": "*"}}'
GOOD = TopicState(
    "t.fifo",
    ARN,
    True,
    "id",
    "",
    0,
    tuple(Subscription("sqs", f"{ARN}:{name}", f"arn:aws:sqs:r:1:{name}") for name in TOPIC.queues),
    tuple(Target(name, f"arn:aws:sqs:r:1:{name}", True, POLICY) for name in TOPIC.queues),
)
HERE = Arrival("a.fifo", "gate", 1, 0.25)
NOBODY: Any = None


def seen(kind: str, id_: str, state: object) -> Survey:
    return Survey(Census(Status.PRESENT), {kind: {id_: codec.dump(state)}})


class Profile:
    """Of a run against the stand-in, or not."""

    def __init__(self, *, stand_in: bool) -> None:
        self.local = type("Local", (), {"stand_in": stand_in})


def judge_age(check: Check, state: QueueState, *, stand_in: bool = False) -> None:
    profile = Profile(stand_in=stand_in)
    suite("sqs").test_oldest_message_is_young(QUEUE, seen("sqs_queue", "q.fifo", state), profile, check)


def test_the_age_of_waiting_messages_is_not_claimed_in_the_stand_in(check: Check) -> None:
    with pytest.raises(NotEmulated, match="publishes no metrics of queues"):
        judge_age(check, STATE, stand_in=True)


def test_the_age_of_waiting_messages_without_a_metric_proves_nothing(check: Check) -> None:
    with pytest.raises(Ended) as caught:
        judge_age(check, STATE)
    assert (caught.value.outcome, caught.value.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert "SQS queue q.fifo: nothing was measured" in caught.value.reason


@pytest.mark.parametrize(("age", "held"), [(299.999, True), (300.0, False)])
def test_an_age_at_its_limit(check: Check, age: float, held: bool) -> None:
    state = replace(STATE, oldest=Sample(age, 0.0))
    if held:
        judge_age(check, state)
        return
    with pytest.raises(Ended, match=r"SQS queue q.fifo: oldest_message is 300 s"):
        judge_age(check, state)


@pytest.mark.parametrize(("waiting", "held"), [(100, True), (101, False)])
def test_a_backlog_at_its_limit(check: Check, waiting: int, held: bool) -> None:
    survey = seen("sqs_queue", "q.fifo", replace(STATE, visible=waiting))
    if held:
        suite("sqs").test_backlog_is_small(QUEUE, survey, check)
        return
    with pytest.raises(Ended, match=r"SQS queue q.fifo: backlog is 101"):
        suite("sqs").test_backlog_is_small(QUEUE, survey, check)


class Done:
    """A probe that has been through."""

    def __init__(self, result: FannedOut) -> None:
        self._result = result

    def of(self, _: object) -> FannedOut:
        return self._result


@pytest.fixture
def judge(check: Check, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended | None]:
    """How a probe is judged, with the topic's state as it is looked up afterwards."""

    def judged(*arrivals: Arrival, state: object = GOOD, in_use: tuple[str, ...] = ()) -> Ended | None:
        def look(*_: object) -> object:
            if isinstance(state, Exception):
                raise state
            return state

        monkeypatch.setattr(surveys, "read_one", look)
        try:
            probe = Done(FannedOut("id", arrivals, in_use))
            suite("sns").test_reaches_every_queue_once(TOPIC, probe, NOBODY, check)
        except Ended as ended:
            return ended
        return None

    return judged


Judge = Callable[..., Ended | None]


def test_once_everywhere_is_right(judge: Judge, check: Check) -> None:
    assert judge(HERE, Arrival("b.fifo", "dead letters", 1)) is None
    assert check.facts["arrived on a.fifo"] == "after 0.250 s"
    assert check.facts["arrived on b.fifo"] == "dead letters"
    (latency,) = check.measurements
    assert (latency.metric, float(latency.value or 0), latency.sample) == ("fan_out_latency", 0.25, 1)


def test_twice_is_wrong(judge: Judge) -> None:
    ended = judge(HERE, Arrival("b.fifo", "gate", 2, 0.1))
    assert ended is not None
    assert (ended.outcome, ended.reason) == (
        Outcome.FAILED,
        "SNS topic t.fifo: what was published once arrived 2 times on b.fifo",
    )


def test_in_use_it_proves_nothing(judge: Judge) -> None:
    ended = judge(in_use=("b.fifo",))
    assert ended is not None
    assert ended.cause is Cause.NOTHING_CHECKED
    assert "waiting in b.fifo" in ended.reason


@pytest.mark.parametrize(
    ("arrival", "state", "outcome", "told"),
    [
        (Arrival("b.fifo", "nobody"), GOOD, Outcome.FAILED, "b.fifo: subscription, policies and key are as"),
        (Arrival("b.fifo", "nobody", busy=True), GOOD, Outcome.INCONCLUSIVE, "b.fifo: subscription"),
        (Arrival("b.fifo", "nobody", busy=True, delayed=1), GOOD, Outcome.FAILED, "b.fifo: subscription"),
        (
            Arrival("b.fifo", "nobody", busy=True),
            replace(GOOD, subscriptions=GOOD.subscriptions[:1]),
            Outcome.FAILED,
            "b.fifo has no confirmed subscription to t.fifo",
        ),
        (
            Arrival("b.fifo", "nobody"),
            Broken("HTTP 500", hint="run again"),
            Outcome.FAILED,
            "why could not be read: HTTP 500",
        ),
    ],
)
def test_where_it_did_not_arrive_is_told_and_why(
    judge: Judge, check: Check, arrival: Arrival, state: object, outcome: Outcome, told: str
) -> None:
    ended = judge(HERE, arrival, state=state)
    assert ended is not None
    assert ended.hint, "it says what to do"
    assert ended.outcome is outcome
    assert "b.fifo" in ended.reason
    assert any(told in line for line in check.notes)


def test_queues_that_are_all_missing_show_nothing_of_their_policies(check: Check) -> None:
    gone = replace(GOOD, targets=tuple(replace(target, exists=False) for target in GOOD.targets))
    with pytest.raises(Ended, match="none of the queues") as caught:
        suite("sns").test_may_send_to_its_queues(TOPIC, seen("sns_topic", "t.fifo", gone), check)
    assert caught.value.outcome is Outcome.INCONCLUSIVE
