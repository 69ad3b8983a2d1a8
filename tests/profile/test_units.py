from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.profile.schema import RATE, SIZE
from harness.profile.units import write_duration, write_rate, write_size
from harness.threshold import parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.2, "200ms"),
        (0.00001, "0.00001s"),
        (1.5, "1.5s"),
        (90.0, "90s"),
        (300.0, "5m"),
        (86400.0, "24h"),
        (93600.0, "26h"),
        (604800.0, "7d"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text


@given(st.decimals(min_value=0, max_value=10**8, places=4).map(lambda value: float(Decimal(value))))
def test_what_is_written_reads_back_exactly(number: float) -> None:
    assert parse_duration(write_duration(number)) == number
    assert RATE.read(write_rate(number)) == number


@given(st.integers(min_value=0, max_value=10**15))
def test_a_size_reads_back_exactly(size: int) -> None:
    assert SIZE.read(write_size(size)) == size


def test_sizes_and_rates() -> None:
    assert [write_size(size) for size in (0, 999, 4_000_000_000, 512_000_000)] == [
        "0B",
        "999B",
        "4GB",
        "512MB",
    ]
    assert write_rate(50.0) == "50/s"
