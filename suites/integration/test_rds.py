"""Each declared RDS instance is up, as declared, guarded, backed up, and lets the application in."""

import time

import pytest

from harness.aws import rds_rules
from harness.aws.databases import Examined
from harness.aws.faults import Broken
from harness.aws.rds import RdsInstance
from harness.aws.rds_state import InstanceState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience, SideBySide
from harness.model import Unit


def test_is_available(
    rds_instance: RdsInstance, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The instance is available."""
    state = check.eventually(
        survey.live(aws, rds_instance, InstanceState),
        lambda seen: seen.status in rds_rules.USABLE,
        timeout=patience.left,
    )
    check.snapshot("instance", state)
    check.fact("status", state.status)
    if state.status not in rds_rules.USABLE:
        check.diagnose(rds_rules.diagnose(aws, rds_instance, state))
        check.fail(
            f"{rds_instance.home} is {state.status}, not available",
            hint="wait until it is available again, or see its events in the diagnosis",
        )


def test_is_configured_as_declared(rds_instance: RdsInstance, survey: Survey, aws: Aws, check: Check) -> None:
    """Engine, class, encryption, deletion protection, Multi-AZ and database are as the profile declares."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    check.fact("engine", f"{state.engine} {state.engine_version}")
    if found := rds_rules.differences(rds_instance, state):
        check.diagnose(rds_rules.diagnose(aws, rds_instance, state))
        check.fail(
            f"{rds_instance.home} differs in {len(found)} settings: {'; '.join(found)}",
            hint="deploy the stack that declares it, or correct the profile where the change is meant",
        )


@pytest.mark.when("engine_version")
def test_is_of_its_version(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """The engine's version is the declared one, as far as that goes."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    check.fact("engine_version", state.engine_version)
    if problem := rds_rules.version_problem(state.engine_version, rds_instance.engine_version):
        check.fail(
            f"{rds_instance.home}: {state.engine} {problem}",
            hint="upgrade the instance, or correct engine_version in the profile after an upgrade that was meant",
        )


def test_is_private(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """It can be reached from the internet only where the profile says so."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    check.fact("publicly_accessible", state.publicly_accessible)
    if state.publicly_accessible and not rds_instance.publicly_accessible:
        check.fail(
            f"{rds_instance.home} is publicly accessible: its endpoint {state.host} has an address on the internet",
            hint="turn off public accessibility and look at what its security groups let in; "
            "or declare publicly_accessible where it is meant",
        )


@pytest.mark.when("force_ssl")
def test_forces_tls(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """Its parameters refuse connections without TLS, and the instance runs with them."""
    state = survey.state(rds_instance, InstanceState)
    state.needs("parameters")
    check.snapshot("instance", state)
    if problem := rds_rules.tls_problem(state):
        check.fail(
            f"{rds_instance.home}: {problem}",
            hint="set rds.force_ssl to 1 in its parameter group; where a reboot is pending, plan one",
        )


def test_is_backed_up(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """Backups are kept for as long as declared, and it can be restored to a moment not long ago."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    check.fact("backup_days", state.backup_days)
    if problem := rds_rules.retention_problem(rds_instance, state):
        check.fail(
            f"{rds_instance.home}: {problem}",
            hint="deploy the stack that declares it, or correct backup_days in the profile",
        )
    if not rds_instance.restorable_within:
        return
    state.needs("snapshots")
    at, by = rds_rules.restorable(state)
    if at is None:
        check.fail(
            f"{rds_instance.home} cannot be restored: there is neither an automated backup nor a usable snapshot",
            hint="turn on automated backups, or take a snapshot before the release",
        )
    check.measure("restorable_age", max(0.0, time.time() - at), Unit.SECONDS)
    check.fact("restorable_by", by)
    check.judge(
        rds_rules.at_most("restorable_age", rds_instance.restorable_within),
        about=f"{rds_instance.home}, restorable by {by}",
        hint="see why its backups do not go on (events, storage full, stopped); take a snapshot before the release",
    )


def test_is_settled(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """No change of it was ordered that is not in force."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    if waiting := rds_rules.waiting(state):
        check.fail(
            f"{rds_instance.home} has changes that are not in force: {'; '.join(waiting)}",
            hint="apply them (immediately, in the maintenance window, by a reboot) or take them back before the release",
        )


@pytest.mark.when("certificate_left")
def test_certificate_is_valid(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """The certificate of its endpoint is valid for long enough."""
    state = survey.state(rds_instance, InstanceState)
    check.snapshot("instance", state)
    if state.certificate_until is None:
        raise Broken(
            f"{rds_instance.home}: RDS does not say until when its certificate ({state.certificate or 'unknown'}) is valid",
            hint="what answers is not the service, or not the version that the gate knows",
        )
    check.fact("certificate_authority", state.certificate)
    check.measure("certificate_left", state.certificate_until - time.time(), Unit.SECONDS)
    check.judge(
        rds_rules.at_least("certificate_left", rds_instance.certificate_left),
        about=f"{rds_instance.home}, certificate of {state.certificate}",
        hint="rotate its certificate authority (CACertificateIdentifier) and give clients the new bundle",
    )


@pytest.mark.when("free_storage")
def test_has_free_storage(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """As much of its storage is free as the profile's rule wants."""
    state = survey.state(rds_instance, InstanceState)
    state.needs("metrics")
    check.snapshot("instance", state)
    rule = rds_instance.free_storage
    assert rule is not None, "the check is for instances with the rule"
    free = None if state.free_storage is None else round(state.free_storage.value)
    if free is not None and rule.limit.unit is Unit.RATIO:
        check.measure("free_storage_size", free, Unit.BYTES)
        check.measure("free_storage", rds_rules.share(free, state.allocated), Unit.RATIO)
    else:
        check.measure("free_storage", free, Unit.BYTES)
    check.judge(
        rule,
        about=rds_instance.home,
        hint="enlarge its storage, or turn on storage autoscaling"
        if free is not None
        else "CloudWatch has no sample of FreeStorageSpace from the last 15 minutes: see whether the instance runs",
    )


@pytest.mark.when("connections")
def test_has_few_connections(rds_instance: RdsInstance, survey: Survey, check: Check) -> None:
    """No more connections are open than the profile's rule allows."""
    state = survey.state(rds_instance, InstanceState)
    state.needs("metrics")
    check.snapshot("instance", state)
    rule = rds_instance.connections
    assert rule is not None, "the check is for instances with the rule"
    check.measure("connections", None if state.connections is None else round(state.connections.value))
    check.judge(
        rule,
        about=rds_instance.home,
        hint="see who holds connections (pg_stat_activity): a pool that is too large, or clients that do not close"
        if state.connections is not None
        else "CloudWatch has no sample of DatabaseConnections from the last 15 minutes: see whether the instance runs",
    )


@pytest.mark.when("secret")
def test_accepts_a_login(
    rds_instance: RdsInstance,
    survey: Survey,
    aws: Aws,
    databases: SideBySide[RdsInstance, Examined],
    check: Check,
) -> None:
    """The application's credentials log in, at the instance's endpoint and where the secret points, and query."""
    examined = databases.of(rds_instance)
    check.snapshot("logins", examined.logins)
    for attempt in examined.logins:
        if attempt.refused is not None:
            state = survey.state(rds_instance, InstanceState)
            check.diagnose(rds_rules.diagnose(aws, rds_instance, state))
            check.fail(f"{rds_instance.home}: {attempt.refused.message}", hint=attempt.refused.hint)
    check.fact("server_version", examined.logins[0].version)
    check.fact("logged_in_at", ", ".join(attempt.where for attempt in examined.logins))
    seconds = max(attempt.seconds for attempt in examined.logins)
    check.measure("login_time", seconds, Unit.SECONDS, sample=len(examined.logins))
