"""Thresholds: ``metric op limit [for window]``, parsed once and compared exactly.

    success_rate >= 95%        avg_response_time < 2s        error_rate <= 5% for 5m        rate > 2/s

A load scenario's rules may name a baseline in place of a limit, the same metric of an earlier run:

    p95 <= baseline + 10%      p95 <= baseline + 10% + 5ms   success_rate >= baseline - 1%

Nothing is rounded before comparing: limits and measurements are fractions in base units. Pure functions, no I/O.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from operator import eq, ge, gt, le, lt

from harness.errors import ThresholdError
from harness.frozen import dataclass
from harness.model import Measurement, ThresholdResult, Unit

_UNITS: dict[str, tuple[Unit, Fraction]] = {
    "": (Unit.COUNT, Fraction(1)),
    "%": (Unit.RATIO, Fraction(1, 100)),
    "ms": (Unit.SECONDS, Fraction(1, 1000)),
    "s": (Unit.SECONDS, Fraction(1)),
    "m": (Unit.SECONDS, Fraction(60)),
    "h": (Unit.SECONDS, Fraction(3600)),
    "d": (Unit.SECONDS, Fraction(86400)),
    "/s": (Unit.PER_SECOND, Fraction(1)),
    "/m": (Unit.PER_SECOND, Fraction(1, 60)),
    "B": (Unit.BYTES, Fraction(1)),
    "KB": (Unit.BYTES, Fraction(1000)),
    "MB": (Unit.BYTES, Fraction(1000) ** 2),
    "GB": (Unit.BYTES, Fraction(1000) ** 3),
}
_OPERATORS = {">=": ge, "<=": le, "<": lt, ">": gt, "==": eq}
_QUANTITY = re.compile(r"(?P<number>\d{1,18}(?:\.\d{1,18})?)\s*(?P<unit>%|/s|/m|[A-Za-z]*)", re.ASCII)
_THRESHOLD = re.compile(
    r"(?:(?P<metric>[a-z][a-z0-9_.]*)\s*)?(?P<op>>=|<=|==|<|>)\s*(?P<limit>[^\s].*?)(?:\s+for\s+(?P<window>\S+))?",
    re.ASCII,
)
_BASELINE = re.compile(
    r"(?P<metric>[a-z][a-z0-9_.]*)\s*(?P<op>>=|<=|==|<|>)\s*(?P<word>[A-Za-z_]+)(?P<tolerance>.*)", re.ASCII
)
_TERMS = re.compile(r"(?:\s*[+-]\s*[^\s+-][^+-]*)*")
_TERM = re.compile(r"(?P<sign>[+-])\s*(?P<quantity>[^+-]+)")
BASELINE = "baseline"
_ALLOWED = (
    "write `metric op baseline`, then a percentage, an amount in the metric's unit, or both with the same sign: "
    "p95 <= baseline + 10% + 5ms, success_rate >= baseline - 1%"
)


@dataclass(frozen=True)
class Quantity:
    """An exact number in a base unit: ``95%`` is 19/20 as a ratio, ``2s`` is 2 seconds."""

    value: Fraction
    unit: Unit


@dataclass(frozen=True)
class Threshold:
    """A rule on a metric, e.g. ``avg_response_time < 2s``. `window` is in seconds, for rules that must last."""

    text: str
    metric: str
    op: str
    limit: Quantity
    window: Fraction | None = None

    def judge(self, measurement: Measurement | None) -> ThresholdResult:
        """Compare exactly. Nothing measured is neither held nor broken, so `held` is ``None``.

        Raises:
            ThresholdError: the measurement is in another unit than the limit; comparing would mean nothing.
        """
        if measurement is None or measurement.value is None or measurement.sample <= 0:
            sample = measurement.sample if measurement else 0
            return ThresholdResult(
                self.text, self.metric, None, self.limit.value, self.limit.unit, sample, None
            )
        if measurement.unit is not self.limit.unit:
            raise ThresholdError(
                f"threshold {self.text!r}: the limit is in {self.limit.unit.name.lower()}, "
                f"{self.metric} is measured in {measurement.unit.name.lower()}",
                hint=f"write the limit in a unit of {measurement.unit.name.lower()}",
            )
        held = bool(_OPERATORS[self.op](measurement.value, self.limit.value))
        return ThresholdResult(
            self.text,
            self.metric,
            measurement.value,
            self.limit.value,
            self.limit.unit,
            measurement.sample,
            held,
        )


@dataclass(frozen=True)
class BaselineRule:
    """A rule whose limit is the same metric of an earlier run, give or take: ``p95 <= baseline + 10% + 5ms``.

    `share` is the percentage as a signed ratio, `amount` the signed number in the metric's unit.
    """

    text: str
    metric: str
    op: str
    share: Fraction = Fraction(0)
    amount: Quantity | None = None

    def against(self, baseline: Measurement) -> Threshold:
        """The rule with its limit worked out from the baseline's measurement, which may go by any name.

        A percentage is a share of the baseline, but percentage points where the metric is itself a ratio: ``- 1%`` of
        a success rate of 99 % gives 98 %.

        Raises:
            ThresholdError: there is nothing to work it out from, or the tolerance is in another unit.
        """
        if baseline.value is None or baseline.sample <= 0:
            raise ThresholdError(
                f"threshold {self.text!r}: the baseline has no {self.metric}",
                hint="nothing can be compared with nothing; run again for a new baseline",
            )
        self.require_unit(baseline.unit)
        of = Fraction(1) if baseline.unit is Unit.RATIO else baseline.value
        limit = baseline.value + self.share * of + (self.amount.value if self.amount else 0)
        return Threshold(self.text, self.metric, self.op, Quantity(limit, baseline.unit))

    def require_unit(self, unit: Unit) -> None:
        """The tolerance can be applied to a metric in `unit`.

        Raises:
            ThresholdError: it cannot.
        """
        if self.amount is not None and self.amount.unit is not unit:
            hint = "write the tolerance in percent, or in a unit of the metric"
            if unit is Unit.RATIO:
                hint = "write the tolerance in percentage points, such as 1%"
            raise ThresholdError(
                f"threshold {self.text!r}: {self.metric} is measured in {unit.name.lower()}, "
                f"the tolerance is in {self.amount.unit.name.lower()}",
                hint=hint,
            )


AnyRule = Threshold | BaselineRule
"""What a load scenario may hold its figures to."""


def parse_quantity(text: str) -> Quantity:
    """Read ``95%``, ``2s``, ``50/s``, ``1.5GB``, ``30``.

    Raises:
        ThresholdError: not a number with one of the known units.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["unit"] not in _UNITS:
        raise ThresholdError(
            f"{text!r} is not a quantity",
            hint=f"write a number and one of the units {_known_units()}, e.g. 95% or 2s",
        )
    unit, factor = _UNITS[match["unit"]]
    return Quantity(Fraction(match["number"]) * factor, unit)


CENTURY = 36525 * 86400
"""The longest length of time, in seconds."""


def parse_duration(text: str) -> float:
    """Read a length of time such as ``5m`` in seconds; what is no time, or more than a century, is a `ThresholdError`.

    Beyond a century a moment that much later has no date that can be written.
    """
    quantity = parse_quantity(text)
    if quantity.unit is not Unit.SECONDS:
        raise ThresholdError(
            f"{text!r} is not a length of time", hint="write it with a unit: 500ms, 30s, 5m, 24h, 7d"
        )
    if quantity.value > CENTURY:
        raise ThresholdError(f"{text!r} is longer than a century", hint="write what is meant, such as 365d")
    return float(quantity.value)


def parse_window(text: str) -> Fraction:
    """Read how long a rule must last, in seconds, exactly; a window of nothing is a `ThresholdError`."""
    parse_duration(text)
    window = parse_quantity(text).value
    if not window:
        raise ThresholdError(
            f"a rule cannot last for {text}", hint="write a window such as `for 5m`, or none at all"
        )
    return window


def parse(text: str, *, metric: str = "") -> Threshold:
    """Read a threshold. With `metric`, the rule may leave its name out (``coverage = ">= 80%"``).

    Raises:
        ThresholdError: it does not parse; the message says which part.
    """
    text = " ".join(text.split())
    match = _THRESHOLD.fullmatch(text)
    if match is None or not (match["metric"] or metric):
        shape = "op limit" if metric else "metric op limit [for window]"
        example = ">= 80%" if metric else "success_rate >= 95%"
        raise ThresholdError(f"{text!r} is not a threshold", hint=f"write it as `{shape}`, e.g. {example}")
    if re.match(rf"{BASELINE}\b", match["limit"]):
        raise ThresholdError(
            f"{text!r} names a baseline, which only the thresholds of [[gates.load.scenarios]] know",
            hint="write a fixed limit here",
        )
    if metric and match["metric"] and match["metric"] != metric:
        raise ThresholdError(
            f"{text!r} is a rule on {match['metric']}, but this key judges {metric}",
            hint=f"name {metric} or no metric",
        )
    name = match["metric"] or metric
    limit = parse_quantity(match["limit"])
    window = parse_window(match["window"]) if match["window"] else None
    return Threshold(f"{name} {text.removeprefix(name).strip()}", name, match["op"], limit, window)


def parse_any(text: str) -> AnyRule:
    """Read a rule that may name a baseline.

    Raises:
        ThresholdError: it does not parse; the message says which part, the hint what is allowed.
    """
    text = " ".join(text.split())
    match = _BASELINE.fullmatch(text)
    if match is None:
        return parse(text)
    word, tolerance = match["word"], match["tolerance"]
    if word != BASELINE:
        from difflib import get_close_matches

        near = get_close_matches(word, [BASELINE], n=1)
        raise ThresholdError(
            f"{text!r}: {word!r} is neither a number nor `{BASELINE}`"
            + (f"; did you mean `{BASELINE}`?" if near else ""),
            hint=f"write a fixed limit such as p95 < 5s; or {_ALLOWED}",
        )
    if match["op"] == "==":
        raise ThresholdError(
            f"{text!r}: no two runs measure the same", hint=f"use <=, <, >= or >; {_ALLOWED}"
        )
    if re.search(r"\sfor\s", tolerance):
        raise ThresholdError(
            f"{text!r}: a rule on a baseline compares whole runs, not a window", hint="leave `for …` out"
        )
    share, amount = _tolerance(text, tolerance)
    name = match["metric"]
    return BaselineRule(f"{name} {text.removeprefix(name).strip()}", name, match["op"], share, amount)


def _tolerance(text: str, tolerance: str) -> tuple[Fraction, Quantity | None]:
    """What follows ``baseline``: at most one percentage and one amount, with the same sign."""
    if not _TERMS.fullmatch(tolerance):
        raise ThresholdError(f"{text!r}: {tolerance.strip()!r} is no tolerance", hint=_ALLOWED)
    try:
        terms = [(term["sign"], parse_quantity(term["quantity"])) for term in _TERM.finditer(tolerance)]
    except ThresholdError as error:
        raise ThresholdError(f"{text!r}: {error.message}", hint=_ALLOWED) from error
    shares = [quantity.value for _, quantity in terms if quantity.unit is Unit.RATIO]
    amounts = [quantity for _, quantity in terms if quantity.unit is not Unit.RATIO]
    if len(shares) > 1 or len(amounts) > 1 or len({sign for sign, _ in terms}) > 1:
        raise ThresholdError(
            f"{text!r}: a tolerance is at most one percentage and one amount, both with the same sign",
            hint=_ALLOWED,
        )
    sign = -1 if terms and terms[0][0] == "-" else 1
    if shares and sign < 0 and shares[0] >= 1:
        raise ThresholdError(
            f"{text!r}: {show(shares[0], Unit.RATIO)} below the baseline demands nothing", hint=_ALLOWED
        )
    return (
        sign * shares[0] if shares else Fraction(0),
        Quantity(sign * amounts[0].value, amounts[0].unit) if amounts else None,
    )


def baseline_metric(metric: str) -> str:
    """The name under which a check records the baseline's figure beside its own."""
    return f"{BASELINE}_{metric}"


def applied(text: str, measurements: Iterable[Measurement]) -> Threshold:
    """The rule that a check judged by, from its text and what the check measured: the baseline's figure is in there.

    Raises:
        ThresholdError: it does not parse, or names a baseline that was not recorded just once.
    """
    rule = parse_any(text)
    if isinstance(rule, Threshold):
        return rule
    match [each for each in measurements if each.metric == baseline_metric(rule.metric)]:
        case [baseline]:
            return rule.against(baseline)
        case found:
            raise ThresholdError(
                f"threshold {text!r}: {len(found)} measurements of the baseline",
                hint="run the gates again",
            )


def show(value: Fraction | None, unit: Unit, *, beside: Fraction | None = None) -> str:
    """Format for people. Never compare the result.

    A value never reads like a number of two decimals that it is not: 94.996 % does not become 95 %. With `beside`,
    the limit it is shown next to, it never reads like that limit either, as long as that has at most nine decimals.
    """
    if value is None:
        return "no data"
    scale, suffix = _scale(value, unit)
    return f"{_digits(value * scale, None if beside is None else beside * scale)}{suffix}"


def _scale(value: Fraction, unit: Unit) -> tuple[Fraction, str]:
    """The factor from the base unit to the one that people read this value in, and how that is written."""
    match unit:
        case Unit.RATIO:
            return Fraction(100), " %"
        case Unit.SECONDS:
            return (Fraction(1000), " ms") if abs(value) < 1 else (Fraction(1), " s")
        case Unit.PER_SECOND:
            return Fraction(1), "/s"
        case Unit.BYTES:
            return (Fraction(1, 1000**2), " MB") if abs(value) >= 1000**2 else (Fraction(1), " B")
    return Fraction(1), ""


def _digits(value: Fraction, beside: Fraction | None) -> str:
    """Two decimals where that is exact; else three, or as many more as tell it from shorter numbers and `beside`.

    What twelve decimals cannot tell is said in words.
    """
    text = _decimal(value, 2)
    if Fraction(text) == value:
        return text
    other = beside if beside != value else None
    written = None if other is None else _digits(other, None)
    for places in range(3, 13):
        text = _decimal(value, places)
        same = other is not None and text in (written, _decimal(other, places))
        if not same and Fraction(text) != Fraction(_decimal(value, 2)):
            return text
    near = beside if beside is not None and _decimal(beside, 12) == text else Fraction(text)
    side = "just below" if value < near else "just above"
    return f"{side} {_decimal(near, 12)}"


def _decimal(value: Fraction, places: int) -> str:
    """Rounded to a number of decimals without the detour over a float, trailing zeros left out."""
    units = round(abs(value) * 10**places)
    whole, rest = divmod(units, 10**places)
    text = f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 and units else text


def _known_units() -> str:
    return " ".join(name for name in _UNITS if name)
