"""What can be wrong with a CloudWatch alarm."""

from typing import Any

from breakages.parts import Breakage, World

CPU = "storefront-staging-high-cpu"
ERRORS = "storefront-staging-high-error-rate"
SLOW = "storefront-staging-slow-responses"


def _state(alarm: str, state: str) -> Any:
    def put(world: World) -> None:
        world.owner("cloudwatch").set_alarm_state(
            AlarmName=alarm, StateValue=state, StateReason="said the test"
        )

    return put


def _redefine(alarm: str, **changes: Any) -> Any:
    """Put the alarm again, with some things changed; its state stays."""

    def put(world: World) -> None:
        cloudwatch = world.owner("cloudwatch")
        (found,) = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        known = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        kept = {key: value for key, value in found.items() if key in known}
        cloudwatch.put_metric_alarm(**{**kept, **changes})

    return put


def _delete(world: World) -> None:
    world.owner("cloudwatch").delete_alarms(AlarmNames=[ERRORS])


def _disable(world: World) -> None:
    world.owner("cloudwatch").disable_alarm_actions(AlarmNames=[ERRORS])


BREAKAGES = (
    Breakage(
        "an alarm is in ALARM before the deploy",
        f"cloudwatch.is_not_in_alarm[{ERRORS}]",
        _state(ERRORS, "ALARM"),
        ("is in ALARM since", "said the test"),
    ),
    Breakage(
        "an alarm is missing",
        f"cloudwatch.is_not_in_alarm[{ERRORS}]",
        _delete,
        ("half deployed", "does not exist"),
        # what is not there has no actions and no definition either
        also=(
            f"cloudwatch.actions_are_enabled[{ERRORS}]",
            f"cloudwatch.has_an_action[{ERRORS}]",
            f"cloudwatch.is_defined_as_declared[{ERRORS}]",
        ),
    ),
    Breakage(
        "an alarm has no data to judge",
        f"cloudwatch.has_data[{CPU}]",
        _state(CPU, "INSUFFICIENT_DATA"),
        ("no data to judge", "said the test"),
    ),
    Breakage(
        "an alarm's actions are disabled",
        f"cloudwatch.actions_are_enabled[{ERRORS}]",
        _disable,
        ("are disabled",),
    ),
    Breakage(
        "an alarm has no action",
        f"cloudwatch.has_an_action[{ERRORS}]",
        _redefine(ERRORS, AlarmActions=[]),
        ("no action for ALARM",),
    ),
    Breakage(
        "an alarm has another limit",
        f"cloudwatch.is_defined_as_declared[{ERRORS}]",
        _redefine(ERRORS, Threshold=50.0),
        ("it fires at > 50, declared > 5 for 5m",),
    ),
    Breakage(
        "an alarm has another window",
        f"cloudwatch.is_defined_as_declared[{SLOW}]",
        _redefine(SLOW, EvaluationPeriods=30, DatapointsToAlarm=30),
        ("it looks at 1800 s, declared 600 s",),
    ),
    Breakage(
        "an alarm watches another metric",
        f"cloudwatch.is_defined_as_declared[{SLOW}]",
        _redefine(SLOW, MetricName="RequestCount"),
        ("its metric is RequestCount, declared TargetResponseTime",),
    ),
)
