from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import cloudwatch
from harness.aws.cloudwatch import AlarmState, CloudWatchAlarm, definition_problems
from harness.aws.faults import Broken, Denied, Fault
from harness.aws.session import Aws
from harness.aws.survey import read_one
from harness.model import Phase
from harness.threshold import Threshold, parse

Owner = Callable[[str], Any]
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-east-1:111122223333:alarms"


def rule(text: str) -> Threshold:
    return parse(text, metric="metric")


def make(owner: Owner, name: str, **settings: Any) -> None:
    wanted = {
        "AlarmName": name,
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "ServiceName", "Value": "api"}],
        "Statistic": "Average",
        "Threshold": 80.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Period": 60,
        "EvaluationPeriods": 15,
        "AlarmActions": [TOPIC],
        **settings,
    }
    owner("cloudwatch").put_metric_alarm(**wanted)


def alarm(**settings: Any) -> CloudWatchAlarm:
    return CloudWatchAlarm(alarm=settings.pop("alarm", "a"), **settings)


GOOD = AlarmState(
    "a", "OK", "", "", True, (TOPIC,),
    namespaces=("AWS/ECS",), metrics=("CPUUtilization",), statistics=("Average",), dimensions=("ServiceName=api",),
    operator="GreaterThanThreshold", limit=80.0, window=900, periods=15, datapoints=15, missing_data="missing",
)  # fmt: skip


def test_the_state_of_a_real_alarm(aws: Aws, owner: Owner) -> None:
    make(owner, "a")
    found = CloudWatchAlarm.read(aws, [alarm(), alarm(alarm="nosuch")])
    assert set(found) == {"a"}
    state = found["a"]
    assert isinstance(state, AlarmState)
    assert datetime.fromisoformat(state.since).tzinfo is not None
    assert replace(state, since="", reason="", state="OK") == GOOD
    assert state.state == "INSUFFICIENT_DATA"
    owner("cloudwatch").set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="hot")
    owner("cloudwatch").disable_alarm_actions(AlarmNames=["a"])
    again = read_one(aws, alarm(), AlarmState)
    assert (again.state, again.reason, again.actions_enabled) == ("ALARM", "hot", False)
    assert any("ALARM" in line for line in cloudwatch.history(aws, alarm()))
    assert len(cloudwatch.history(aws, alarm(), limit=1)) == 1


def test_a_percentile(aws: Aws, owner: Owner) -> None:
    make(owner, "a", Statistic="Average")
    owner("cloudwatch").put_metric_alarm(
        AlarmName="p", Namespace="N", MetricName="M", ExtendedStatistic="p95", Threshold=2, Period=60,
        ComparisonOperator="LessThanThreshold", EvaluationPeriods=2, DatapointsToAlarm=1,
    )  # fmt: skip
    state = read_one(aws, alarm(alarm="p"), AlarmState)
    assert state.statistics[0] == "p95"
    assert (state.periods, state.datapoints, state.window, state.actions) == (2, 1, 120, ())


def test_a_real_composite_alarm(aws: Aws, owner: Owner) -> None:
    make(owner, "a")
    owner("cloudwatch").put_composite_alarm(
        AlarmName="c", AlarmRule='ALARM("a") OR ALARM(a)', AlarmActions=[TOPIC]
    )
    found = CloudWatchAlarm.read(aws, [alarm(), alarm(alarm="c")])
    state = found["c"]
    assert isinstance(state, AlarmState)
    assert (state.composite, state.actions, state.limit) == (True, (TOPIC,), None)
    assert definition_problems(alarm(alarm_rule=' ALARM("a")  OR ALARM(a)'), state) == ()
    assert definition_problems(alarm(alarm_rule="ALARM(b)"), state) == (
        'its rule is ALARM("a") OR ALARM(a), declared ALARM(b)',
    )
    assert definition_problems(alarm(fires=rule("> 5 for 5m")), state) == (
        "it is a composite alarm, declared is that it fires at > 5 for 5m",
    )


def test_hundreds_of_alarms_are_asked_for_a_hundred_names_a_call(aws: Aws, owner: Owner) -> None:
    names = [f"alarm-{number:03}" for number in range(130)]
    for name in names:
        make(owner, name)
    found = CloudWatchAlarm.read(aws, [alarm(alarm=name) for name in names])
    assert sorted(found) == names
    assert aws.calls["cloudwatch:DescribeAlarms"] == 3, "100 names in two pages of 50, and 30 in one"


class Canned:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found = []
        for thing in about:
            try:
                found.append(question(thing))
            except Fault as fault:
                found.append(fault)
        return found


def read(*answers: Any, declared: int = 1) -> Any:
    aws: Any = Canned(*answers)
    return CloudWatchAlarm.read(aws, [alarm(alarm=f"a{n}" if declared > 1 else "a") for n in range(declared)])


def test_a_fault_is_that_of_its_batch() -> None:
    denied = Denied("no", hint="allow it")
    found = read(denied, {"MetricAlarms": []}, declared=101)
    assert set(found) == {f"a{n}" for n in range(100)}
    assert all(item is denied for item in found.values())


@pytest.mark.parametrize("lacks", ["AlarmName", "StateValue", "ActionsEnabled"])
def test_an_answer_with_something_missing_is_an_error(lacks: str) -> None:
    row = {"AlarmName": "a", "StateValue": "OK", "ActionsEnabled": True}
    del row[lacks]
    found = read({"MetricAlarms": [row]})["a"]
    assert isinstance(found, Broken)
    assert lacks in found.message
    assert isinstance(read({})["a"], Broken)


def test_metric_math_and_anomaly_detection() -> None:
    common = {"AlarmName": "a", "StateValue": "OK", "ActionsEnabled": True, "EvaluationPeriods": 5}
    stat = {
        "Metric": {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": [{"Name": "LoadBalancer", "Value": "app/x"}],
        },
        "Period": 60,
        "Stat": "Sum",
    }
    queries = [
        {"Id": "e1", "Expression": "100*m1/m2", "Label": "error_rate", "ReturnData": True},
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
    ]
    row = common | {"Metrics": queries, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"}
    state = read({"MetricAlarms": [row]})["a"]
    assert state.metrics == ("HTTPCode_Target_5XX_Count", "e1", "error_rate")
    assert (state.window, state.statistics, state.dimensions) == (300, ("Sum",), ("LoadBalancer=app/x",))
    wanted = alarm(
        metric="error_rate", namespace="AWS/ApplicationELB", statistic="Sum", fires=rule("> 5 for 5m")
    )
    assert definition_problems(wanted, state) == ()
    band = common | {
        "Metrics": queries,
        "ThresholdMetricId": "e1",
        "ComparisonOperator": "GreaterThanUpperThreshold",
    }
    assert definition_problems(wanted, read({"MetricAlarms": [band]})["a"]) == (
        "it is an alarm without a fixed limit, declared is that it fires at > 5 for 5m",
    )
    assert read({"MetricAlarms": [common]})["a"].window == 0


def test_a_composite_alarm_whose_actions_are_held_back() -> None:
    row = {
        "AlarmName": "a",
        "StateValue": "OK",
        "ActionsEnabled": True,
        "StateTransitionedTimestamp": NOW,
        "ActionsSuppressedBy": "Alarm",
        "ActionsSuppressor": "maintenance",
    }
    state = read({"CompositeAlarms": [row]})["a"]
    assert (state.suppressed_by, state.since) == ("maintenance", "2026-11-01T12:00:00+00:00")
    del row["ActionsSuppressedBy"]
    assert read({"CompositeAlarms": [row]})["a"].suppressed_by == ""


def test_the_definition_at_its_limits() -> None:
    wanted = alarm(fires=rule("> 80 for 15m"))
    assert definition_problems(wanted, GOOD) == ()
    for changed, said in [
        ({"limit": 80.000001}, "it fires at > 80"),
        ({"limit": 79.0}, "it fires at > 79, declared > 80 for 15m"),
        ({"operator": "GreaterThanOrEqualToThreshold"}, "it fires at >= 80"),
        ({"operator": "LessThanThreshold"}, "it fires at < 80"),
        ({"window": 899}, "it looks at 899 s, declared 900 s"),
        ({"window": 901}, "it looks at 901 s"),
        ({"datapoints": 14}, "14 of 15 datapoints make it fire, declared all of them"),
    ]:
        (problem,) = definition_problems(wanted, replace(GOOD, **changed))  # type: ignore[arg-type]
        assert problem.startswith(said)
    assert definition_problems(alarm(fires=rule("> 80")), replace(GOOD, window=60)) == ()
    some = alarm(fires=rule("> 80 for 15m"), datapoints=3)
    assert definition_problems(some, replace(GOOD, datapoints=3)) == ()
    assert len(definition_problems(some, GOOD)) == 1


def test_everything_else_of_the_definition() -> None:
    wanted = alarm(
        namespace="AWS/RDS",
        metric="M",
        statistic="p95",
        missing_data="breaching",
        dimensions={"Service": "web"},
    )
    assert definition_problems(wanted, GOOD) == (
        "its namespace is AWS/ECS, declared AWS/RDS",
        "its metric is CPUUtilization, declared M",
        "its statistic is Average, declared p95",
        "its treatment of missing data is missing, declared breaching",
        "its dimension is ServiceName=api, declared Service=web",
    )
    assert "its metric is not set" in definition_problems(alarm(metric="M"), replace(GOOD, metrics=()))[0]
    same = alarm(metric="CPUUtilization", missing_data="missing", dimensions={"ServiceName": "api"})
    assert definition_problems(same, GOOD) == ()
    assert "its rule is not set" in definition_problems(alarm(alarm_rule="ALARM(b)"), GOOD)[0]


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()

    def mandatory(**settings: Any) -> list[str]:
        names = alarm(**settings).mandatory(profile, Phase.PRE_DEPLOY)
        return [name.removeprefix("cloudwatch.") for name in names]

    assert mandatory() == ["is_not_in_alarm", "actions_are_enabled", "has_an_action"]
    assert mandatory(notifies=False) == ["is_not_in_alarm"]
    assert mandatory(notifies=False, allow_insufficient_data=False) == ["is_not_in_alarm", "has_data"]
    assert mandatory(notifies=False, metric="M") == ["is_not_in_alarm", "is_defined_as_declared"]
    assert alarm().home == "CloudWatch alarm a"
    assert alarm().arn("111122223333", "us-east-1") == "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a"
