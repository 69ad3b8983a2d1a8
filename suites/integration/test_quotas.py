"""Each declared service quota leaves room for what runs, and for what a deploy adds to it."""

import pytest

from harness.aws import quotas
from harness.aws.quotas import QuotaLimit, QuotaState
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Unit


@pytest.mark.phase("pre-deploy")
def test_leaves_room(quota_limit: QuotaLimit, survey: Survey, check: Check) -> None:
    """The share of the limit that stays free during a deploy meets the rule."""
    state = survey.state(quota_limit, QuotaState)
    check.snapshot("quota", state)
    check.measure("quota_used", state.used, Unit.COUNT)
    check.measure("quota_added", state.adds, Unit.COUNT)
    check.measure("quota_limit", state.limit, Unit.COUNT)
    check.measure("quota_room", state.room, Unit.RATIO)
    check.judge(
        quota_limit.room,
        about=quotas.words(quota_limit, state),
        hint=quotas.how_to_raise(quota_limit, state),
    )
