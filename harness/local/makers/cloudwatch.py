"""Alarms in the emulator. Their metrics get no data here, so they stay in the state that they are put into."""

from collections.abc import Sequence

from harness.aws.cloudwatch import OPERATORS, CloudWatchAlarm
from harness.local.plan import Plan
from harness.local.resources import Emulator

_MINUTE = 60


def make(aws: Emulator, declared: Sequence[CloudWatchAlarm], plan: Plan) -> None:
    """The alarms, with their actions, in OK. Composite alarms come last: they name others."""
    topic = aws.client("sns").create_topic(Name=f"{plan.prefix}-alarms")["TopicArn"]
    for item in sorted(declared, key=lambda alarm: bool(alarm.alarm_rule)):
        actions = [topic] if item.notifies else []
        if item.alarm_rule:
            aws.client("cloudwatch").put_composite_alarm(
                AlarmName=item.alarm, AlarmRule=item.alarm_rule, AlarmActions=actions, ActionsEnabled=True
            )
        else:
            _metric_alarm(aws, item, actions)
            aws.client("cloudwatch").set_alarm_state(
                AlarmName=item.alarm, StateValue="OK", StateReason="nothing is wrong"
            )


def _metric_alarm(aws: Emulator, item: CloudWatchAlarm, actions: list[str]) -> None:
    window = int(item.fires.window) if item.fires and item.fires.window else 5 * _MINUTE
    period = _MINUTE if window % _MINUTE == 0 else window
    operator = item.fires.op if item.fires else ">"
    percentile = item.statistic.startswith("p")
    statistic = (
        {"ExtendedStatistic": item.statistic} if percentile else {"Statistic": item.statistic or "Average"}
    )
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=item.alarm,
        Namespace=item.namespace or "Storefront",
        MetricName=item.metric or item.alarm,
        Dimensions=[{"Name": name, "Value": value} for name, value in item.dimensions.items()],
        Threshold=float(item.fires.limit.value) if item.fires else 1.0,
        ComparisonOperator=next(name for name, short in OPERATORS.items() if short == operator),
        Period=period,
        EvaluationPeriods=window // period,
        DatapointsToAlarm=item.datapoints or window // period,
        TreatMissingData=item.missing_data or "missing",
        AlarmActions=actions,
        ActionsEnabled=True,
        **statistic,
    )
