from fractions import Fraction
from typing import Any

import pytest

from harness.load.result import Kind
from harness.load.validity import invalid_reasons, lag_bound


def test_valid(make_result: Any) -> None:
    assert invalid_reasons(make_result()) == ()
    assert invalid_reasons(make_result(failures={Kind.STATUS: 50, Kind.TIMEOUT: 10})) == ()


def test_nothing_sent(make_result: Any) -> None:
    assert invalid_reasons(make_result(sent=0)) == ("no request was sent",)


def test_lost_requests(make_result: Any) -> None:
    (reason,) = invalid_reasons(make_result(completed=99))
    assert "1 were lost" in reason


def test_what_this_machine_could_not_send(make_result: Any) -> None:
    (reason,) = invalid_reasons(make_result(failures={Kind.GENERATOR: 1}))
    assert "open files" in reason


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"sent": 98}, True),
        ({"sent": 97, "dropped": 3}, False),
        ({"elapsed": 1_020_000_000}, True),
        ({"elapsed": 1_021_000_000}, False),
        ({"sent": 50, "planned": None}, True),
    ],
)
def test_achieved_rate(make_result: Any, values: dict[str, Any], valid: bool) -> None:
    reasons = invalid_reasons(make_result(**values))
    assert (reasons == ()) is valid
    assert valid or "of the planned rate" in reasons[0]


def test_dropped_arrivals_are_named(make_result: Any) -> None:
    (reason,) = invalid_reasons(make_result(sent=90, dropped=10))
    assert "10 found no free slot" in reason


@pytest.mark.parametrize(
    ("lag", "limit", "valid"),
    [
        (5_000_000, None, True),
        (5_000_001, None, False),
        (40_000_000, Fraction(2), True),
        (40_000_001, Fraction(2), False),
        (5_000_001, Fraction(1, 10), False),
    ],
)
def test_schedule_lag(make_result: Any, series: Any, lag: int, limit: Fraction | None, valid: bool) -> None:
    reasons = invalid_reasons(make_result(lag=series(100, lag)), limit=limit)
    assert (reasons == ()) is valid
    assert valid or "behind its schedule" in reasons[0]


def test_a_closed_loop_has_no_schedule(make_result: Any, series: Any) -> None:
    assert invalid_reasons(make_result(planned=None, lag=series(100, 10**9))) == ()


@pytest.mark.parametrize(("cpu", "valid"), [(0.9, True), (0.9001, False), (1.3, False)])
def test_generator_cpu(make_result: Any, cpu: float, valid: bool) -> None:
    assert (invalid_reasons(make_result(cpu=cpu)) == ()) is valid


def test_lag_bound() -> None:
    assert lag_bound(None) == lag_bound(Fraction(1, 5)) == Fraction(5, 1000)
    assert lag_bound(Fraction(5)) == Fraction(1, 10)
