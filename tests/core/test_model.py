"""The types keep themselves consistent: no outcome without its reason, no number that is none."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import model
from harness.model import SKIP_CAUSES, Cause, CheckResult, Measurement, Outcome, Unit


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.PASSED])
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_whatever_is_no_pass_needs_a_reason(outcome: Outcome, reason: str) -> None:
    with pytest.raises(ValueError, match=r"check unit\.a: .* needs a reason"):
        CheckResult("unit.a", "unit", outcome, reason=reason)


@pytest.mark.parametrize("cause", [None, *sorted(Cause)])
def test_skips_and_empty_results_need_a_cause_of_their_kind(cause: Cause | None) -> None:
    outcome = Outcome.SKIPPED if cause in SKIP_CAUSES else Outcome.INCONCLUSIVE
    other = Outcome.INCONCLUSIVE if cause in SKIP_CAUSES else Outcome.SKIPPED
    if cause is not None:
        assert CheckResult("unit.a", "unit", outcome, reason="why", cause=cause).cause is cause
    else:
        with pytest.raises(ValueError, match="inconclusive needs a cause"):
            CheckResult("unit.a", "unit", outcome, reason="why")
    with pytest.raises(ValueError, match=r"check unit.a: .* cause"):
        CheckResult("unit.a", "unit", other, reason="why", cause=cause)


def test_a_pass_needs_neither() -> None:
    assert CheckResult("unit.a", "unit", Outcome.PASSED).reason == ""


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (0.95, Fraction(19, 20)),
        (0.1 + 0.2, Fraction("0.30000000000000004")),
        (1e-07, Fraction(1, 10**7)),
        (1e22, Fraction(10**22)),
        (3, Fraction(3)),
        (Fraction(1, 3), Fraction(1, 3)),
        (-0.0, Fraction(0)),
    ],
)
def test_a_float_counts_as_the_decimal_it_prints_as(value: Fraction | float, exact: Fraction) -> None:
    assert Measurement.of("m", value, Unit.RATIO, sample=1) == Measurement("m", exact, Unit.RATIO, 1)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_nothing_measured(value: float | None) -> None:
    assert Measurement.of("m", value, sample=5) == Measurement("m", None, Unit.COUNT, 5)


@pytest.mark.parametrize("sample", [0, -1])
def test_a_number_without_a_sample_is_nothing_measured(sample: int) -> None:
    assert Measurement.of("m", 5, sample=sample) == Measurement("m", None, Unit.COUNT, 0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_float_is_lost(value: float) -> None:
    exact = Measurement.of("m", value, sample=1).value
    assert exact is not None
    assert float(exact) == value
    assert exact == Fraction(Decimal(repr(value)))


def test_everything_that_travels_is_frozen() -> None:
    kinds = [kind for kind in vars(model).values() if is_dataclass(kind) and isinstance(kind, type)]
    assert len(kinds) >= 15
    for kind in kinds:
        first = fields(kind)[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(object.__new__(kind), first, None)


def test_skips_and_empty_results_share_no_cause() -> None:
    assert {Cause.ABSENT, Cause.NO_CREDENTIALS, Cause.UNREACHABLE, Cause.NOT_EMULATED} < SKIP_CAUSES
    assert Cause.INVALID_RUN not in SKIP_CAUSES
