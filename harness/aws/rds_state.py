"""RDS instances as AWS describes them: as few questions as there can be, and what each part of the answer means."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.aws import cloudformation, metrics
from harness.aws.census import Told
from harness.aws.faults import Absent, Fault
from harness.aws.metrics import Query, Sample
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field, replace

if TYPE_CHECKING:
    from harness.aws.rds import RdsInstance

FORCE_SSL = "rds.force_ssl"
_NAMES_A_CALL = 100
_FRESH = 900.0
"""How old a metric's newest sample may be, in seconds; RDS publishes one a minute."""
_GIB = 1024**3
_PASSWORD = "MasterUserPassword"  # noqa: S105 - the name of a setting


@dataclass(frozen=True)
class ParameterGroup:
    """A parameter group of an instance, and whether the instance runs with it: ``in-sync``, ``pending-reboot``."""

    name: str
    status: str


@dataclass(frozen=True)
class Snapshot:
    """The newest snapshot that can be used, and when it was made (epoch seconds)."""

    name: str
    at: float


@dataclass(frozen=True)
class InstanceState:
    """An instance as RDS describes it, trimmed to what is judged. `host` is empty while it has no endpoint.

    Times are epoch seconds, sizes bytes. `pending` are changes that were ordered and are not in force. `force_ssl` is
    the parameter's value in each of its groups, by the group's name. `unread` has, by part (``snapshots``,
    ``parameters``, ``metrics``), what was met instead of an answer: only the checks of that part end with it.
    """

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
    publicly_accessible: bool
    allocated: int
    stack: str = ""
    parameter_groups: tuple[ParameterGroup, ...] = ()
    pending: tuple[str, ...] = ()
    restorable_at: float | None = None
    certificate: str = ""
    certificate_until: float | None = None
    replica_of: str = ""
    snapshot: Snapshot | None = None
    force_ssl: Mapping[str, str] = field(default_factory=dict)
    free_storage: Sample | None = None
    connections: Sample | None = None
    unread: Mapping[str, Told] = field(default_factory=dict)

    def needs(self, part: str) -> None:
        """Go on only if this part could be read.

        Raises:
            Fault: it could not; the same for all its checks.
        """
        if part in self.unread:
            raise self.unread[part].again()


_Extra = dict[str, dict[str, Any]]
"""Instance -> further fields of its state."""


def read(aws: Aws, declared: "Sequence[RdsInstance]") -> dict[str, InstanceState | Fault]:
    """What `RdsInstance.read` gives."""
    found = _instances(aws, declared)
    seen = [item for item in declared if isinstance(found.get(item.id), InstanceState)]
    states = {id_: state for id_, state in found.items() if isinstance(state, InstanceState)}
    for part in (_snapshots(aws, seen), _force_ssl(aws, seen, states), _metrics(aws, seen)):
        for id_, extra in part.items():
            unread = {**states[id_].unread, **extra.pop("unread", {})}
            states[id_] = replace(states[id_], **extra, unread=unread)
    return {**found, **states}


def _instances(aws: Aws, declared: "Sequence[RdsInstance]") -> dict[str, InstanceState | Fault]:
    """The instances that exist, or what was met instead, by id. RDS keeps identifiers in lower case."""
    names = sorted({item.identifier.lower() for item in declared})
    chunks = [names[start : start + _NAMES_A_CALL] for start in range(0, len(names), _NAMES_A_CALL)]
    by_name: dict[str, InstanceState | Fault] = {}
    for chunk, seen in zip(chunks, aws.each(lambda chunk: _ask(aws, chunk), chunks), strict=True):
        by_name.update(dict.fromkeys(chunk, seen) if isinstance(seen, Fault) else seen)
    return {item.id: by_name[name] for item in declared if (name := item.identifier.lower()) in by_name}


def _ask(aws: Aws, names: Sequence[str]) -> dict[str, InstanceState]:
    """The instances of these names that exist. Where RDS takes one missing name for a missing answer, one by one."""
    key, about = "rds:DescribeDBInstances", _home(names)
    try:
        found = aws.items(
            key, about, "DBInstances", Filters=[{"Name": "db-instance-id", "Values": list(names)}]
        )
    except Absent:
        if len(names) == 1:
            return {}
        return {name: state for one in names for name, state in _ask(aws, [one]).items()}
    states = {state.identifier.lower(): state for state in (_state(data, key, about) for data in found)}
    return {name: states[name] for name in names if name in states}


def _home(names: Sequence[str]) -> str:
    return f"RDS instance{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _state(data: Mapping[str, Any], key: str, about: str) -> InstanceState:
    def get(name: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, name, key, about)

    endpoint, certificate = data.get("Endpoint") or {}, data.get("CertificateDetails") or {}
    backup_days = get("BackupRetentionPeriod")
    return InstanceState(
        identifier=get("DBInstanceIdentifier"),
        status=get("DBInstanceStatus"),
        engine=get("Engine"),
        engine_version=get("EngineVersion"),
        instance_class=get("DBInstanceClass"),
        multi_az=get("MultiAZ"),
        deletion_protection=get("DeletionProtection"),
        encrypted=get("StorageEncrypted"),
        backup_days=backup_days,
        database=str(data.get("DBName") or ""),
        host=str(endpoint.get("Address") or ""),
        port=int(endpoint.get("Port") or 0),
        publicly_accessible=get("PubliclyAccessible"),
        allocated=get("AllocatedStorage") * _GIB,
        stack=cloudformation.stack_of(data.get("TagList", ())),
        parameter_groups=tuple(
            ParameterGroup(
                str(group.get("DBParameterGroupName", "")), str(group.get("ParameterApplyStatus", ""))
            )
            for group in data.get("DBParameterGroups", ())
        ),
        pending=_pending(data.get("PendingModifiedValues") or {}),
        restorable_at=_epoch(data.get("LatestRestorableTime")) if backup_days else None,
        certificate=str(certificate.get("CAIdentifier") or data.get("CACertificateIdentifier") or ""),
        certificate_until=_epoch(certificate.get("ValidTill")),
        replica_of=str(data.get("ReadReplicaSourceDBInstanceIdentifier") or ""),
    )


def _pending(values: Mapping[str, Any]) -> tuple[str, ...]:
    """``EngineVersion: 17.5``; of a password only that it is about to change."""
    return tuple(
        name if name == _PASSWORD else f"{name}: {value}"
        for name, value in sorted(values.items())
        if value not in (None, "", [], {})
    )


def _epoch(at: Any) -> float | None:  # noqa: ANN401 - a datetime, or nothing
    return float(at.timestamp()) if at else None


def _snapshots(aws: Aws, instances: "Sequence[RdsInstance]") -> _Extra:
    """The newest available snapshot of each instance whose backups are judged by their age; all in one question."""
    asked = [item for item in instances if item.restorable_within]
    names = sorted({item.identifier.lower() for item in asked})
    if not names:
        return {}
    key, about = "rds:DescribeDBSnapshots", f"snapshots of {_home(names)}"
    newest: dict[str, Snapshot] = {}
    try:
        for start in range(0, len(names), _NAMES_A_CALL):
            values = names[start : start + _NAMES_A_CALL]
            for data in aws.items(
                key, about, "DBSnapshots", Filters=[{"Name": "db-instance-id", "Values": values}]
            ):
                at = _epoch(data.get("SnapshotCreateTime"))
                if data.get("Status") != "available" or at is None:
                    continue
                name = str(need(data, "DBInstanceIdentifier", key, about)).lower()
                if name not in newest or newest[name].at < at:
                    newest[name] = Snapshot(str(need(data, "DBSnapshotIdentifier", key, about)), at)
    except Fault as fault:
        return {item.id: {"unread": {"snapshots": Told.of(fault)}} for item in asked}
    return {item.id: {"snapshot": newest.get(item.identifier.lower())} for item in asked}


def _force_ssl(aws: Aws, instances: "Sequence[RdsInstance]", states: Mapping[str, InstanceState]) -> _Extra:
    """The value of ``rds.force_ssl`` in every group of the instances that must have it; each group asked once."""
    asked = {
        item.id: [group.name for group in states[item.id].parameter_groups]
        for item in instances
        if item.force_ssl
    }
    names = sorted({name for groups in asked.values() for name in groups})
    values = dict(zip(names, aws.each(lambda name: _parameter(aws, name), names), strict=True))
    found: _Extra = {}
    for id_, groups in asked.items():
        faults = [value for name in groups if isinstance(value := values[name], Fault)]
        found[id_] = (
            {"unread": {"parameters": Told.of(faults[0])}}
            if faults
            else {"force_ssl": {name: values[name] for name in groups}}
        )
    return found


def _parameter(aws: Aws, group: str) -> str:
    """``rds.force_ssl`` in a group: as it was set; else as the engine sets it, which takes all its parameters to find."""
    key, about = "rds:DescribeDBParameters", f"RDS parameter group {group}"
    for source in ({"Source": "user"}, {}):
        for data in aws.items(key, about, "Parameters", DBParameterGroupName=group, **source):
            if data.get("ParameterName") == FORCE_SSL and data.get("ParameterValue") is not None:
                return str(data["ParameterValue"])
    return ""


def _metrics(aws: Aws, instances: "Sequence[RdsInstance]") -> _Extra:
    """The newest free storage and connections of the instances that have rules on them; all in one question."""
    rows = {
        "free_storage": ("FreeStorageSpace", "Minimum"),
        "connections": ("DatabaseConnections", "Maximum"),
    }
    asked = [(item, name) for item in instances for name in rows if getattr(item, name) is not None]
    queries = [
        Query("AWS/RDS", metric, {"DBInstanceIdentifier": item.identifier.lower()}, statistic)
        for item, name in asked
        for metric, statistic in [rows[name]]
    ]
    found: _Extra = {}
    try:
        samples = metrics.latest(aws, queries, within=_FRESH)
    except Fault as fault:
        return {item.id: {"unread": {"metrics": Told.of(fault)}} for item, _ in asked}
    for (item, name), sample in zip(asked, samples, strict=True):
        found.setdefault(item.id, {})[name] = sample
    return found
