"""The PostgreSQL server behind each instance that the application may log in to: what it says of itself."""

import pytest

from harness.aws import postgres_server, rds_rules
from harness.aws.databases import Examined
from harness.aws.faults import Broken, Fault, NotEmulated
from harness.aws.postgres_server import Server
from harness.aws.rds import RdsInstance
from harness.fixtures import Check, SideBySide
from harness.model import Cause, Outcome, Phase, Unit
from harness.profile import Profile

Databases = SideBySide[RdsInstance, Examined]


def _examined(databases: Databases, instance: RdsInstance, check: Check) -> tuple[Examined, Server]:
    """What the login showed. That there was none is the failure of ``rds.accepts_a_login``, and proves nothing here."""
    try:
        examined = databases.of(instance)
    except Fault as fault:
        if fault.outcome is not Outcome.FAILED:
            raise
        examined = Examined(())
    if examined.server is None:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{instance.home}: nobody could log in, so the server could not be asked",
            hint="see rds.accepts_a_login of this instance",
        )
    check.snapshot("server", examined.server)
    return examined, examined.server


@pytest.mark.when("secret")
def test_answers_in_time(rds_instance: RdsInstance, databases: Databases, check: Check) -> None:
    """A simple query is answered, within the time that the profile's rule wants."""
    _, server = _examined(databases, rds_instance, check)
    check.measure("query_time", server.query_seconds, Unit.SECONDS, sample=postgres_server.QUERIES)
    if rds_instance.query_time is not None:
        check.judge(
            rds_instance.query_time,
            about=rds_instance.home,
            hint="see what keeps the server busy (CPU, locks, pg_stat_activity), and how far away it is from the gate",
        )


@pytest.mark.when("tls")
def test_uses_tls(rds_instance: RdsInstance, databases: Databases, profile: Profile, check: Check) -> None:
    """The session is encrypted, and the server refuses one that is not."""
    if profile.local.stand_in:
        raise NotEmulated(
            f"{rds_instance.home}: the stand-in's PostgreSQL has no TLS", hint="a run against AWS proves it"
        )
    examined, server = _examined(databases, rds_instance, check)
    check.fact("session", "encrypted" if server.encrypted else "not encrypted")
    check.fact("without_tls", examined.plain)
    if not server.encrypted:
        check.fail(
            f"{rds_instance.home}: the session is not encrypted: the server offers no TLS",
            hint="set rds.force_ssl to 1 in its parameter group, and see what stands between the gate and the server",
        )
    if examined.plain == "let in":
        check.fail(
            f"{rds_instance.home}: a login without TLS is let in",
            hint="set rds.force_ssl to 1 in its parameter group",
        )
    if examined.plain != "refused":
        raise Broken(
            f"{rds_instance.home}: whether a login without TLS is refused is not known: {examined.plain}",
            hint="see what the server said; run again",
        )


@pytest.mark.when("server_version")
def test_is_of_its_version(
    rds_instance: RdsInstance, databases: Databases, profile: Profile, check: Check
) -> None:
    """The server that answers is of the declared version, as far as that goes."""
    if profile.local.stand_in:
        raise NotEmulated(
            f"{rds_instance.home}: the stand-in has one PostgreSQL, whatever version is declared",
            hint="a run against AWS proves it",
        )
    _, server = _examined(databases, rds_instance, check)
    check.fact("server_version", server.version)
    if problem := rds_rules.version_problem(server.version.split()[0], rds_instance.engine_version):
        check.fail(
            f"{rds_instance.home}: PostgreSQL {problem} at its endpoint",
            hint="see what answers there: another server, or an upgrade that is still under way",
        )


@pytest.mark.when("connection_usage")
def test_has_connections_left(rds_instance: RdsInstance, databases: Databases, check: Check) -> None:
    """No larger part of the server's connections is in use than the profile's rule allows."""
    _, server = _examined(databases, rds_instance, check)
    rule = rds_instance.connection_usage
    assert rule is not None, "the check is for instances with the rule"
    if "connections" in server.unread:
        raise Broken(
            f"{rds_instance.home} does not tell its connections: {server.unread['connections']}",
            hint="see what the server said",
        )
    check.measure("connections", server.connections)
    check.measure("max_connections", server.max_connections)
    check.measure("connection_usage", rds_rules.share(server.connections, server.max_connections), Unit.RATIO)
    check.judge(
        rule,
        about=f"{rds_instance.home}, {server.connections} of {server.max_connections} connections",
        hint="see who holds them (pg_stat_activity): a pool that is too large, or clients that do not close",
    )


@pytest.mark.when("replication_lag")
def test_replicates(rds_instance: RdsInstance, databases: Databases, check: Check) -> None:
    """It is a standby or has one, and that is no further behind than the profile's rule allows."""
    _, server = _examined(databases, rds_instance, check)
    rule = rds_instance.replication_lag
    assert rule is not None, "the check is for instances with the rule"
    if "replication" in server.unread:
        raise Broken(
            f"{rds_instance.home} does not tell how it replicates: {server.unread['replication']}",
            hint="see what the server said",
        )
    how, lag = postgres_server.replication(server)
    if not how:
        check.fail(
            f"{rds_instance.home}: it is no standby, and none replicates from it",
            hint="see why the replica is gone; or leave replication_lag out for an instance without one",
        )
    check.fact("replication", how)
    check.measure("replication_lag", lag, Unit.SECONDS)
    check.judge(
        rule,
        about=f"{rds_instance.home}, {how}",
        hint="see what the standby waits for (long queries, its disk, the network)"
        if lag is not None
        else "let the secret's role see it: GRANT pg_monitor; a standby that has replayed nothing yet shows no lag either",
    )


@pytest.mark.when("migrations")
def test_is_at_its_revision(
    rds_instance: RdsInstance, databases: Databases, phase: Phase, check: Check
) -> None:
    """The schema is at the revision that the release wants; only recorded before a deploy that brings it there."""
    _, server = _examined(databases, rds_instance, check)
    wanted = rds_instance.migrations
    assert wanted is not None, "the check is for instances with migrations"
    check.fact("revision", ", ".join(server.revisions) or "none")
    check.fact("wanted_revision", wanted.revision)
    problem = postgres_server.revision_problem(server, wanted)
    comes = wanted.expect == "after-deploy" and phase is Phase.PRE_DEPLOY
    if problem and not (comes and server.revisions):
        check.fail(
            f"{rds_instance.home}: {problem}",
            hint="run the migrations, or correct `migrations` in the profile",
        )
