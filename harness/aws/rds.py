"""RDS: instances and their settings; `harness.aws.postgres` logs in to their database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from harness.aws import cloudformation
from harness.aws.diagnosis import gather
from harness.aws.faults import Absent
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.model import Phase

OPERATIONS = (Operation("rds", "DescribeDBInstances"), Operation("rds", "DescribeEvents", diagnosis=True))
_EVENT_MINUTES = 24 * 60


class RdsInstance(AwsResource):
    """``[[rds.instances]]``."""

    fixture: ClassVar[str] = "rds_instance"
    uses: ClassVar[tuple[str, ...]] = (
        "rds:DescribeDBInstances",
        "secretsmanager:GetSecretValue",
        "rds:DescribeEvents",
        *cloudformation.DIAGNOSIS,
    )

    identifier: str
    instance_class: str
    multi_az: bool = False
    deletion_protection: bool = False
    encrypted: bool = True
    backup_days: int = Field(default=7, ge=0, le=35)
    engine: str = "postgres"
    database: str = ""
    secret: str = ""
    """The Secrets Manager secret that holds username, password, host, port and dbname; empty: no login is tried."""

    @property
    def id(self) -> str:
        """The instance's identifier."""
        return self.identifier

    @property
    def home(self) -> str:
        """The instance."""
        return f"RDS instance {self.identifier}"

    def arn(self, account: str, region: str) -> str:
        """The instance's ARN."""
        return f"arn:aws:rds:{region}:{account}:db:{self.identifier}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """State and settings; and a login where a secret is named."""
        login = ("rds.accepts_a_login",) if self.secret else ()
        return ("rds.is_available", "rds.is_configured_as_declared", *login)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["RdsInstance"]) -> Read:
        """One question each."""
        found = zip(declared, aws.each(lambda item: describe(aws, item), declared), strict=True)
        return {item.id: state for item, state in found if not isinstance(state, Absent)}


@dataclass(frozen=True)
class InstanceState:
    """An instance as RDS describes it, trimmed to what is judged. `host` is empty while it has no endpoint."""

    identifier: str
    status: str
    engine: str
    engine_version: str
    instance_class: str
    multi_az: bool
    deletion_protection: bool
    encrypted: bool
    backup_days: int
    database: str
    host: str
    port: int
    stack: str = ""


RdsInstance.state_type = InstanceState


def describe(aws: Aws, instance: RdsInstance) -> InstanceState:
    """The instance's state.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be found out.
    """
    key = "rds:DescribeDBInstances"
    answer = aws.call(key, instance.home, DBInstanceIdentifier=instance.identifier)
    found = need(answer, "DBInstances", key, instance.home)
    if not found:
        raise Absent(f"{instance.home} does not exist", hint="deploy it, or correct its name in the profile")
    return _state(found[0], key, instance.home)


def _state(data: Mapping[str, Any], key: str, about: str) -> InstanceState:
    def get(field: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, field, key, about)

    endpoint = data.get("Endpoint") or {}
    return InstanceState(
        identifier=get("DBInstanceIdentifier"),
        status=get("DBInstanceStatus"),
        engine=get("Engine"),
        engine_version=str(data.get("EngineVersion", "")),
        instance_class=get("DBInstanceClass"),
        multi_az=get("MultiAZ"),
        deletion_protection=get("DeletionProtection"),
        encrypted=get("StorageEncrypted"),
        backup_days=get("BackupRetentionPeriod"),
        database=str(data.get("DBName") or ""),
        host=str(endpoint.get("Address") or ""),
        port=int(endpoint.get("Port") or 0),
        stack=cloudformation.stack_of(data.get("TagList", ())),
    )


def differences(instance: RdsInstance, state: InstanceState) -> tuple[str, ...]:
    """Every setting that is not as declared, e.g. ``class is db.t3.small, declared db.t3.micro``."""
    rows: list[tuple[str, object, object]] = [
        ("engine", state.engine, instance.engine),
        ("class", state.instance_class, instance.instance_class),
        ("Multi-AZ", state.multi_az, instance.multi_az),
        ("deletion protection", state.deletion_protection, instance.deletion_protection),
        ("encryption", state.encrypted, instance.encrypted),
        ("backup days", state.backup_days, instance.backup_days),
    ]
    if instance.database:
        rows.append(("database", state.database, instance.database))
    return tuple(
        f"{name} is {_show(actual)}, declared {_show(wanted)}"
        for name, actual, wanted in rows
        if actual != wanted
    )


def diagnose(aws: Aws, instance: RdsInstance, state: InstanceState | None = None) -> tuple[str, ...]:
    """Why it is not as it should be: the instance's events of the last day, and its stack's failures."""
    stack = state.stack if state else ""
    return gather(
        ("RDS events", lambda: _events(aws, instance)),
        ("stack events", lambda: cloudformation.failures(aws, stack) if stack else ()),
    )


def _events(aws: Aws, instance: RdsInstance) -> tuple[str, ...]:
    key = "rds:DescribeEvents"
    answer = aws.call(
        key,
        instance.home,
        SourceIdentifier=instance.identifier,
        SourceType="db-instance",
        Duration=_EVENT_MINUTES,
    )
    return tuple(
        f"{event.get('Date', '')} {event.get('Message', '')}" for event in answer.get("Events", ())[-5:]
    )


def _show(value: object) -> str:
    match value:
        case True:
            return "on"
        case False:
            return "off"
        case _:
            return str(value) or "not set"
