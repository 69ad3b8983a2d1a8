"""Rules are read whole or refused with a hint, compared exactly, and shown so that they cannot be misread."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import ExitCode, ThresholdError
from harness.model import Measurement, Unit
from harness.threshold import (
    BaselineRule,
    Quantity,
    applied,
    parse,
    parse_any,
    parse_duration,
    parse_quantity,
    parse_window,
    show,
)

quick = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("30", Fraction(30), Unit.COUNT),
        ("95%", Fraction(19, 20), Unit.RATIO),
        ("0.1 %", Fraction(1, 1000), Unit.RATIO),
        ("250ms", Fraction(1, 4), Unit.SECONDS),
        ("2s", Fraction(2), Unit.SECONDS),
        ("5m", Fraction(300), Unit.SECONDS),
        ("24h", Fraction(86_400), Unit.SECONDS),
        ("7d", Fraction(604_800), Unit.SECONDS),
        ("50/s", Fraction(50), Unit.PER_SECOND),
        ("30/m", Fraction(1, 2), Unit.PER_SECOND),
        ("12B", Fraction(12), Unit.BYTES),
        ("1.5KB", Fraction(1500), Unit.BYTES),
        ("512MB", Fraction(512_000_000), Unit.BYTES),
        ("2GB", Fraction(2_000_000_000), Unit.BYTES),
        ("  2 s  ", Fraction(2), Unit.SECONDS),
    ],
)
def test_quantities_are_exact_in_base_units(text: str, value: Fraction, unit: Unit) -> None:
    assert parse_quantity(text) == Quantity(value, unit)


@pytest.mark.parametrize(
    "text",
    ["", "%", "s", "95 percent", "95%%", "-5%", "+5%", "1e3", "nan", "inf", "1,5s", ".5s", "5.s", "5 kb", "5S", "2 m s",
     "٣s", "1_000", "9" * 19, "9" * 5000, "0." + "1" * 19],
)  # fmt: skip
def test_what_is_no_quantity_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse_quantity(text)
    assert repr(text) in caught.value.message
    assert "ms" in caught.value.hint
    assert "GB" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_durations() -> None:
    assert parse_duration("90s") == 90.0
    assert parse_duration("1.5h") == 5400.0
    with pytest.raises(ThresholdError, match="not a length of time"):
        parse_duration("5")
    with pytest.raises(ThresholdError, match="not a length of time"):
        parse_duration("5%")
    assert parse_duration("36525d") == 36525 * 86400
    for text in ("36525.1d", "99999999999d"):
        with pytest.raises(ThresholdError, match="longer than a century"):
            parse_duration(text)


def test_windows_are_exact_and_never_empty() -> None:
    assert parse_window("100ms") == Fraction(1, 10)
    with pytest.raises(ThresholdError, match="cannot last for 0s"):
        parse_window("0s")
    with pytest.raises(ThresholdError, match="not a length of time"):
        parse_window("5")


@pytest.mark.parametrize(
    ("text", "metric", "op", "limit", "window"),
    [
        ("success_rate >= 95%", "success_rate", ">=", Quantity(Fraction(19, 20), Unit.RATIO), None),
        ("avg_response_time < 2s", "avg_response_time", "<", Quantity(Fraction(2), Unit.SECONDS), None),
        ("error_rate <= 5% for 5m", "error_rate", "<=", Quantity(Fraction(1, 20), Unit.RATIO), Fraction(300)),
        ("rate > 2/s", "rate", ">", Quantity(Fraction(2), Unit.PER_SECOND), None),
        ("zones==3", "zones", "==", Quantity(Fraction(3), Unit.COUNT), None),
        ("p95<5s for 100ms", "p95", "<", Quantity(Fraction(5), Unit.SECONDS), Fraction(1, 10)),
        ("queue.depth <= 0", "queue.depth", "<=", Quantity(Fraction(0), Unit.COUNT), None),
    ],
)
def test_thresholds_are_read(
    text: str, metric: str, op: str, limit: Quantity, window: Fraction | None
) -> None:
    rule = parse(text)
    assert (rule.metric, rule.op, rule.limit, rule.window) == (metric, op, limit, window)
    assert parse(rule.text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "success_rate", ">= 95%", "95%", "success_rate = 95%", "success_rate => 95%", "success_rate != 95%",
     "success_rate >= ", "success_rate >= x", "success_rate >= 95% for", "success_rate >= 95% for 5",
     "success_rate >= 95% for 0m", "success_rate >= 95% for 5 m", "success_rate >= 95% forever", "a b >= 5",
     "Success >= 95%", "1st >= 3", "success_rate >== 95%", "success_rate >= 95% success_rate >= 1%", "p95 < 5s < 6s"],
)  # fmt: skip
def test_what_is_no_threshold_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse(text)
    assert caught.value.hint


def test_a_known_metric_may_be_left_out_but_not_replaced() -> None:
    assert parse(">= 80%", metric="coverage").text == "coverage >= 80%"
    assert parse("coverage >= 80%", metric="coverage") == parse(">=  80%", metric="coverage")
    with pytest.raises(ThresholdError, match="a rule on success_rate, but this key judges coverage"):
        parse("success_rate >= 80%", metric="coverage")
    with pytest.raises(ThresholdError) as caught:
        parse("80%", metric="coverage")
    assert caught.value.hint == "write it as `op limit`, e.g. >= 80%"


def test_white_space_says_nothing() -> None:
    assert parse("  success_rate\t>=\n95%  for  5m ") == parse("success_rate >= 95% for 5m")


# --- Judging ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "value", "held"),
    [
        ("success_rate >= 95%", 0.95, True),
        ("success_rate >= 95%", Fraction(95, 100), True),
        ("success_rate >= 95%", 0.949999999, False),
        ("success_rate >= 95%", Fraction(95, 100) - Fraction(1, 10**30), False),
        ("success_rate > 95%", 0.95, False),
        ("success_rate >= 100%", Fraction(10**9 - 1, 10**9), False),
        ("success_rate >= 100%", 1.0, True),
        ("error_rate <= 5%", 0.05, True),
        ("error_rate <= 0.1%", 0.001, True),
        ("error_rate <= 30%", 0.1 + 0.2, False),
        ("avg < 2s", 2.0, False),
        ("avg < 2s", 1.999999999, True),
        ("avg <= 2s", 2.0, True),
        ("avg < 2000ms", 2.0, False),
        ("zones == 3", 3, True),
        ("zones == 3", 3.0000000001, False),
    ],
)
def test_boundaries_are_exact(rule: str, value: Fraction | float, held: bool) -> None:
    threshold = parse(rule)
    measurement = Measurement.of(threshold.metric, value, threshold.limit.unit, sample=1)
    result = threshold.judge(measurement)
    assert result.held is held
    assert (result.actual, result.limit, result.sample) == (measurement.value, threshold.limit.value, 1)


@pytest.mark.parametrize(
    "measurement",
    [
        None,
        Measurement("success_rate", None, Unit.RATIO, 0),
        Measurement("success_rate", Fraction(1), Unit.RATIO, 0),
        Measurement.of("success_rate", float("nan"), Unit.RATIO, sample=9),
        Measurement.of("success_rate", float("inf"), Unit.RATIO, sample=9),
        Measurement.of("success_rate", float("-inf"), Unit.RATIO, sample=9),
        Measurement.of("success_rate", None, Unit.RATIO, sample=9),
        Measurement.of("success_rate", 1.0, Unit.RATIO, sample=0),
    ],
)
def test_nothing_measured_neither_holds_nor_breaks(measurement: Measurement | None) -> None:
    result = parse("success_rate >= 0%").judge(measurement)
    assert (result.held, result.actual) == (None, None)


def test_other_units_are_never_compared() -> None:
    with pytest.raises(
        ThresholdError, match="the limit is in ratio, success_rate is measured in count"
    ) as caught:
        parse("success_rate >= 95%").judge(Measurement.of("success_rate", 99, sample=1))
    assert caught.value.hint == "write the limit in a unit of count"


# --- Showing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.RATIO, "no data"),
        ("0.95", Unit.RATIO, "95 %"),
        ("0.9525", Unit.RATIO, "95.25 %"),
        ("0.94996", Unit.RATIO, "94.996 %"),
        ("0.949999999", Unit.RATIO, "94.9999999 %"),
        ("0.994999", Unit.RATIO, "99.4999 %"),
        ("5/6", Unit.RATIO, "83.333 %"),
        ("0.123456789", Unit.SECONDS, "123.457 ms"),
        ("2", Unit.SECONDS, "2 s"),
        ("1.999999", Unit.SECONDS, "1.999999 s"),
        ("0", Unit.SECONDS, "0 ms"),
        ("50", Unit.PER_SECOND, "50/s"),
        ("999999", Unit.BYTES, "999999 B"),
        ("1500000", Unit.BYTES, "1.5 MB"),
        ("100", Unit.COUNT, "100"),
        ("-1/3", Unit.COUNT, "-0.333"),
        ("-0.000001", Unit.COUNT, "-0.000001"),
        ("1e15", Unit.COUNT, "1000000000000000"),
    ],
)
def test_values_are_shown_for_people(value: str | None, unit: Unit, text: str) -> None:
    assert show(None if value is None else Fraction(value), unit) == text


def test_what_digits_cannot_tell_is_said_in_words() -> None:
    tiny = Fraction(1, 10**30)
    assert show(Fraction(95, 100) - tiny, Unit.RATIO) == "just below 95 %"
    assert show(Fraction(2) + tiny, Unit.SECONDS) == "just above 2 s"
    third = Fraction(1, 3)
    assert show(third + tiny, Unit.COUNT, beside=third) == "just above 0.333333333333"
    assert show(third - tiny, Unit.COUNT, beside=third) == "just below 0.333333333333"
    assert show(third, Unit.COUNT, beside=third) == "0.333"


values = st.fractions(min_value=-(10**6), max_value=10**6)
short = st.decimals(min_value=-(10**6), max_value=10**6, places=2).map(Fraction)
written = st.decimals(min_value=0, max_value=10**6, places=9).map(Fraction) | st.integers(1, 600).map(
    lambda a_minute: Fraction(a_minute, 60)
)
"""Limits as people write them: up to nine decimals, or so many a minute."""
near = st.fractions(min_value=Fraction(-1, 10), max_value=Fraction(1, 10))
SCALES = {
    Unit.RATIO: Fraction(1, 100),
    Unit.SECONDS: Fraction(1),
    Unit.PER_SECOND: Fraction(1),
    Unit.BYTES: Fraction(10**6),
    Unit.COUNT: Fraction(1),
}


@quick
@given(short, near, st.integers(0, 40), st.sampled_from(Unit))
def test_no_value_reads_like_a_limit_of_two_decimals_that_it_is_not(
    limit: Fraction, distance: Fraction, shrunk: int, unit: Unit
) -> None:
    limit *= SCALES[unit]
    value = limit + distance * SCALES[unit] / 10**shrunk
    assert (show(value, unit) == show(limit, unit)) is (value == limit)


@quick
@given(written, near, st.integers(0, 40), st.sampled_from(Unit))
@example(Fraction(51, 1000000000), Fraction(7, 148144950), 0, Unit.RATIO)
def test_no_value_reads_like_the_limit_it_is_shown_beside(
    limit: Fraction, distance: Fraction, shrunk: int, unit: Unit
) -> None:
    value = limit + distance / 10**shrunk
    shown, rule = show(value, unit, beside=limit), show(limit, unit, beside=limit)
    assert (shown == rule) is (value == limit)


@quick
@given(values, values, st.sampled_from(Unit))
def test_what_is_shown_is_the_number_to_three_decimals_or_better(
    value: Fraction, limit: Fraction, unit: Unit
) -> None:
    number = show(value, unit, beside=limit).removeprefix("just below ").removeprefix("just above ")
    digits = number.rstrip(" %/smMB")
    scales = {" %": Fraction(100), " ms": Fraction(1000), " MB": Fraction(1, 10**6)}
    scale = scales.get(number.removeprefix(digits), Fraction(1))
    assert abs(Fraction(digits) - value * scale) <= Fraction(1, 2000)


@quick
@given(st.integers(0, 10**12), st.integers(0, 10**12), st.sampled_from([">=", "<=", "<", ">", "=="]))
def test_rules_agree_with_arithmetic(limit: int, value: int, op: str) -> None:
    rule = parse(f"depth {op} {limit}")
    expected = {
        ">=": value >= limit, "<=": value <= limit, "<": value < limit, ">": value > limit, "==": value == limit
    }  # fmt: skip
    assert rule.judge(Measurement.of("depth", value, sample=1)).held is expected[op]


@quick
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rule = parse(text)
    except ThresholdError:
        return
    assert parse(rule.text) == rule


# Rules on a baseline


@pytest.mark.parametrize(
    ("text", "metric", "op", "share", "amount"),
    [
        ("p95 <= baseline", "p95", "<=", 0, None),
        ("p95 <= baseline + 10%", "p95", "<=", Fraction(1, 10), None),
        ("p95<=baseline+10%+5ms", "p95", "<=", Fraction(1, 10), Quantity(Fraction(1, 200), Unit.SECONDS)),
        ("p95 < baseline + 5 ms + 0.5 %", "p95", "<", Fraction(1, 200), Quantity(Fraction(1, 200), Unit.SECONDS)),
        ("rate >= baseline - 5/s", "rate", ">=", 0, Quantity(Fraction(-5), Unit.PER_SECOND)),
        (" success_rate  >  baseline -  1% ", "success_rate", ">", Fraction(-1, 100), None),
        ("requests >= baseline - 10", "requests", ">=", 0, Quantity(Fraction(-10), Unit.COUNT)),
    ],
)  # fmt: skip
def test_rules_on_a_baseline(
    text: str, metric: str, op: str, share: Fraction, amount: Quantity | None
) -> None:
    rule = parse_any(text)
    assert isinstance(rule, BaselineRule)
    assert (rule.metric, rule.op, rule.share, rule.amount) == (metric, op, share, amount)
    assert parse_any(rule.text) == rule


def test_a_rule_that_names_no_baseline_is_an_ordinary_one() -> None:
    assert parse_any("p95 < 5s") == parse("p95 < 5s")
    with pytest.raises(ThresholdError, match="is not a quantity"):
        parse_any("p95 < 5 potatoes")
    with pytest.raises(ThresholdError, match="is not a threshold"):
        parse_any("p95")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95 <= basline + 10%", "did you mean `baseline`?"),
        ("p95 <= yesterday", "'yesterday' is neither a number nor `baseline`"),
        ("p95 == baseline", "no two runs measure the same"),
        ("p95 <= baseline + 10% for 5m", "not a window"),
        ("p95 <= baseline 10%", "'10%' is no tolerance"),
        ("p95 <= baseline +", "'+' is no tolerance"),
        ("p95 <= baseline ± 10%", "'± 10%' is no tolerance"),
        ("p95 <= baseline * 2", "'* 2' is no tolerance"),
        ("p95 <= baseline + x", "'x' is not a quantity"),
        ("p95 <= baseline + + 10%", "is no tolerance"),
        ("p95 <= baseline + 10% + 10%", "at most one percentage and one amount"),
        ("p95 <= baseline + 1ms + 1s", "at most one percentage and one amount"),
        ("p95 <= baseline + 10% - 5ms", "with the same sign"),
        ("rate >= baseline - 100%", "100 % below the baseline demands nothing"),
    ],
)
def test_what_is_no_rule_on_a_baseline_is_refused_by_name_and_with_what_is_allowed(
    text: str, said: str
) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse_any(text)
    assert said in caught.value.message
    assert repr(text) in caught.value.message
    assert "baseline" in caught.value.hint or "leave `for" in caught.value.hint


@pytest.mark.parametrize("metric", ["", "coverage"])
def test_no_other_rule_knows_a_baseline(metric: str) -> None:
    with pytest.raises(ThresholdError, match=r"only the thresholds of \[\[gates.load.scenarios\]\] know"):
        parse("coverage >= baseline - 1%", metric=metric)


def test_the_limit_comes_from_the_baselines_measurement() -> None:
    rule = parse_any("p95 <= baseline + 10% + 5ms")
    assert isinstance(rule, BaselineRule)
    before = Measurement.of("baseline_p95", Fraction(1, 10), Unit.SECONDS, sample=9)
    fixed = rule.against(before)
    assert (fixed.text, fixed.op, fixed.limit) == (
        rule.text,
        "<=",
        Quantity(Fraction(115, 1000), Unit.SECONDS),
    )
    assert applied(rule.text, [before]) == fixed
    assert applied("p95 < 5s", []) == parse("p95 < 5s")
    for recorded in ([], [before, before]):
        with pytest.raises(ThresholdError, match=f"{len(recorded)} measurements of the baseline"):
            applied(rule.text, recorded)
    with pytest.raises(ThresholdError, match="the baseline has no p95"):
        rule.against(Measurement.of("baseline_p95", None, Unit.SECONDS, sample=9))
    with pytest.raises(ThresholdError, match="measured in ratio, the tolerance is in seconds") as caught:
        rule.against(Measurement.of("success_rate", 1, Unit.RATIO, sample=9))
    assert "percentage points" in caught.value.hint


@quick
@given(st.fractions(0, 100), st.fractions(0, 1), st.integers(1, 500))
def test_more_tolerance_never_breaks_what_less_keeps(now: Fraction, before: Fraction, percent: int) -> None:
    baseline = Measurement.of("baseline_p95", before, Unit.SECONDS, sample=9)
    seen = Measurement.of("p95", now, Unit.SECONDS, sample=9)
    less, more = (
        applied(f"p95 <= baseline + {each}%", [baseline]).judge(seen).held for each in (percent, percent + 1)
    )
    assert more or not less
    assert less is (now <= before * (1 + Fraction(percent, 100)))


def test_a_tolerance_in_another_unit_than_the_metrics_is_told() -> None:
    rule = parse_any("p95 <= baseline + 5/s")
    assert isinstance(rule, BaselineRule)
    with pytest.raises(ThresholdError, match="measured in seconds, the tolerance is in per_second") as caught:
        rule.require_unit(Unit.SECONDS)
    assert caught.value.hint == "write the tolerance in percent, or in a unit of the metric"
