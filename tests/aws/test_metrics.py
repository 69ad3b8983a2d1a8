"""CloudWatch metrics: the emulator's answers, and real-shape ones for what it does not do."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import metrics
from harness.aws.faults import Broken, Denied
from harness.aws.metrics import Query, Sample
from harness.aws.session import Aws

Owner = Callable[[str], Any]
STORAGE = Query("AWS/RDS", "FreeStorageSpace", {"DBInstanceIdentifier": "db"}, "Minimum")
NOW = 1_800_000_000.0


class Canned:
    """Answers `items` page by page, as CloudWatch does; remembers what was asked."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self.results = list(results)
        self.asked: list[dict[str, Any]] = []

    def items(self, key: str, about: str, field: str, **parameters: Any) -> list[Any]:
        assert (key, field) == ("cloudwatch:GetMetricData", "MetricDataResults")
        self.asked.append({"about": about, **parameters})
        if self.results:
            return self.results
        return [result(query["Id"]) for query in parameters["MetricDataQueries"]]


def result(id_: str, *samples: tuple[float, float], status: str = "Complete", **more: Any) -> dict[str, Any]:
    return {
        "Id": id_,
        "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in samples],
        "Values": [value for _, value in samples],
        "StatusCode": status,
        **more,
    }


def latest(*results: dict[str, Any], queries: int = 1) -> list[Sample | None]:
    canned: Any = Canned(*results)
    return metrics.latest(canned, [STORAGE] * queries, within=600, now=NOW)


def test_the_newest_of_each_in_the_order_of_the_questions(aws: Aws, owner: Owner) -> None:
    now = time.time() // 60 * 60

    def data(metric: str, name: str, value: float, ago: float) -> dict[str, Any]:
        return {
            "MetricName": metric,
            "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}],
            "Timestamp": datetime.fromtimestamp(now - ago, UTC),
            "Value": value,
        }

    owner("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            data("FreeStorageSpace", "db", 7.0, 60),
            data("FreeStorageSpace", "db", 9.0, 300),
            data("DatabaseConnections", "db", 12.0, 120),
            data("FreeStorageSpace", "old", 1.0, 7200),
        ],
    )
    other = Query("AWS/RDS", "DatabaseConnections", {"DBInstanceIdentifier": "db"}, "Maximum")
    old = Query("AWS/RDS", "FreeStorageSpace", {"DBInstanceIdentifier": "old"}, "Minimum")
    assert metrics.latest(aws, [other, old, STORAGE], within=900) == [
        Sample(12.0, now - 120),
        None,
        Sample(7.0, now - 60),
    ]
    assert aws.calls["cloudwatch:GetMetricData"] == 1


def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    canned: Any = Canned()
    assert metrics.latest(canned, [], within=600) == []
    assert canned.asked == []


def test_five_hundred_a_call() -> None:
    canned: Any = Canned()
    queries = [Query("AWS/SQS", "Age", {"QueueName": f"q{index}"}) for index in range(1001)]
    assert metrics.latest(canned, queries, within=600, now=NOW) == [None] * 1001
    assert [len(asked["MetricDataQueries"]) for asked in canned.asked] == [500, 500, 1]
    assert canned.asked[0]["about"] == "AWS/SQS Age of q0 and 499 more metrics"
    assert canned.asked[2]["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"] == [
        {"Name": "QueueName", "Value": "q1000"}
    ]
    assert canned.asked[0]["StartTime"] == datetime.fromtimestamp(NOW - 600, UTC)
    assert canned.asked[0]["EndTime"] == datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize("turned", [False, True])
def test_the_time_stamp_tells_which_is_newest_and_pages_are_put_together(*, turned: bool) -> None:
    pages = [
        result("m0", (NOW - 300, 3.0), status="PartialData"),
        result("m1", (NOW - 60, 1.0), (NOW - 120, 2.0)),
        result("m0", (NOW - 60, 5.0), (NOW - 180, 4.0)),
    ]
    if turned:
        pages[1] = result("m1", (NOW - 120, 2.0), (NOW - 60, 1.0))
        pages[2] = result("m0", (NOW - 180, 4.0), (NOW - 60, 5.0))
    assert latest(*pages, queries=2) == [Sample(5.0, NOW - 60), Sample(1.0, NOW - 60)]


def test_what_is_older_than_asked_for_is_no_sample() -> None:
    assert latest(result("m0", (NOW - 661, 1.0))) == [None]
    assert latest(result("m0", (NOW - 660, 1.0))) == [Sample(1.0, NOW - 660)]  # its period is within


def test_a_metric_that_may_not_be_read() -> None:
    with pytest.raises(Denied, match="cloudwatch:GetMetricData on AWS/RDS FreeStorageSpace of db"):
        latest(result("m0", status="Forbidden"))


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ((result("m1", (NOW, 1.0)),), "not complete \\(no result\\)"),
        ((result("m0", (NOW, 1.0), status="PartialData"),), "not complete \\(PartialData\\)"),
        ((result("m0", status=""),), "not complete"),
        (
            (result("m0", status="InternalError", Messages=[{"Code": "Odd", "Value": "try again"}]),),
            "not complete \\(Odd: try again\\)",
        ),
        (({**result("m0", (NOW, 1.0)), "Values": [1.0, 2.0]},), "2 values with 1 time stamps"),
        (({"Id": "m0", "StatusCode": "Complete"},), "no Timestamps"),
        (({"StatusCode": "Complete"},), "no Id"),
    ],
)
def test_half_an_answer_is_none(results: tuple[dict[str, Any], ...], reason: str) -> None:
    with pytest.raises(Broken, match=reason):
        latest(*results)


def test_the_account_has_metrics_too() -> None:
    assert Query("AWS/Usage", "CallCount", {}).home == "AWS/Usage CallCount of the account"
