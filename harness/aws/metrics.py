"""CloudWatch metrics: the newest value of many metrics at once.

    free, oldest = metrics.latest(
        aws,
        [
            Query("AWS/RDS", "FreeStorageSpace", {"DBInstanceIdentifier": "rds-prod"}, "Minimum"),
            Query("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "orders"}, "Maximum"),
        ],
        within=3600,
    )

Ask once for everything that a kind declares, from its `read`: a call takes 500 metrics. A ``None`` is a metric without
a sample in that time, which proves nothing: a check of it ends as ``inconclusive(nothing_checked)``.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.aws.faults import Broken, Denied
from harness.aws.operations import Operation
from harness.aws.session import Aws, need
from harness.frozen import dataclass

OPERATIONS = (Operation("cloudwatch", "GetMetricData"),)
USES = ("cloudwatch:GetMetricData",)
"""What `latest` asks; part of the `uses` of each kind that calls it."""
_METRICS_A_CALL = 500
_KEY = USES[0]


@dataclass(frozen=True)
class Query:
    """One metric: where it is, and the statistic over each `period` (seconds, a multiple of 60) that is wanted."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str = "Average"
    period: int = 60

    @property
    def home(self) -> str:
        """The metric, for messages: ``AWS/RDS FreeStorageSpace of rds-prod``."""
        return f"{self.namespace} {self.metric} of {', '.join(self.dimensions.values()) or 'the account'}"


@dataclass(frozen=True)
class Sample:
    """A metric's value in its own unit (bytes, seconds, count), and when its period began, in epoch seconds."""

    value: float
    at: float


def latest(
    aws: Aws, queries: Sequence[Query], *, within: float, now: float | None = None
) -> list[Sample | None]:
    """The newest sample of each metric in the last `within` seconds, in the order of `queries`.

    The newest by its time stamp: in which order CloudWatch gives the values is not relied on. 500 metrics a call,
    every page read; nothing is asked where there are no queries.

    Raises:
        Denied: CloudWatch may not be asked, or not about one of the metrics.
        Broken: it has no whole answer about one of them.
        Fault: it could not be asked.
    """
    end = time.time() if now is None else now
    found: list[Sample | None] = []
    for start in range(0, len(queries), _METRICS_A_CALL):
        found += _ask(aws, queries[start : start + _METRICS_A_CALL], end - within, end)
    return found


def _ask(aws: Aws, queries: Sequence[Query], start: float, end: float) -> list[Sample | None]:
    about = queries[0].home + (f" and {len(queries) - 1} more metrics" if len(queries) > 1 else "")
    results = aws.items(
        _KEY,
        about,
        "MetricDataResults",
        MetricDataQueries=[_question(index, query) for index, query in enumerate(queries)],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(end, UTC),
        ScanBy="TimestampDescending",
    )
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:  # the values of one metric may be spread over pages
        parts.setdefault(str(need(result, "Id", _KEY, about)), []).append(result)
    return [
        _newest(parts.get(_id(index), ()), query.home, start - query.period)
        for index, query in enumerate(queries)
    ]


def _id(index: int) -> str:
    return f"m{index}"


def _question(index: int, query: Query) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    return {
        "Id": _id(index),
        "MetricStat": {"Metric": metric, "Period": query.period, "Stat": query.statistic},
        "ReturnData": True,
    }


def _newest(parts: Sequence[Mapping[str, Any]], home: str, oldest: float) -> Sample | None:
    """The newest of one metric's values; those before `oldest` were not asked for."""
    statuses = [str(part.get("StatusCode", "")) for part in parts]
    if "Forbidden" in statuses:
        raise Denied(
            f"{_KEY} on {home}: access denied",
            hint=f"allow {_KEY} to the identity of this gate, for this metric",
        )
    if not statuses or statuses[-1] != "Complete" or "InternalError" in statuses:
        raise Broken(
            f"{_KEY} on {home}: the answer is not complete ({_said(parts) or ', '.join(statuses) or 'no result'})",
            hint="run again; if it stays, see CloudWatch's health page",
        )
    samples = [sample for part in parts for sample in _samples(part, home) if sample.at >= oldest]
    return max(samples, key=lambda sample: sample.at, default=None)


def _samples(part: Mapping[str, Any], home: str) -> Iterable[Sample]:
    times, values = need(part, "Timestamps", _KEY, home), need(part, "Values", _KEY, home)
    if len(times) != len(values):
        raise Broken(
            f"{_KEY} on {home}: {len(values)} values with {len(times)} time stamps",
            hint="what answers is not the service, or not the version that the gate knows",
        )
    return [Sample(float(value), at.timestamp()) for at, value in zip(times, values, strict=True)]


def _said(parts: Iterable[Mapping[str, Any]]) -> str:
    """What CloudWatch says about one metric."""
    return "; ".join(
        f"{message.get('Code', '')}: {message.get('Value', '')}"
        for part in parts
        for message in part.get("Messages", ())
    )
