"""Each declared log group keeps what it must, as long as it must."""

import pytest

from harness.aws import logs
from harness.aws.diagnosis import gather
from harness.aws.logs import GroupState, LogGroup
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, SideBySide
from harness.model import Unit


@pytest.fixture(scope="session")
def recent_events(request: pytest.FixtureRequest, aws: Aws) -> SideBySide[LogGroup, str]:
    """When an event came in that is recent enough, of each group that must have one."""
    return SideBySide(request, LogGroup.fixture, lambda group: logs.recent_event(aws, group))


def test_expires_as_declared(log_group: LogGroup, survey: Survey, check: Check) -> None:
    """The group keeps its events as long as declared; unless declared, not for ever."""
    state = survey.state(log_group, GroupState)
    check.snapshot("log-group", state)
    check.fact("retention", f"{state.retention_days} days" if state.retention_days else "never expires")
    check.measure("stored", state.stored_bytes, Unit.BYTES)
    if problem := logs.retention_problem(log_group, state):
        check.fail(
            f"{log_group.home}: {problem}",
            hint="set its retention policy in the stack that makes it (aws logs put-retention-policy), or declare "
            "`retention_days` where the change is meant",
        )


@pytest.mark.when("kms_key")
def test_is_encrypted_with_a_key(log_group: LogGroup, survey: Survey, check: Check) -> None:
    """A KMS key of the account encrypts the group."""
    state = survey.state(log_group, GroupState)
    check.snapshot("log-group", state)
    if not state.kms_key:
        check.fail(
            f"{log_group.home} is not encrypted with a KMS key",
            hint="associate a key (aws logs associate-kms-key); only events that come in afterwards use it",
        )


@pytest.mark.when("active_within")
def test_has_recent_events(
    log_group: LogGroup, recent_events: SideBySide[LogGroup, str], aws: Aws, check: Check
) -> None:
    """Something wrote to the group not long ago."""
    seen = recent_events.of(log_group)
    check.snapshot("events", {"recent": seen, "active_within": log_group.active_within})
    check.fact("recent_event", seen or "none")
    if not seen:
        check.diagnose(gather(("log streams", lambda: logs.last_event(aws, log_group))))
        check.fail(
            f"{log_group.home} has no event of the last {log_group.active_within:g} s",
            hint="see whether what writes to it runs, and whether its log driver may write",
        )
