"""Thresholds: ``metric op limit [for window]``, parsed once and compared exactly.

    success_rate >= 95%        avg_response_time < 2s        error_rate <= 5% for 5m        rate > 2/s

Nothing is rounded before comparing: limits and measurements are fractions in base units. Pure functions, no I/O.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from operator import eq, ge, gt, le, lt

from harness.errors import ThresholdError
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


def parse_duration(text: str) -> float:
    """Read a length of time such as ``5m`` in seconds; anything that is no time is a `ThresholdError`."""
    quantity = parse_quantity(text)
    if quantity.unit is not Unit.SECONDS:
        raise ThresholdError(
            f"{text!r} is not a length of time", hint="write it with a unit: 500ms, 30s, 5m, 24h, 7d"
        )
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
    if metric and match["metric"] and match["metric"] != metric:
        raise ThresholdError(
            f"{text!r} is a rule on {match['metric']}, but this key judges {metric}",
            hint=f"name {metric} or no metric",
        )
    name = match["metric"] or metric
    limit = parse_quantity(match["limit"])
    window = parse_window(match["window"]) if match["window"] else None
    return Threshold(f"{name} {text.removeprefix(name).strip()}", name, match["op"], limit, window)


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
