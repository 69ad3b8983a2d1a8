"""RDS and PostgreSQL where the profile is no stand-in's: what is proven of a database against AWS."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness.model import Cause, CheckResult, Outcome, Phase

RunGate = Callable[..., dict[str, CheckResult]]
Environment = Any
_TABLE = "gonogo_revisions"


def declare(**settings: str) -> tuple[str, ...]:
    """The instance alone, with further keys."""
    return (
        "ecs.services=[]",
        "sqs.queues=[]",
        *(f"rds.instances[0].{key}={value}" for key, value in settings.items()),
    )


def not_passed(results: dict[str, CheckResult]) -> dict[str, tuple[Outcome, Cause | None]]:
    return {
        name: (result.outcome, result.cause)
        for name, result in results.items()
        if result.outcome is not Outcome.PASSED
    }


@contextmanager
def revision(environment: Environment, value: str) -> Iterator[None]:
    """A migrations table at this revision."""
    given = environment.database
    with psycopg.connect(
        host=given.host,
        port=given.port,
        user=given.user,
        password=given.password,
        dbname=given.database,
        autocommit=True,
    ) as connection:
        connection.execute(f"CREATE TABLE {_TABLE} (version_num text)".encode())
        connection.execute(f"INSERT INTO {_TABLE} VALUES ('{value}')".encode())
        yield
        connection.execute(f"DROP TABLE {_TABLE}".encode())


def test_a_metric_without_a_sample_proves_nothing(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance()
    overrides = declare(free_storage='">= 20%"', connections='"<= 80"')
    results = run_gate("integration", *overrides, account=credentials)
    nothing = (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert not_passed(results) == {
        "rds.has_free_storage[db]": nothing,
        "rds.has_few_connections[db]": nothing,
    }
    assert "db: nothing was measured for free_storage" in results["rds.has_free_storage[db]"].reason
    assert "FreeStorageSpace from the last 15 minutes" in results["rds.has_free_storage[db]"].hint


def test_free_storage_as_a_size(environment: Environment, run_gate: RunGate, credentials: str) -> None:
    environment.instance()
    environment.owner("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": "FreeStorageSpace",
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "db"}],
                "Value": 5_000_000_000.0,
            }
        ],
    )
    results = run_gate("integration", *declare(free_storage='">= 5GB"'), account=credentials)
    assert not_passed(results) == {}
    (judged,) = results["rds.has_free_storage[db]"].thresholds
    assert judged.actual == judged.limit == Fraction(5_000_000_000), "exactly the limit holds"


def test_where_tls_is_demanded_a_server_without_it_fails(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance()
    overrides = (*declare(force_ssl="true"), "local.stand_in=false")
    results = run_gate("integration", *overrides, account=credentials)
    assert {name: outcome for name, (outcome, _) in not_passed(results).items()} == {
        "rds.forces_tls[db]": Outcome.FAILED,  # the emulator has no default parameter group
        "postgres.uses_tls[db]": Outcome.FAILED,
    }
    assert "db: the session is not encrypted" in results["postgres.uses_tls[db]"].reason
    assert results["postgres.uses_tls[db]"].facts == {"session": "not encrypted", "without_tls": "let in"}


def test_the_server_that_answers_is_asked_for_its_version_too(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance(EngineVersion="17.4")
    overrides = (*declare(engine_version='"17"'), "local.stand_in=false")
    results = run_gate("integration", *overrides, account=credentials)
    assert not_passed(results) == {"postgres.is_of_its_version[db]": (Outcome.FAILED, None)}
    reason = results["postgres.is_of_its_version[db]"].reason
    assert "RDS instance db: PostgreSQL version 18." in reason
    assert reason.endswith("runs, declared is 17 at its endpoint")


@pytest.mark.parametrize(
    ("phase", "expect", "outcome"),
    [
        (Phase.PRE_DEPLOY, "now", Outcome.FAILED),
        (Phase.PRE_DEPLOY, "after-deploy", Outcome.PASSED),
        (Phase.POST_DEPLOY, "after-deploy", Outcome.FAILED),
    ],
)
def test_a_revision_that_comes_with_the_release_is_only_recorded_before_it(
    environment: Environment,
    run_gate: RunGate,
    credentials: str,
    phase: Phase,
    expect: str,
    outcome: Outcome,
) -> None:
    environment.instance()
    wanted = f'{{table="{_TABLE}", revision="0043", expect="{expect}"}}'
    with revision(environment, "0042"):
        results = run_gate("integration", *declare(migrations=wanted), account=credentials, phase=phase)
    result = results["postgres.is_at_its_revision[db]"]
    assert result.outcome is outcome, result.reason
    assert result.facts == {"revision": "0042", "wanted_revision": "0043"}


def test_without_any_way_to_restore_it_fails(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance(BackupRetentionPeriod=0)
    overrides = declare(backup_days="0", restorable_within='"1h"')
    results = run_gate("integration", *overrides, account=credentials)
    assert not_passed(results) == {"rds.is_backed_up[db]": (Outcome.FAILED, None)}
    assert "db cannot be restored" in results["rds.is_backed_up[db]"].reason


def test_a_snapshot_is_a_way_to_restore_it(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance(BackupRetentionPeriod=0)
    environment.owner("rds").create_db_snapshot(DBSnapshotIdentifier="before", DBInstanceIdentifier="db")
    overrides = declare(backup_days="0", restorable_within='"1h"')
    results = run_gate("integration", *overrides, account=credentials)
    assert not_passed(results) == {}
    assert results["rds.is_backed_up[db]"].facts["restorable_by"] == "snapshot before"


def test_no_secret_is_kept_whatever_fails(
    environment: Environment, run_gate: RunGate, credentials: str, tmp_path: Path
) -> None:
    environment.instance(password="Zq7xCanary-wrong")
    environment.owner("rds").modify_db_instance(
        DBInstanceIdentifier="db", MasterUserPassword="Zq7xCanary-new", ApplyImmediately=False
    )
    overrides = declare(query_time='"< 1s"', connection_usage='"<= 80%"', replication_lag='"< 1s"')
    results = run_gate("integration", *overrides, account=credentials)
    assert results["rds.accepts_a_login[db]"].outcome is Outcome.FAILED
    asked = [name for name in results if name.startswith("postgres.")]
    assert len(asked) == 3
    for name in asked:
        assert results[name].cause is Cause.NOTHING_CHECKED
        assert "db: nobody could log in" in results[name].reason
    files = [path.read_text() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any("Zq7xCanary" in text for text in files)
    assert any("server refuses the credentials" in text for text in files)


def test_a_secret_that_is_not_there(environment: Environment, run_gate: RunGate, credentials: str) -> None:
    environment.instance()
    environment.owner("secretsmanager").delete_secret(
        SecretId="db-credentials", ForceDeleteWithoutRecovery=True
    )
    results = run_gate("integration", *declare(), account=credentials)
    assert not_passed(results) == {
        "rds.accepts_a_login[db]": (Outcome.FAILED, None),
        "postgres.answers_in_time[db]": (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED),
    }
    assert "db-credentials" in results["rds.accepts_a_login[db]"].reason
