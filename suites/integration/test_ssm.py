"""Each declared SSM parameter is there, of its type, and says what it must."""

import pytest

from harness.aws import ssm
from harness.aws.secrets import day, days
from harness.aws.ssm import ParameterState, SsmParameter
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Unit
from harness.profile.units import write_duration


def test_has_a_value(ssm_parameter: SsmParameter, survey: Survey, check: Check) -> None:
    """The parameter can be read, decrypted where it is encrypted, and is not blank."""
    state = survey.state(ssm_parameter, ParameterState)
    check.snapshot("parameter", state)
    check.fact("version", state.version)
    if state.empty:
        check.fail(f"{ssm_parameter.home} is blank", hint="put a value; its application reads this one")


@pytest.mark.when("type")
def test_is_of_its_type(ssm_parameter: SsmParameter, survey: Survey, check: Check) -> None:
    """It is a String, a StringList or an encrypted SecureString, as declared."""
    state = survey.state(ssm_parameter, ParameterState)
    check.snapshot("parameter", state)
    if state.type != ssm_parameter.type:
        check.fail(
            f"{ssm_parameter.home} is a {state.type}, declared is a {ssm_parameter.type}",
            hint="a type cannot be changed: delete the parameter and create it anew; a secret that lay in a plain "
            "String is to be changed as well",
        )


@pytest.mark.when("wanted")
def test_holds_what_it_must(ssm_parameter: SsmParameter, survey: Survey, check: Check) -> None:
    """Its value is the declared one: the text, the pattern, or the queue or topic that it names."""
    state = survey.state(ssm_parameter, ParameterState)
    check.snapshot("parameter", state)
    if not state.as_wanted:
        held = repr(state.value) if state.value else "something else (it is a secret, so not shown)"
        check.fail(
            f"{ssm_parameter.home} holds {held}, declared is {ssm_parameter.wanted}",
            hint="deploy the stack that writes it, or correct the profile where the change is meant",
        )


@pytest.mark.when("changed_within")
def test_is_fresh(ssm_parameter: SsmParameter, survey: Survey, check: Check) -> None:
    """It was changed within the declared time."""
    state = survey.state(ssm_parameter, ParameterState)
    check.snapshot("parameter", state)
    check.measure("parameter_age", state.age, Unit.SECONDS)
    if ssm_parameter.changed_within is not None and ssm.too_old(ssm_parameter, state):
        check.fail(
            f"{ssm_parameter.home} was last changed on {day(state.changed)}, {days(state.age)} ago; "
            f"allowed are {write_duration(ssm_parameter.changed_within)}",
            hint="change its value, as its rule demands",
        )
