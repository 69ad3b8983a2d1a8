"""What is wrong with an RDS instance, judged by its state alone; and what one would look up next."""

from fractions import Fraction

from harness.aws import cloudformation
from harness.aws.diagnosis import gather
from harness.aws.rds import RdsInstance
from harness.aws.rds_state import FORCE_SSL, InstanceState
from harness.aws.session import Aws
from harness.profile.units import write_duration
from harness.threshold import Threshold, parse

USABLE = ("available", "backing-up", "storage-optimization")
"""The states in which RDS documents the instance as fully operational."""
_ON = ("1", "true", "on")
_EVENT_MINUTES = 24 * 60


def differences(instance: RdsInstance, state: InstanceState) -> tuple[str, ...]:
    """Every setting that is not as declared, e.g. ``class is db.t3.small, declared db.t3.micro``."""
    rows: list[tuple[str, object, object]] = [
        ("engine", state.engine, instance.engine),
        ("class", state.instance_class, instance.instance_class),
        ("Multi-AZ", state.multi_az, instance.multi_az),
        ("deletion protection", state.deletion_protection, instance.deletion_protection),
        ("encryption", state.encrypted, instance.encrypted),
    ]
    if instance.database:
        rows.append(("database", state.database, instance.database))
    return tuple(
        f"{name} is {_show(actual)}, declared {_show(wanted)}"
        for name, actual, wanted in rows
        if actual != wanted
    )


def version_problem(actual: str, declared: str) -> str:
    """How a version differs from the declared one, compared part by part as far as that goes; or empty."""
    parts = declared.split(".")
    return (
        "" if actual.split(".")[: len(parts)] == parts else f"version {actual} runs, declared is {declared}"
    )


def tls_problem(state: InstanceState) -> str:
    """Why the server does not refuse connections without TLS, as far as its parameters tell; empty where it does."""
    if not state.parameter_groups:
        return f"it has no parameter group, so nothing sets {FORCE_SSL}"
    for group in state.parameter_groups:
        value = state.force_ssl.get(group.name, "")
        if value.lower() not in _ON:
            return f"{FORCE_SSL} is {value or 'not set'} in its parameter group {group.name}, it must be 1"
        if group.status != "in-sync":
            return f"{FORCE_SSL} is 1 in parameter group {group.name}, but not in force: the group is {group.status}"
    return ""


def waiting(state: InstanceState) -> tuple[str, ...]:
    """Changes that were ordered and are not in force."""
    groups = (
        f"parameter group {group.name}: {group.status}"
        for group in state.parameter_groups
        if group.status != "in-sync"
    )
    return (*state.pending, *groups)


def retention_problem(instance: RdsInstance, state: InstanceState) -> str:
    """How the days that backups are kept for differ from what is declared; or empty."""
    if state.backup_days == instance.backup_days:
        return ""
    return f"backups are kept for {state.backup_days} days, declared are {instance.backup_days}"


def restorable(state: InstanceState) -> tuple[float | None, str]:
    """The newest moment that it can be restored to, in epoch seconds, and by what; none where there is none."""
    moments = [(state.restorable_at, "its automated backups")] if state.restorable_at is not None else []
    if state.snapshot is not None:
        moments.append((state.snapshot.at, f"snapshot {state.snapshot.name}"))
    return max(moments, default=(None, "nothing"))


def share(part: int, whole: int) -> Fraction | None:
    """A part of a whole, exactly; nothing of nothing is no number."""
    return Fraction(part, whole) if whole > 0 else None


def at_most(metric: str, seconds: float) -> Threshold:
    """The rule that a length of time must not be longer; exactly as long is allowed."""
    return parse(f"<= {write_duration(seconds)}", metric=metric)


def at_least(metric: str, seconds: float) -> Threshold:
    """The rule that a length of time must not be shorter; exactly as long is allowed."""
    return parse(f">= {write_duration(seconds)}", metric=metric)


def diagnose(aws: Aws, instance: RdsInstance, state: InstanceState | None = None) -> tuple[str, ...]:
    """Why it is not as it should be: the instance's events of the last day, and its stack's failures."""
    stack = state.stack if state else ""
    return gather(
        ("RDS events", lambda: _events(aws, instance)),
        ("stack events", lambda: cloudformation.failures(aws, stack) if stack else ()),
    )


def _events(aws: Aws, instance: RdsInstance) -> tuple[str, ...]:
    key = "rds:DescribeEvents"
    events = aws.items(
        key,
        instance.home,
        "Events",
        SourceIdentifier=instance.identifier,
        SourceType="db-instance",
        Duration=_EVENT_MINUTES,
    )
    return tuple(f"{event.get('Date', '')} {event.get('Message', '')}" for event in events[-5:])


def _show(value: object) -> str:
    match value:
        case True:
            return "on"
        case False:
            return "off"
        case _:
            return str(value) or "not set"
