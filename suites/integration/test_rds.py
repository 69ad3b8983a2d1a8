"""Each declared RDS instance is up, configured as declared, and lets the application in."""

import pytest

from harness.aws import postgres, rds, secrets
from harness.aws.rds import InstanceState, RdsInstance
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience
from harness.model import Unit

_USABLE = ("available", "backing-up", "storage-optimization")
"""The states in which RDS documents the instance as fully operational."""


def test_is_available(
    rds_instance: RdsInstance, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The instance is available."""
    state = check.eventually(
        survey.live(aws, rds_instance, InstanceState),
        lambda seen: seen.status in _USABLE,
        timeout=patience.left,
    )
    check.snapshot("instance", state)
    check.fact("status", state.status)
    if state.status not in _USABLE:
        check.diagnose(rds.diagnose(aws, rds_instance, state))
        check.fail(
            f"{rds_instance.home} is {state.status}, not available",
            hint="wait until it is available again, or see its events in the diagnosis",
        )


def test_is_configured_as_declared(rds_instance: RdsInstance, survey: Survey, aws: Aws, check: Check) -> None:
    """Class, encryption, deletion protection, backups and Multi-AZ are as the profile declares."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    check.fact("engine", f"{state.engine} {state.engine_version}".strip())
    if found := rds.differences(rds_instance, state):
        check.diagnose(rds.diagnose(aws, rds_instance, state))
        check.fail(
            f"{rds_instance.home} differs in {len(found)} settings: {'; '.join(found)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )


@pytest.mark.when("secret")
def test_accepts_a_login(rds_instance: RdsInstance, survey: Survey, aws: Aws, check: Check) -> None:
    """The application's credentials log in, at the instance's endpoint and where the secret points, and query."""
    state = survey.state(rds_instance, InstanceState)
    if not state.host:
        check.fail(
            f"{rds_instance.home} has no endpoint yet ({state.status})", hint="wait until it is available"
        )
    credentials = secrets.credentials(aws, rds_instance.secret)
    database = credentials.database or rds_instance.database or state.database or "postgres"
    endpoint = (state.host, state.port)
    places = dict.fromkeys([endpoint, (credentials.host or state.host, credentials.port or state.port)])
    logins: dict[str, postgres.Login] = {}
    for host, port in places:
        try:
            logins[f"{host}:{port}/{database}"] = postgres.login(credentials, host, port, database)
        except postgres.LoginFailed:
            check.diagnose(rds.diagnose(aws, rds_instance, state))
            raise
    check.snapshot("logins", logins)
    check.fact("server_version", logins[f"{state.host}:{state.port}/{database}"].version)
    check.fact("logged_in_at", ", ".join(logins))
    seconds = max(login.seconds for login in logins.values())
    check.measure("login_time", seconds, Unit.SECONDS, sample=len(logins))
