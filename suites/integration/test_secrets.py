"""Each declared secret can be used by the application that needs it, and is not older than it may be."""

import pytest

from harness.aws import secrets
from harness.aws.secrets import Secret, SecretState
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Unit
from harness.profile.units import write_duration


def test_is_readable(secret: Secret, survey: Survey, check: Check) -> None:
    """The secret is not scheduled for deletion, and its current value can be read."""
    state = survey.state(secret, SecretState)
    check.snapshot("secret", state)
    if state.unreadable:
        check.fail(
            f"{secret.home} {state.unreadable}",
            hint="restore the secret, its value or its KMS key before its application starts anew",
        )


@pytest.mark.when("keys")
def test_holds_its_keys(secret: Secret, survey: Survey, check: Check) -> None:
    """Its value is a JSON object with every declared key, none of them empty."""
    state = survey.state(secret, SecretState)
    check.snapshot("secret", state)
    check.measure("keys", len(secret.keys) - len(state.missing_keys), Unit.COUNT)
    if state.unreadable:
        check.fail(f"{secret.home} {state.unreadable}: none of its keys can be read", hint="restore it")
    if state.missing_keys:
        check.fail(
            f"{secret.home} has no value for {', '.join(state.missing_keys)}",
            hint="complete its JSON object, or correct `keys` in the profile",
        )


@pytest.mark.when("rotated_within")
def test_is_fresh(secret: Secret, survey: Survey, check: Check) -> None:
    """Its value was rotated or changed within the declared time."""
    state = survey.state(secret, SecretState)
    check.snapshot("secret", state)
    check.fact("dated_by", f"{state.counted}, {secrets.day(state.changed)}")
    check.measure("secret_age", state.age, Unit.SECONDS)
    if secret.rotated_within is not None and secrets.too_old(secret, state):
        check.fail(
            f"{secret.home} is {secrets.days(state.age)} old by the {state.counted} on "
            f"{secrets.day(state.changed)}, allowed are {write_duration(secret.rotated_within)}",
            hint="rotate it, or change its value by hand",
        )


@pytest.mark.when("rotation")
def test_rotates_by_itself(secret: Secret, survey: Survey, check: Check) -> None:
    """Secrets Manager rotates it."""
    state = survey.state(secret, SecretState)
    check.snapshot("secret", state)
    if not state.rotation:
        check.fail(
            f"{secret.home} is not rotated by Secrets Manager, which the profile demands",
            hint="configure its rotation, or leave `rotation` out and change it by hand",
        )
