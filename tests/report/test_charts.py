"""Charts of load runs: whole XML, inside their frame, true to the figures, bounded, and safe with foreign names."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.generator.recorder import Answer, Recorder
from harness.load.metrics import measurements
from harness.load.plan import Plan
from harness.load.result import Judged, Kind, LoadResult
from harness.masking import register
from harness.model import ThresholdResult
from harness.report.charts import Chart, charts
from harness.report.svg import HEIGHT, WIDTH, linear_axis, log_axis, standalone, time_axis
from harness.threshold import parse

MS = 1_000_000
NAMES = ["latency", "rate", "distribution", "starts"]
Request = tuple[int, int, int, Kind | None]
"""When it was due, how late it was sent, how long it took (milliseconds), and how it failed."""


def ran(
    requests: Sequence[Request], *, seconds: float = 6.0, rate: float | None = 40.0, name: str = "api"
) -> LoadResult:
    """A run of exactly these requests."""
    users = None if rate else 5
    recorder = Recorder(Plan("r", name, "http://x/", "", "", seconds, 5.0, 0.04, rate=rate, users=users))
    recorder.open(0)
    for due, lag, took, kind in requests:
        recorder.start(due * MS, (due + lag) * MS)
        recorder.finish(due * MS, (due + lag) * MS, (due + lag + took) * MS, Answer(kind, 200))
    return recorder.result(cpu=0.1)


def even(count: int = 240, took: int = 10) -> list[Request]:
    return [(index * 25, 0, took, None) for index in range(count)]


def judged(result: LoadResult, *rules: str) -> list[ThresholdResult]:
    seen = {measurement.metric: measurement for measurement in measurements(result)}
    return [parse(rule).judge(seen[parse(rule).metric]) for rule in rules]


def drawn(result: LoadResult, *rules: str) -> dict[str, Chart]:
    found = charts(result, judged(result, *rules), "load-0")
    assert [chart.name for chart in found] == NAMES
    return {chart.name: chart for chart in found}


def inside(chart: Chart) -> ET.Element:
    """The drawing, once it is well-formed and nothing in it leaves its frame."""
    root = ET.fromstring(chart.svg)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top, width) == (0, 0, WIDTH)
    for element in root.iter():
        xs = [float(element.attrib[key]) for key in ("x", "cx") if key in element.attrib]
        ys = [float(element.attrib[key]) for key in ("y", "cy") if key in element.attrib]
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", element.get("d", ""))]
        xs, ys = xs + numbers[::2], ys + numbers[1::2]
        if element.tag == "rect":
            xs.append(xs[0] + float(element.attrib["width"]))
            ys.append(ys[0] + float(element.attrib["height"]))
        assert all(-0.1 <= x <= WIDTH + 0.1 for x in xs), ET.tostring(element)
        assert all(-0.1 <= y <= height + 0.1 for y in ys), ET.tostring(element)
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter()}
    assert {root.get("aria-labelledby"), root.get("aria-describedby")} <= ids
    assert root[0].tag == "title"
    assert root[1].tag == "desc"
    assert chart.caption in (root[1].text or "")
    return root


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def words(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def plain(chart: Chart) -> str:
    return chart.caption.replace("\u00a0", " ")


def test_captions_tell_the_figures() -> None:
    requests: list[Request] = [(index * 25, 0, 10 + index, None) for index in range(100)]
    requests += [(2500, 20, 100, Kind.STATUS), (2525, 0, 5000, Kind.TIMEOUT), (2550, 0, 1, Kind.REFUSED)]
    result = ran(requests)
    found = drawn(result, "p95 < 500ms", "avg_response_time < 60ms", "success_rate >= 95%", "rate > 100/s")
    assert plain(found["latency"]) == (
        "Whole run: p50 60 ms, p95 105 ms, p99 109 ms over 101 response times. Windows of 0.5 s; the slowest, from 2.5 s "
        "to 3 s, has p95 5 s over 1 response time. p95 < 500ms holds with 105 ms; avg_response_time < 60ms is "
        "broken with 108.416 ms."
    )
    assert plain(found["rate"]) == (
        "103 of 240 planned requests sent in 6 s. 2 failed, 1 timed out; most from 2.5 s to 3 s, with 3 of 3. "
        "success_rate >= 95% holds with 97.087 %; rate > 100/s is broken with 16.667/s."
    )
    assert plain(found["distribution"]) == (
        "101 response times from 10 ms to 5 s, mean 108.416 ms, p50 60 ms, p95 105 ms, p99 109 ms. "
        "1 of them is a time-out, at the time-out value. 2 other failures are not among them."
    )
    assert plain(found["starts"]) == (
        "From the intended and from the actual start: p50 60 ms and 60 ms, p95 105 ms and 105 ms, p99 109 ms and 109 ms. "
        "Between them lies the wait to be sent: p99 0 ms, 20 ms at most."
    )
    for chart in found.values():
        inside(chart)


def test_a_plain_run() -> None:
    found = drawn(ran(even()), "p95 < 500ms", "p99 < 500ms", "avg_response_time < 2s")
    assert "None failed, none timed out." in found["rate"].caption
    latency = inside(found["latency"])
    assert {"p95 < 500ms, p99 < 500ms", "avg_response_time < 2s"} <= set(words(latency))
    assert len(of_class(latency, "limit")) == 2
    assert {"p50", "p95", "p99", "time since counting began"} <= set(words(latency))
    assert {"planned", "sent", "failed", "timed out", "40/s"} <= set(words(inside(found["rate"])))
    assert {"intended start", "actual start", "99 %"} <= set(words(inside(found["starts"])))


def test_all_equal_times_lie_on_one_level() -> None:
    found = drawn(ran(even()))
    root = inside(found["latency"])
    levels = {circle.get("cy") for circle in of_class(root, "first")} - {None}
    assert len(levels) == 1
    assert 30 < float(levels.pop() or 0) < HEIGHT - 30
    assert len(of_class(inside(found["distribution"]), "block")) == 1


def test_one_window() -> None:
    result = ran([(0, 0, 10, None), (10, 0, 20, None)], seconds=0.05)
    assert len(result.windows.rows) == 1
    found = drawn(result)
    root = inside(found["latency"])
    assert len(root.findall("circle")) == 3
    assert not [
        path for path in of_class(root, "first") if path.tag == "path" and "key" not in path.attrib["class"]
    ]
    for chart in found.values():
        inside(chart)


def test_an_outlier_of_ten_seconds_among_milliseconds_can_be_seen() -> None:
    requests = [(index, 0, 1, None) for index in range(5000)]
    found = drawn(ran([*requests, (5500, 0, 10_000, None)], rate=1000.0))
    bars = [
        (float(bar.attrib["x"]), float(bar.attrib["height"]))
        for bar in of_class(inside(found["distribution"]), "block")
    ]
    assert len(bars) == 2
    assert bars[0][1] > 100
    assert 1 <= bars[1][1] <= 2
    assert bars[1][0] > WIDTH - 50
    assert {"1 ms", "10 ms", "100 ms", "1 s", "10 s"} <= set(words(inside(found["distribution"])))
    assert "p99 1 ms" in plain(found["distribution"])
    assert "to 10 s, mean 2.999 ms" in plain(found["distribution"])
    assert "99.9 %" in words(inside(found["starts"]))


def test_zero_requests_say_so() -> None:
    for rate in (40.0, None):
        found = drawn(ran([], rate=rate))
        for name in ("latency", "distribution", "starts"):
            assert "No data" in words(inside(found[name]))
            assert found[name].caption.startswith("No data: no response has a time.")
        said = words(inside(found["rate"]))
        assert ("No data" in said) is (rate is None)
    assert "0 of 240 planned requests sent" in plain(drawn(ran([]))["rate"])


def test_failures_alone_have_errors_but_no_times() -> None:
    found = drawn(ran([(index * 25, 0, 1, Kind.REFUSED) for index in range(240)]), "p95 < 5s")
    assert "No data" in words(inside(found["latency"]))
    assert len(of_class(inside(found["rate"]), "failed")) > 5
    assert "240 failed, 0 timed out; most from 0 s to 0.5 s, with 20 of 20" in plain(found["rate"])


def test_a_stretch_without_an_answer_is_a_gap() -> None:
    requests = [request for request in even() if not 2000 <= request[0] < 4000]
    root = inside(drawn(ran(requests))["latency"])
    lines = [
        path for path in of_class(root, "first") if path.tag == "path" and "key" not in path.attrib["class"]
    ]
    assert len(lines) == 2


def test_a_closed_loop_has_no_plan_and_no_intended_start() -> None:
    found = drawn(ran(even(), rate=None))
    assert "planned" not in words(inside(found["rate"]))
    assert "a closed loop plans none" in plain(found["rate"])
    assert "intended start" not in words(inside(found["starts"]))
    assert "From the actual one: p50 10 ms, p95 10 ms, p99 10 ms." in plain(found["starts"])


def test_waiting_to_be_sent_shows_between_the_lines() -> None:
    late = [(index * 25, 200, 10, None) for index in range(240)]
    found = drawn(ran(late))
    root = inside(found["starts"])
    heights = {
        kind: re.findall(
            r" ([\d.]+)", next(p.attrib["d"] for p in of_class(root, kind) if "key" not in p.attrib["class"])
        )
        for kind in ("first", "second")
    }
    assert max(map(float, heights["first"])) < min(map(float, heights["second"])) - 50
    assert "p50 210 ms and 10 ms" in plain(found["starts"])
    assert "240 late" in plain(found["rate"])


def test_a_limit_far_away_is_told_and_not_drawn() -> None:
    found = drawn(ran(even(took=1)), "max_response_time < 30s")
    assert not of_class(inside(found["latency"]), "limit")
    assert "max_response_time < 30s holds with 1 ms" in plain(found["latency"])


def test_the_words_of_near_limits_do_not_lie_on_each_other() -> None:
    rules = ("avg_response_time < 2s", "p95 < 3s", "p99 < 4s", "max_response_time < 5s")
    root = inside(drawn(ran(even()), *rules)["latency"])
    labels = of_class(root, "rule")
    assert {label.text for label in labels} == set(rules)
    for index, label in enumerate(labels):
        for other in labels[index + 1 :]:
            apart = abs(float(label.attrib["y"]) - float(other.attrib["y"]))
            assert apart >= 12 or label.attrib["x"] != other.attrib["x"]


def test_a_rule_without_data_and_rules_on_the_rate() -> None:
    found = drawn(ran(even(), seconds=6), "request_rate >= 30/s", "rate > 20/s")
    assert {"request_rate >= 30/s", "rate > 20/s"} <= set(words(inside(found["rate"])))
    empty = drawn(ran([]), "success_rate >= 95%")
    assert "success_rate >= 95% has no data" in plain(empty["rate"])


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", 'a"b&c', "]]>", "\x1b[31mred\x00", "tops3cret-value"]
)
def test_names_are_escaped_and_masked(name: str) -> None:
    register("tops3cret-value")
    result = ran(even(), name=name)
    rules = [replace(rule, threshold=f"p95 < 5s {name}") for rule in judged(result, "p95 < 5s")]
    for chart in charts(result, rules, "load-0"):
        root = inside(chart)
        assert {element.tag for element in root.iter()} <= {
            "svg",
            "title",
            "desc",
            "path",
            "text",
            "circle",
            "rect",
        }
        for text in (chart.svg, chart.caption, standalone(chart.svg)):
            assert "tops3cret" not in text
            assert "\x00" not in text


def test_bounded_however_long_the_run() -> None:
    requests = [
        (index * 36_00, 0, 1 + index * 7919 % 4000, Kind.STATUS if index % 9 == 0 else None)
        for index in range(20_000)
    ]
    found = drawn(ran(requests, seconds=72_000, rate=1 / 3.6), "p95 < 2s")
    assert all(len(chart.svg) < 24_000 for chart in found.values())
    assert {"0 s", "4 h", "20 h"} <= set(words(inside(found["latency"])))


def cut(result: LoadResult, end: int) -> LoadResult:
    """The same run, ended early by its success rate after `end` milliseconds."""
    rule = Judged(
        "success_rate >= 95%", "fail", "evidence", "because", 60, 30, 0.5, 0.4, 0.6, 0.95, 60.0, 5e3
    )
    return replace(result, elapsed=end * MS, due=end // 25, judged=(rule,))


def half(end: int) -> list[Request]:
    return [(due, 0, 10, Kind.STATUS if due % 50 else None) for due in range(0, end, 25)]


def test_a_run_that_ended_early_shows_where() -> None:
    result = cut(ran(half(1500), seconds=60.0), 1500)
    found = drawn(result, "success_rate >= 95%", "p95 < 500ms")
    for name in ("latency", "rate"):
        root = inside(found[name])
        assert plain(found[name]).startswith("Ended after 1.5 s of 60 s, where the upright line is. ")
        (line,) = [path for path in of_class(root, "end") if path.tag == "path"]
        places = [float(x) for x in re.findall(r"([\d.]+) ", line.attrib["d"])]
        assert len(set(places)) == 1
        assert 250 < places[0] < 350  # 1.5 s of the 2.1 s shown
        assert "ended early" in words(root)
        assert "2 s" in words(root)
        assert "30 s" not in words(root)
    bars = [bar for bar in of_class(inside(found["rate"]), "failed") if float(bar.attrib["width"]) > 20]
    assert len(bars) == 3
    assert "of 60 s" not in plain(found["distribution"])


def test_what_is_left_of_an_early_run_after_its_last_window_is_part_of_that() -> None:
    requests = [*half(1500), (1501, 0, 10, None)]
    root = inside(drawn(cut(ran(requests, seconds=60.0), 1502))["rate"])
    heights = {word for word in words(root) if word.endswith("/s")}
    assert max(float(word[:-2]) for word in heights) <= 60  # not the 500/s of one request in 2 ms
    alone = inside(drawn(cut(ran(half(100), seconds=60.0), 100))["rate"])
    assert "ended early" in words(alone)
    for end in (1, 70_000):
        for chart in drawn(cut(ran(half(1500), seconds=60.0), end), "p95 < 1s").values():
            inside(chart)


def test_how_many_failures_the_rules_allow() -> None:
    rules = ("success_rate >= 95%", "error_rate <= 5%", "error_rate < 20%")
    root = inside(drawn(ran(half(6000)), *rules)["rate"])
    assert "failures allowed by success_rate >= 95%, er…" in words(root)
    assert "failures allowed by error_rate < 20%" in words(root)
    lines = [path for path in of_class(root, "most") if "key" not in path.attrib["class"]]
    heights = [float(re.findall(r" ([\d.]+)", line.attrib["d"])[0]) for line in lines]
    foot = max(float(bar.attrib["y"]) + float(bar.attrib["height"]) for bar in of_class(root, "failed"))
    assert len(heights) == 2
    assert (foot - heights[1]) / (foot - heights[0]) == pytest.approx(4, rel=0.1)
    assert not of_class(inside(drawn(ran(half(6000)), "p95 < 1s")["rate"]), "most")


def test_dropped_arrivals_stand_on_what_was_sent() -> None:
    plan = Plan("r", "api", "http://x/", "", "", 1.0, 1.0, 0.04, rate=40.0)
    recorder = Recorder(plan)
    recorder.open(0)
    for index in range(40):
        if index % 4 == 0:
            recorder.drop(index * 25 * MS)
        else:
            recorder.start(index * 25 * MS, index * 25 * MS)
            recorder.finish(index * 25 * MS, index * 25 * MS, (index * 25 + 5) * MS, Answer(None, 200))
    chart = drawn(recorder.result(cpu=0.1))["rate"]
    root = inside(chart)
    assert "dropped" in words(root)
    assert len([bar for bar in of_class(root, "dropped") if float(bar.attrib["width"]) != 12]) > 5
    assert "30 of 40 planned requests sent in 1 s, 10 dropped" in plain(chart)
    assert "dropped" not in words(inside(drawn(ran(even()))["rate"]))


def test_bars_differ_by_more_than_their_colour() -> None:
    requests = [(0, 0, 10, Kind.STATUS), (500, 0, 10, Kind.TIMEOUT)]
    svg = standalone(drawn(ran(requests))["rate"].svg)
    rules = dict(re.findall(r"\.chart \.(\w+) \{([^}]*)\}", svg))
    assert "stroke" not in rules["failed"]
    assert "fill-opacity" in rules["late"]
    assert "stroke-dasharray" in rules["dropped"]


def test_rules_on_percentiles_stand_beside_both_starts() -> None:
    root = inside(drawn(ran(even()), "p95 < 500ms", "avg_response_time < 2s")["starts"])
    assert "p95 < 500ms" in words(root)
    assert "avg_response_time < 2s" not in words(root)


def test_a_file_of_its_own() -> None:
    for chart in charts(ran(even()), (), "load-0"):
        root = ET.fromstring(standalone(chart.svg).encode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        (style,) = root.iter("{http://www.w3.org/2000/svg}style")
        used = set(re.findall(r"var\(--([a-z]+)\)", style.text or ""))
        assert used <= set(re.findall(r"--([a-z]+):", style.text or ""))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 900), st.integers(0, 3000), st.integers(0, 20_000), st.sampled_from([None, *Kind])
        ),
        max_size=30,
    ),
    st.sampled_from([0.01, 0.3, 1.0, 100.0]),
    st.sampled_from([None, 1.0, 50.0]),
)
def test_whatever_was_recorded_can_be_drawn(
    requests: list[Request], seconds: float, rate: float | None
) -> None:
    result = ran(requests, seconds=seconds, rate=rate)
    for chart in drawn(result, "p95 < 2s", "p50 < 1ms", "rate > 1/s", "success_rate > 5%").values():
        inside(chart)


@given(st.lists(st.floats(min_value=1, max_value=1e14), min_size=1, max_size=5))
def test_log_axes_hold_their_values(values: list[float]) -> None:
    axis = log_axis(values, str)
    assert axis.low <= min(values) * 1.000001
    assert axis.high >= max(values) * 0.999999
    assert axis.high / axis.low >= 3.9
    assert 1 <= len(axis.ticks) <= 7
    assert all(0 <= axis.share(value) <= 1 for value, _ in axis.ticks)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: linear_axis([], str), 1.0),
        (lambda: linear_axis([0.0], str), 1.0),
        (lambda: linear_axis([100.0], str), 150.0),
        (lambda: time_axis(6), 6),
        (lambda: time_axis(1e7), 1e7),
    ],
)
def test_axes_from_zero(make: Callable[[], object], expected: float) -> None:
    axis = make()
    assert (axis.low, axis.high) == (0, expected)  # type: ignore[attr-defined]
    assert axis.ticks[0][0] == 0  # type: ignore[attr-defined]
    assert Fraction(axis.ticks[-1][0]) <= expected  # type: ignore[attr-defined]
