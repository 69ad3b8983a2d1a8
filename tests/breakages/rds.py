"""What can be wrong with an RDS instance."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from breakages.parts import Breakage, World

INSTANCE = "rds-staging"
_CHECK = f"[{INSTANCE}]"
_DECLARED = "rds.instances[0]"
_ALWAYS = (
    "is_configured_as_declared",
    "is_of_its_version",
    "is_private",
    "forces_tls",
    "is_backed_up",
    "is_settled",
)
_DECLARED_TOO = ("certificate_is_valid", "has_free_storage", "has_few_connections", "accepts_a_login")
_SERVER = ("answers_in_time", "has_connections_left", "uses_tls", "is_of_its_version")
_ALL = (
    *(f"rds.{name}{_CHECK}" for name in (*_ALWAYS, *_DECLARED_TOO)),
    *(f"postgres.{name}{_CHECK}" for name in _SERVER),
)


def _modified(*, at_once: bool = True, **settings: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.owner("rds").modify_db_instance(
            DBInstanceIdentifier=INSTANCE, ApplyImmediately=at_once, **settings
        )

    return change


def _stopped(world: World) -> None:
    world.owner("rds").stop_db_instance(DBInstanceIdentifier=INSTANCE)


def _deleted(world: World) -> None:
    world.owner("rds").delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)


def _lets_plain_connections_in(world: World) -> None:
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}
    world.owner("rds").modify_db_parameter_group(
        DBParameterGroupName=f"{INSTANCE}-parameters", Parameters=[force]
    )


def _group_needs_a_reboot(world: World) -> None:
    rds = world.owner("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="other", DBParameterGroupFamily="postgres17", Description="d"
    )
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName="other", Parameters=[force])
    rds.modify_db_instance(DBInstanceIdentifier=INSTANCE, DBParameterGroupName="other")


def _group_is_gone(world: World) -> None:
    world.owner("rds").delete_db_parameter_group(DBParameterGroupName=f"{INSTANCE}-parameters")


def _measured(metric: str, value: float) -> Callable[[World], None]:
    def publish(world: World) -> None:
        world.owner("cloudwatch").put_metric_data(
            Namespace="AWS/RDS",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": INSTANCE}],
                    "Timestamp": datetime.fromtimestamp(time.time(), UTC),
                    "Value": value,
                }
            ],
        )

    return publish


def _nothing(world: World) -> None:
    """The rule is stricter: in the emulator time does not pass for an instance."""


BREAKAGES = (
    Breakage(
        "the database instance was stopped",
        f"rds.is_available{_CHECK}",
        _stopped,
        ("is stopped, not available",),
    ),
    Breakage(
        "the database instance was deleted",
        f"rds.is_available{_CHECK}",
        _deleted,
        ("half deployed", "does not exist"),
        also=_ALL,  # nothing can be said of what is not there
    ),
    Breakage(
        "the database instance is of another class",
        f"rds.is_configured_as_declared{_CHECK}",
        _modified(DBInstanceClass="db.t3.medium"),
        ("class is db.t3.medium, declared db.t3.small",),
    ),
    Breakage(
        "the database instance has deletion protection that is not declared",
        f"rds.is_configured_as_declared{_CHECK}",
        _modified(DeletionProtection=True),
        ("deletion protection is on, declared off",),
    ),
    Breakage(
        "the database engine is of another version",
        f"rds.is_of_its_version{_CHECK}",
        _modified(EngineVersion="16.9"),
        ("version 16.9 runs, declared is 17",),
    ),
    Breakage(
        "the database is open to the internet",
        f"rds.is_private{_CHECK}",
        _modified(PubliclyAccessible=True),
        ("is publicly accessible",),
    ),
    Breakage(
        "the database takes connections without TLS",
        f"rds.forces_tls{_CHECK}",
        _lets_plain_connections_in,
        ("rds.force_ssl is 0 in its parameter group rds-staging-parameters, it must be 1",),
    ),
    Breakage(
        "the database's parameter group waits for a reboot",
        f"rds.forces_tls{_CHECK}",
        _group_needs_a_reboot,
        ("not in force: the group is pending-reboot",),
        also=(f"rds.is_settled{_CHECK}",),  # what is not in force is a change that waits
    ),
    Breakage(
        "the database's backups are kept for a day",
        f"rds.is_backed_up{_CHECK}",
        _modified(BackupRetentionPeriod=1),
        ("backups are kept for 1 days, declared are 7",),
    ),
    Breakage(
        "the database's newest backup is too old",
        f"rds.is_backed_up{_CHECK}",
        _nothing,
        ("restorable_age is ", "the rule is restorable_age <= 1ms", "restorable by its automated backups"),
        overrides=(f'{_DECLARED}.restorable_within="1ms"',),
    ),
    Breakage(
        "a change of the database waits for the maintenance window",
        f"rds.is_settled{_CHECK}",
        _modified(at_once=False, EngineVersion="17.9"),
        ("changes that are not in force: EngineVersion: 17.9",),
    ),
    Breakage(
        "the database's certificate is about to expire",
        f"rds.certificate_is_valid{_CHECK}",
        _nothing,
        ("certificate of rds-ca-rsa2048-g1", "certificate_left is "),
        overrides=(f'{_DECLARED}.certificate_left="36500d"',),
    ),
    Breakage(
        "the database's storage is nearly full",
        f"rds.has_free_storage{_CHECK}",
        _measured("FreeStorageSpace", 4.0 * 1024**3 - 1),
        ("free_storage is 19.9999", "the rule is free_storage >= 20%"),
    ),
    Breakage(
        "the database has too many connections",
        f"rds.has_few_connections{_CHECK}",
        _measured("DatabaseConnections", 151.0),
        ("connections is 151, the rule is connections <= 150",),
    ),
)
