"""RDS: what a profile says of an instance. `harness.aws.rds_state` reads it, `harness.aws.rds_rules` judges it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from harness.aws import cloudformation, metrics
from harness.aws.operations import Operation
from harness.aws.rds_state import InstanceState, read
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws
from harness.model import Phase, Unit
from harness.profile.schema import Duration, Section, rule
from harness.shapes import Field, model_validator
from harness.threshold import Threshold

OPERATIONS = (
    Operation("rds", "DescribeDBInstances"),
    Operation("rds", "DescribeDBParameters"),
    Operation("rds", "DescribeDBSnapshots"),
    Operation("rds", "DescribeEvents", diagnosis=True),
)
_LIMITS: Mapping[str, tuple[tuple[Unit, ...], str]] = {
    "free_storage": ((Unit.RATIO, Unit.BYTES), ">"),
    "connections": ((Unit.COUNT,), "<"),
    "query_time": ((Unit.SECONDS,), "<"),
    "connection_usage": ((Unit.RATIO,), "<"),
    "replication_lag": ((Unit.SECONDS,), "<"),
}
"""Rule -> the units that its limit may have, and whether that is a floor or a ceiling."""
_NEED_LOGIN = ("query_time", "connection_usage", "replication_lag", "migrations")


class Migrations(Section):
    """``migrations`` of an instance: which revision its schema must be at, and the table that says so."""

    table: str = Field(default="alembic_version", min_length=1)
    """The table, with its schema where that is not on the search path: ``app.alembic_version``."""
    column: str = Field(default="version_num", min_length=1)
    """The column that holds revisions."""
    latest_by: str = ""
    """The column by which the newest row is found, in a table that keeps a history; empty: every row counts, as in
    Alembic's, which holds the current heads alone."""
    revision: str = Field(min_length=1)
    """The revision that must be there, and no other."""
    expect: Literal["now", "after-deploy"] = "now"
    """Whether the database must be there before the deploy already, or gets there with this very release."""


class RdsInstance(AwsResource):
    """``[[rds.instances]]``."""

    parity: ClassVar[Mapping[str, str]] = {
        "engine": "engine",
        "engine_version": "engine_version",
        "instance_class": "instance_class",
        "multi_az": "multi_az",
        "deletion_protection": "deletion_protection",
        "encrypted": "encrypted",
        "backup_days": "backup_days",
        "publicly_accessible": "publicly_accessible",
    }
    fixture: ClassVar[str] = "rds_instance"
    uses: ClassVar[tuple[str, ...]] = (
        "rds:DescribeDBInstances",
        "rds:DescribeDBParameters",
        "rds:DescribeDBSnapshots",
        *metrics.USES,
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
    """For how many days automated backups are kept."""
    restorable_within: Duration = Field(default=0.0, ge=0)
    """How long ago the newest moment may be that it can be restored to, by its backups or a snapshot; 0: not judged."""
    engine: str = "postgres"
    engine_version: str = Field(default="", pattern=r"^[0-9A-Za-z._-]*$")
    """Compared part by part, as far as it goes: ``17`` is any 17, ``17.4`` is not 17.40. Empty: not judged."""
    publicly_accessible: bool = False
    """Whether it may be reached from the internet."""
    force_ssl: bool = False
    """Whether the server must refuse connections without TLS (parameter ``rds.force_ssl``)."""
    certificate_left: Duration = Field(default=0.0, ge=0)
    """For how long the certificate of its endpoint must still be valid; 0: not judged."""
    free_storage: Annotated[Threshold, rule("free_storage")] | None = None
    """A rule on its free storage, as a part of what is allocated (``>= 20%``) or as a size (``>= 5GB``)."""
    connections: Annotated[Threshold, rule("connections")] | None = None
    """A rule on its open connections, as CloudWatch counts them: ``<= 80``."""
    database: str = ""
    secret: str = ""
    """The Secrets Manager secret that holds username, password, host, port and dbname; empty: no login is tried."""
    query_time: Annotated[Threshold, rule("query_time")] | None = None
    """A rule on how long ``SELECT 1`` takes, in the middle of several: ``< 100ms``."""
    connection_usage: Annotated[Threshold, rule("connection_usage")] | None = None
    """A rule on the part of the server's ``max_connections`` that is in use: ``<= 80%``."""
    replication_lag: Annotated[Threshold, rule("replication_lag")] | None = None
    """A rule on how far a standby is behind, for one that is a standby or has one: ``< 30s``."""
    migrations: Migrations | None = None

    @model_validator(mode="after")
    def _rules_fit(self) -> "RdsInstance":
        for name, (units, op) in _LIMITS.items():
            threshold: Threshold | None = getattr(self, name)
            if threshold is None:
                continue
            if threshold.limit.unit not in units or not threshold.op.startswith(op) or threshold.window:
                wanted = " or ".join(unit.name.lower() for unit in units)
                msg = f"{name}: {threshold.text!r} must be a limit with {op} or {op}=, as {wanted}, at one moment"
                raise ValueError(msg)
        alone = [name for name in _NEED_LOGIN if getattr(self, name) is not None and not self.secret]
        if alone:
            msg = f"{', '.join(alone)} can only be seen by logging in: name the `secret` with the credentials"
            raise ValueError(msg)
        if self.secret and "postgres" not in self.engine:
            msg = f"`secret` is for a login to PostgreSQL, the engine is {self.engine}"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """The instance's identifier."""
        return self.identifier

    @property
    def home(self) -> str:
        """The instance."""
        return f"RDS instance {self.identifier}"

    @property
    def tls(self) -> bool:
        """Whether logins must use TLS."""
        return self.force_ssl and bool(self.secret)

    @property
    def server_version(self) -> bool:
        """Whether the server itself is asked for its version."""
        return bool(self.engine_version and self.secret)

    def arn(self, account: str, region: str) -> str:
        """The instance's ARN."""
        return f"arn:aws:rds:{region}:{account}:db:{self.identifier}"

    def arns(self, account: str, region: str) -> tuple[str, ...]:
        """The instance, and its secret, whose ARN ends with six characters that Secrets Manager chose."""
        secret = (
            self.secret
            if self.secret.startswith("arn:")
            else f"arn:aws:secretsmanager:{region}:{account}:secret:{self.secret}-??????"
        )
        return (self.arn(account, region), *((secret,) if self.secret else ()))

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """What every instance must be; and what the profile declares of it beyond that."""
        declared = {
            "rds.is_of_its_version": self.engine_version,
            "rds.forces_tls": self.force_ssl,
            "rds.certificate_is_valid": self.certificate_left,
            "rds.has_free_storage": self.free_storage,
            "rds.has_few_connections": self.connections,
            "rds.accepts_a_login": self.secret,
            "postgres.answers_in_time": self.secret,
            "postgres.uses_tls": self.tls,
            "postgres.is_of_its_version": self.server_version,
            "postgres.has_connections_left": self.connection_usage,
            "postgres.replicates": self.replication_lag,
            "postgres.is_at_its_revision": self.migrations,
        }
        always = ("available", "configured_as_declared", "private", "backed_up", "settled")
        return (*(f"rds.is_{name}" for name in always), *(name for name, told in declared.items() if told))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["RdsInstance"]) -> Read:
        """A hundred instances a call, and what their profile wants judged beside: snapshots, parameters, metrics."""
        return read(aws, declared)


RdsInstance.state_type = InstanceState
