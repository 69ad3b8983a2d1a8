"""Quotas that the emulator cannot show, judged by the suite on states as AWS would give them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import codec
from harness.aws.census import Census, Status
from harness.aws.quotas import QuotaLimit, QuotaState
from harness.aws.survey import Survey
from harness.fixtures import Check, Ended
from harness.model import Cause, Outcome
from suite_parts import suite

VCPU = QuotaLimit(name="fargate-vcpu")
Judge = Callable[[QuotaState], Check]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Run the suite's check on a state."""
    module = suite("quotas")

    def run(state: QuotaState) -> Check:
        check = Check("integration.quotas.leaves_room", tmp_path, "integration")
        survey = Survey(Census(Status.PRESENT), {VCPU.fixture: {VCPU.id: codec.dump(state)}})
        module.test_leaves_room(VCPU, survey, check)
        return check

    return run


@pytest.mark.parametrize(("used", "adds"), [(6.0, 2.0), (8.0, 0.0), (0.0, 0.0)])
def test_exactly_enough_room_is_enough(judge: Judge, used: float, adds: float) -> None:
    check = judge(QuotaState("the account", 10.0, used, adds, "L-3032A538"))
    assert [item.metric for item in check.measurements] == [
        "quota_used",
        "quota_added",
        "quota_limit",
        "quota_room",
    ]
    assert check.thresholds[0].held


@pytest.mark.parametrize(
    ("used", "adds", "says"),
    [
        (6.0, 2.25, "6 of 10 vCPU (the account) in use, a deploy adds 2.25: quota_room is 17.5 %"),
        (9.0, 3.0, "9 of 10 vCPU (the account) in use, a deploy adds 3: quota_room is -20 %"),
    ],
)
def test_too_little_room_says_what_is_used_and_how_to_get_more(
    judge: Judge, used: float, adds: float, says: str
) -> None:
    with pytest.raises(Ended) as ended:
        judge(QuotaState("the account", 10.0, used, adds, "L-3032A538"))
    assert ended.value.outcome is Outcome.FAILED
    assert says in ended.value.reason
    assert "Fargate On-Demand vCPU resource count" in ended.value.reason
    assert "request-service-quota-increase --service-code fargate" in ended.value.hint


def test_an_unknown_use_proves_nothing(judge: Judge) -> None:
    with pytest.raises(Ended) as ended:
        judge(QuotaState("the account", 10.0, None, 2.0, "L-3032A538"))
    assert (ended.value.outcome, ended.value.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
