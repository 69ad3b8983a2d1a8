"""Each declared alarm watches: it is there, quiet, defined as declared, and tells somebody when it fires."""

import pytest

from harness.aws import cloudwatch
from harness.aws.cloudwatch import AlarmState, CloudWatchAlarm
from harness.aws.diagnosis import gather
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience


def test_is_not_in_alarm(cloudwatch_alarm: CloudWatchAlarm, survey: Survey, aws: Aws, check: Check) -> None:
    """The alarm exists and is not in ALARM."""
    state = survey.state(cloudwatch_alarm, AlarmState)
    check.snapshot("alarm", state)
    check.fact("state", state.state)
    check.fact("since", state.since or "unknown")
    if state.state == "ALARM":
        check.diagnose(gather(("alarm history", lambda: cloudwatch.history(aws, cloudwatch_alarm))))
        check.fail(
            f"{cloudwatch_alarm.home} is in ALARM since {state.since or 'an unknown time'}: {state.reason}",
            hint="end what it warns of before anything is deployed: an alarm that is in ALARM already does not change "
            "its state when the deploy makes things worse, so that it triggers nothing, no rollback either",
        )


@pytest.mark.when("needs_data")
def test_has_data(
    cloudwatch_alarm: CloudWatchAlarm, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The alarm has data to judge."""
    state = check.eventually(
        survey.live(aws, cloudwatch_alarm, AlarmState),
        lambda seen: seen.state != "INSUFFICIENT_DATA",
        timeout=patience.left,
    )
    check.snapshot("alarm", state)
    if state.state == "INSUFFICIENT_DATA":
        check.diagnose(gather(("alarm history", lambda: cloudwatch.history(aws, cloudwatch_alarm))))
        check.fail(
            f"{cloudwatch_alarm.home} has no data to judge (INSUFFICIENT_DATA): {state.reason}",
            hint="see whether its metric and dimensions are those that the environment really sends",
        )


@pytest.mark.when("notifies")
def test_actions_are_enabled(cloudwatch_alarm: CloudWatchAlarm, survey: Survey, check: Check) -> None:
    """The alarm's actions are enabled, and nothing holds them back."""
    state = survey.state(cloudwatch_alarm, AlarmState)
    check.snapshot("alarm", state)
    if not state.actions_enabled:
        check.fail(
            f"the actions of {cloudwatch_alarm.home} are disabled: it tells nobody when it fires",
            hint="enable them (aws cloudwatch enable-alarm-actions): they were turned off for some work and forgotten",
        )
    if state.suppressed_by:
        check.fail(
            f"the actions of {cloudwatch_alarm.home} are held back by {state.suppressed_by}",
            hint="end what that alarm stands for, or take it away as the actions suppressor",
        )


@pytest.mark.when("notifies")
def test_has_an_action(cloudwatch_alarm: CloudWatchAlarm, survey: Survey, check: Check) -> None:
    """The alarm does something when it fires."""
    state = survey.state(cloudwatch_alarm, AlarmState)
    check.snapshot("alarm", state)
    check.fact("actions", ", ".join(state.actions) or "none")
    if not state.actions:
        check.fail(
            f"{cloudwatch_alarm.home} has no action for ALARM: it tells nobody when it fires",
            hint="give it an action (an SNS topic, say), or declare `notifies = false` where it only feeds another alarm",
        )


@pytest.mark.when("defined")
def test_is_defined_as_declared(cloudwatch_alarm: CloudWatchAlarm, survey: Survey, check: Check) -> None:
    """The alarm watches the declared metric and fires when declared."""
    state = survey.state(cloudwatch_alarm, AlarmState)
    check.snapshot("alarm", state)
    if problems := cloudwatch.definition_problems(cloudwatch_alarm, state):
        check.fail(
            f"{cloudwatch_alarm.home}: {'; '.join(problems)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )
