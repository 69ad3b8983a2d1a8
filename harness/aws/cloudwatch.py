"""CloudWatch: the alarms that watch the environment, metric and composite ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.paging import pages
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import rule
from harness.shapes import Field
from harness.threshold import Threshold

OPERATIONS = (
    Operation("cloudwatch", "DescribeAlarms"),
    Operation("cloudwatch", "DescribeAlarmHistory", diagnosis=True),
)
OPERATORS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
"""CloudWatch's names of comparisons with one limit -> how a profile writes them."""
_KEY = "cloudwatch:DescribeAlarms"
_HISTORY = "cloudwatch:DescribeAlarmHistory"
_NAMES_A_CALL = 100
_DEFINED = {
    "namespace",
    "metric",
    "statistic",
    "dimensions",
    "fires",
    "datapoints",
    "missing_data",
    "alarm_rule",
}


class CloudWatchAlarm(AwsResource):
    """``[[cloudwatch.alarms]]``. Of its definition that is judged what the profile sets."""

    fixture: ClassVar[str] = "cloudwatch_alarm"
    uses: ClassVar[tuple[str, ...]] = (_KEY, _HISTORY)
    parity: ClassVar[Mapping[str, str]] = {
        "metrics": "metric",
        "statistics": "statistic",
        "operator": "fires",
        "limit": "fires",
        "window": "fires",
        "actions_enabled": "notifies",
    }

    alarm: str
    allow_insufficient_data: bool = True
    """Whether it may have no data to judge, as after a quiet night."""
    notifies: bool = True
    """Whether it must do something when it fires; false for what only feeds a composite alarm."""
    fires: Annotated[Threshold, rule("metric")] | None = None
    """When it fires, in the metric's own unit: ``> 80 for 15m`` of ``CPUUtilization``, which CloudWatch holds in
    percent. The window is period times evaluation periods."""
    datapoints: int = Field(default=0, ge=0)
    """How many of the window's datapoints must break the rule; 0 for all of them."""
    namespace: str = ""
    metric: str = ""
    """The metric's name; for metric math, the name of one of its metrics, or the expression's id or label."""
    statistic: str = ""
    """``Average``, ``Sum``, ``p95``…"""
    dimensions: dict[str, str] = Field(default_factory=dict)
    """Dimensions that it must have, among others."""
    missing_data: Literal["", "missing", "ignore", "breaching", "notBreaching"] = ""
    """What it takes a period without data for."""
    alarm_rule: str = ""
    """A composite alarm's rule; white space does not count."""

    @property
    def id(self) -> str:
        """The alarm's name."""
        return self.alarm

    @property
    def home(self) -> str:
        """The alarm."""
        return f"CloudWatch alarm {self.alarm}"

    @property
    def needs_data(self) -> bool:
        """Whether it must have data to judge."""
        return not self.allow_insufficient_data

    @property
    def defined(self) -> bool:
        """Whether the profile says anything of its definition."""
        return bool(_DEFINED & self.model_fields_set)

    def arn(self, account: str, region: str) -> str:
        """The alarm's ARN."""
        return f"arn:aws:cloudwatch:{region}:{account}:alarm:{self.alarm}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Its state, and what else the profile declares of it."""
        optional = (
            (self.needs_data, ("cloudwatch.has_data",)),
            (self.notifies, ("cloudwatch.actions_are_enabled", "cloudwatch.has_an_action")),
            (self.defined, ("cloudwatch.is_defined_as_declared",)),
        )
        return (
            "cloudwatch.is_not_in_alarm",
            *(check for wanted, group in optional if wanted for check in group),
        )

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["CloudWatchAlarm"]) -> Read:
        """A hundred names a call, by pages; a missing alarm is in no answer."""
        names = [item.alarm for item in declared]
        batches = [names[start : start + _NAMES_A_CALL] for start in range(0, len(names), _NAMES_A_CALL)]
        found: dict[str, object] = {}
        for batch, answer in zip(
            batches, aws.each(lambda batch: _describe(aws, batch), batches), strict=True
        ):
            found.update(dict.fromkeys(batch, answer) if isinstance(answer, Fault) else answer)
        return found


@dataclass(frozen=True)
class AlarmState:
    """An alarm as CloudWatch describes it.

    `window` is in seconds, 0 where it has none; `limit` is missing where it has no fixed one: a composite alarm or
    anomaly detection. `metrics` are the names that its metric goes by. `dimensions` are ``name=value``.
    """

    name: str
    state: str
    reason: str
    since: str
    actions_enabled: bool
    actions: tuple[str, ...]
    suppressed_by: str = ""
    composite: bool = False
    rule: str = ""
    namespaces: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    operator: str = ""
    limit: float | None = None
    window: int = 0
    periods: int = 0
    datapoints: int = 0
    missing_data: str = ""


CloudWatchAlarm.state_type = AlarmState


def _describe(aws: Aws, names: Sequence[str]) -> dict[str, AlarmState]:
    about = f"{len(names)} alarms" if len(names) > 1 else f"CloudWatch alarm {names[0]}"
    found: dict[str, AlarmState] = {}
    for answer in pages(
        aws, _KEY, about, AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    ):
        if "MetricAlarms" not in answer and "CompositeAlarms" not in answer:
            raise Broken(
                f"{_KEY} on {about}: the answer has neither metric nor composite alarms",
                hint="what answers is not the service, or not the version that the gate knows",
            )
        states = [
            *(_metric_alarm(data) for data in answer.get("MetricAlarms") or ()),
            *(_composite_alarm(data) for data in answer.get("CompositeAlarms") or ()),
        ]
        found.update({state.name: state for state in states})
    return found


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    """What both kinds of alarms have."""
    name = str(need(data, "AlarmName", _KEY, "an alarm"))
    since = data.get("StateTransitionedTimestamp") or data.get("StateUpdatedTimestamp")
    return {
        "name": name,
        "state": str(need(data, "StateValue", _KEY, f"CloudWatch alarm {name}")),
        "reason": str(data.get("StateReason") or ""),
        "since": since.isoformat(timespec="seconds") if since else "",
        "actions_enabled": bool(need(data, "ActionsEnabled", _KEY, f"CloudWatch alarm {name}")),
        "actions": tuple(data.get("AlarmActions") or ()),
    }


def _composite_alarm(data: Mapping[str, Any]) -> AlarmState:
    """`ActionsSuppressedBy` is there while its actions are held back: ``Alarm``, ``WaitPeriod`` or ``ExtensionPeriod``."""
    return AlarmState(
        **_common(data),
        composite=True,
        rule=str(data.get("AlarmRule") or ""),
        suppressed_by=str(data.get("ActionsSuppressor") or "a suppressor")
        if data.get("ActionsSuppressedBy")
        else "",
    )


def _metric_alarm(data: Mapping[str, Any]) -> AlarmState:
    """Its metric stands in the alarm itself, or, for metric math, in `Metrics`, of which one returns the data."""
    queries = data.get("Metrics") or ()
    stats = [query["MetricStat"] for query in queries if query.get("MetricStat")]
    sources = [data, *(stat.get("Metric") or {} for stat in stats)]
    returned = [query for query in queries if query.get("ReturnData", True)]
    period = data.get("Period") or max(
        [int(item.get("Period") or 0) for item in (*returned, *stats)], default=0
    )
    periods = int(data.get("EvaluationPeriods") or 0)
    named = [source.get("MetricName") for source in sources]
    named += [query.get(field) for query in returned for field in ("Id", "Label")]
    statistics = [data.get("ExtendedStatistic"), data.get("Statistic"), *(stat.get("Stat") for stat in stats)]
    limit = data.get("Threshold")
    return AlarmState(
        **_common(data),
        namespaces=_texts(source.get("Namespace") for source in sources),
        metrics=_texts(named),
        statistics=_texts(statistics),
        dimensions=_texts(
            f"{row.get('Name')}={row.get('Value')}"
            for source in sources
            for row in source.get("Dimensions") or ()
        ),
        operator=str(data.get("ComparisonOperator") or ""),
        limit=None if limit is None else float(limit),
        window=int(period) * periods,
        periods=periods,
        datapoints=int(data.get("DatapointsToAlarm") or periods),
        missing_data=str(data.get("TreatMissingData") or "missing"),
    )


def _texts(values: Any) -> tuple[str, ...]:  # noqa: ANN401 - an iterable of what JSON has
    """Those that are there, each once, in their order."""
    return tuple(dict.fromkeys(str(value) for value in values if value))


def definition_problems(alarm: CloudWatchAlarm, state: AlarmState) -> tuple[str, ...]:
    """What of its definition is not as declared."""
    problems = [*_fires_problems(alarm, state)]
    rows: list[tuple[str, str, Sequence[str]]] = [
        ("namespace", alarm.namespace, state.namespaces),
        ("metric", alarm.metric, state.metrics),
        ("statistic", alarm.statistic, state.statistics),
        ("treatment of missing data", alarm.missing_data, (state.missing_data,)),
        *(("dimension", f"{name}={value}", state.dimensions) for name, value in alarm.dimensions.items()),
    ]
    problems += [
        f"its {name} is {', '.join(filter(None, found)) or 'not set'}, declared {wanted}"
        for name, wanted, found in rows
        if wanted and wanted not in found
    ]
    if alarm.alarm_rule and "".join(alarm.alarm_rule.split()) != "".join(state.rule.split()):
        problems.append(f"its rule is {state.rule or 'not set'}, declared {alarm.alarm_rule}")
    return tuple(problems)


def _fires_problems(alarm: CloudWatchAlarm, state: AlarmState) -> Sequence[str]:
    """How when it fires differs from the declared rule."""
    if alarm.fires is None:
        return ()
    wanted = alarm.fires
    if state.limit is None:
        kind = "a composite alarm" if state.composite else "an alarm without a fixed limit"
        return (f"it is {kind}, declared is that it fires at {_rule(wanted)}",)
    problems = []
    operator = OPERATORS.get(state.operator, state.operator)
    if operator != wanted.op or state.limit != float(wanted.limit.value):
        problems.append(f"it fires at {operator} {state.limit:g}, declared {_rule(wanted)}")
    if wanted.window is not None and state.window != wanted.window:
        problems.append(f"it looks at {state.window} s, declared {float(wanted.window):g} s")
    if state.datapoints != (alarm.datapoints or state.periods):
        problems.append(
            f"{state.datapoints} of {state.periods} datapoints make it fire, "
            f"declared {alarm.datapoints or 'all of them'}"
        )
    return problems


def _rule(wanted: Threshold) -> str:
    return wanted.text.removeprefix(wanted.metric).strip()


def history(aws: Aws, alarm: CloudWatchAlarm, *, limit: int = 5) -> tuple[str, ...]:
    """Its newest changes, newest first.

    Raises:
        Fault: they cannot be read.
    """
    answer = aws.call(_HISTORY, alarm.home, AlarmName=alarm.alarm, MaxRecords=limit)
    return tuple(
        f"{row['Timestamp'].isoformat(timespec='seconds') if row.get('Timestamp') else ''} "
        f"{row.get('HistorySummary', '')}"
        for row in need(answer, "AlarmHistoryItems", _HISTORY, alarm.home)[:limit]
    )
