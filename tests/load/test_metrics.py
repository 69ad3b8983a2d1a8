import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ThresholdError
from harness.load.metrics import METRICS, latency_limit, measurements, require_judgeable
from harness.load.result import Kind
from harness.model import Unit
from harness.threshold import parse, parse_any


def by_name(result: Any) -> dict[str, Any]:
    return {found.metric: found for found in measurements(result)}


def test_exact(make_result: Any) -> None:
    found = by_name(make_result(failures={Kind.STATUS: 3, Kind.TIMEOUT: 2}))
    assert found["requests"].value == 100
    assert found["success_rate"].value == Fraction(95, 100)
    assert found["error_rate"].value == Fraction(5, 100)
    assert found["success_rate"].sample == 100
    for name in ("avg_response_time", "p50", "p90", "p95", "p99", "max_response_time"):
        assert (found[name].value, found[name].unit, found[name].sample) == (
            Fraction(1, 100),
            Unit.SECONDS,
            97,
        )
    assert (found["rate"].value, found["request_rate"].value) == (95, 100)


def test_no_request_has_no_metric(make_result: Any) -> None:
    found = by_name(make_result(sent=0))
    assert all(item.value is None for item in found.values())
    for text in ("success_rate >= 0%", "error_rate <= 100%", "rate >= 0/s", "p95 < 9h", "requests >= 0"):
        rule = parse(text)
        assert rule.judge(found[rule.metric]).held is None


def test_failures_alone_have_no_response_time(make_result: Any) -> None:
    found = by_name(make_result(failures={Kind.REFUSED: 100}))
    assert found["success_rate"].value == 0
    assert found["avg_response_time"].value is None
    assert found["rate"].value == 0
    assert found["request_rate"].value == 100


@pytest.mark.parametrize(
    "text",
    [
        "success_rate >= 95%",
        "error_rate < 1%",
        "avg_response_time < 2s",
        "p99 < 500ms",
        "rate > 2/s",
        "requests >= 10",
    ],
)
def test_judgeable(text: str) -> None:
    require_judgeable([parse(text)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("succes_rate >= 95%", "did you mean 'success_rate'"),
        ("coverage >= 80%", "success_rate, error_rate"),
        ("success_rate >= 95", "percent"),
        ("p95 < 5", "seconds"),
        ("rate > 2s", "a rate"),
        ("requests > 2MB", "bytes"),
        ("error_rate <= 5% for 5m", "leave `for"),
    ],
)
def test_not_judgeable(text: str, said: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        require_judgeable([parse(text)])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("succes_rate >= baseline", "did you mean 'success_rate'"),
        ("success_rate >= baseline - 5ms", "percentage points"),
        ("p95 <= baseline + 5/s", "measured in seconds, the tolerance is in per_second"),
        ("p95 >= baseline - 10%", "would let every regression pass: p95 gets worse as it grows"),
        ("error_rate > baseline", "write error_rate <= baseline"),
        ("rate <= baseline + 10%", "rate gets worse as it falls"),
    ],
)
def test_rules_on_a_baseline_that_cannot_be_judged(text: str, said: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        require_judgeable([parse_any(text)])
    assert said in str(caught.value)


def test_rules_on_a_baseline() -> None:
    require_judgeable([parse_any("p95 <= baseline + 10% + 5ms"), parse_any("success_rate >= baseline - 1%")])


def test_the_shortest_limit() -> None:
    assert latency_limit([parse_any("p95 <= baseline + 5ms"), parse("p95 < 5s")]) == 5
    assert latency_limit([parse("p95 < 5s"), parse("avg_response_time < 2s"), parse("rate > 1/s")]) == 2
    assert latency_limit([parse("success_rate > 1%")]) is None


def test_the_page_defines_every_metric_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    section = page.split("### The metrics")[1].split("\n### ")[0]
    defined = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|[^|]*\|$", section, re.MULTILINE))
    written = {Unit.COUNT: "plain number", Unit.RATIO: "%", Unit.SECONDS: "time", Unit.PER_SECOND: "/s"}
    assert defined == {name: written[metric.unit] for name, metric in METRICS.items()}
