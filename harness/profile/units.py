"""Lengths of time, sizes and rates as a profile writes them: the inverse of `harness.threshold.parse_quantity`."""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache


def _plain(value: float) -> str:
    """A number as it prints, without an exponent and without a fraction that says nothing."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _largest(value: float, units: tuple[tuple[str, Fraction], ...], base: str) -> str:
    """In the first unit that leaves a whole number, else in the base unit."""
    exact = Fraction(repr(value))
    for name, factor in units:
        if exact and (exact / factor).denominator == 1:
            return f"{(exact / factor).numerator}{name}"
    return f"{_plain(value)}{base}"


@lru_cache(maxsize=256)
def write_duration(seconds: float) -> str:
    """``5m`` for 300.0: in the largest unit that leaves a whole number; days from two of them on."""
    days = (("d", Fraction(86400)),) if seconds >= 2 * 86400 else ()
    units = (("h", Fraction(3600)), ("m", Fraction(60)), ("s", Fraction(1)), ("ms", Fraction(1, 1000)))
    return (
        _largest(seconds, (*days, *units), "s") if seconds < 1 or seconds % 1 == 0 else f"{_plain(seconds)}s"
    )


@lru_cache(maxsize=256)
def write_size(size: int) -> str:
    """``2GB`` for 2,000,000,000."""
    return _largest(size, (("GB", Fraction(1000**3)), ("MB", Fraction(1000**2)), ("KB", Fraction(1000))), "B")


def write_rate(rate: float) -> str:
    """``50/s`` for 50.0."""
    return f"{_plain(rate)}/s"
