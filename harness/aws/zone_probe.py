"""A probe record through a hosted zone: added, spread to all name servers, found, and removed again.

It is a TXT record ``_gonogo-<id>.<zone>`` whose text says when it was made, so that one that a killed run left behind is
known for what it is: whoever comes later than an hour removes it.
"""

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from harness.aws.dns_records import RecordState, plain_text
from harness.aws.faults import Fault
from harness.aws.route53 import PROBE, HostedZone, ZoneState, record_at
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Outcome
from harness.polling import poll

LEFTOVER_AGE = 3600.0
"""Seconds after which a probe record belongs to nobody any more."""
_TTL = 60
_TEXT = re.compile(r"gonogo probe (\d+)")
_CHANGE, _STATUS = "route53:ChangeResourceRecordSets", "route53:GetChange"
_FIRST_LOOK = 0.25


class NotSpread(Fault):
    """Route 53 took the record, and it is not there in time, or not as it was written."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Spread:
    """How a probe record fared: `seconds` from asking for it to all of Route 53's name servers having it."""

    name: str
    seconds: float
    looks: int
    """How often the change's status was asked for."""
    swept: tuple[str, ...] = ()
    """Probe records of earlier runs that were removed."""
    unswept: str = ""
    """Why such a record could not be removed."""


def spread(
    aws: Aws,
    zone: HostedZone,
    state: ZoneState,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Spread:
    """Add a probe record, wait until it has spread, find it, and remove it whatever happened.

    Raises:
        NotSpread: it was accepted, and is not there within `timeout` seconds.
        Fault: Route 53 refused the change, or does not answer.
    """
    probe = RecordState(
        f"{PROBE}{uuid.uuid4().hex}.{state.name}", "TXT", _TTL, (f'"gonogo probe {now():.0f}"',)
    )
    started = clock()
    try:
        change = _change(aws, zone, state, "CREATE", probe)
        looks = _wait(aws, zone, change, started + timeout, clock, sleep)
        seconds = clock() - started
        _confirm(aws, zone, state, probe)
    except BaseException as error:
        left = _remove(aws, zone, state, probe)
        if left and isinstance(error, Fault):
            raise type(error)(f"{error.message}; {left}", hint=error.hint) from error
        raise
    _change(aws, zone, state, "DELETE", probe)
    swept, unswept = _sweep(aws, zone, state, now())
    return Spread(probe.name, seconds, looks, swept, unswept)


def _change(
    aws: Aws, zone: HostedZone, state: ZoneState, action: str, *records: RecordState
) -> dict[str, Any]:
    changes = [{"Action": action, "ResourceRecordSet": _record_set(record)} for record in records]
    answer = aws.call(
        _CHANGE,
        zone.home,
        HostedZoneId=state.id,
        ChangeBatch={"Comment": "a probe of gonogo", "Changes": changes},
    )
    info: dict[str, Any] = need(answer, "ChangeInfo", _CHANGE, zone.home)
    return info


def _record_set(record: RecordState) -> dict[str, Any]:
    return {
        "Name": record.name,
        "Type": record.type,
        "TTL": record.ttl,
        "ResourceRecords": [{"Value": value} for value in record.values],
    }


def _wait(
    aws: Aws,
    zone: HostedZone,
    change: dict[str, Any],
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> int:
    """Ask until the change is INSYNC; returns how often. The answer to the change itself is the first thing seen."""
    looks = 0

    def status() -> str:
        nonlocal change, looks
        if looks:
            id_ = need(change, "Id", _STATUS, zone.home)
            change = need(aws.call(_STATUS, zone.home, Id=id_), "ChangeInfo", _STATUS, zone.home)
        looks += 1
        return str(need(change, "Status", _STATUS, zone.home))

    seen = poll(
        status,
        lambda told: told == "INSYNC",
        timeout=deadline - clock(),
        pause=_FIRST_LOOK,
        clock=clock,
        sleep=sleep,
    )
    if seen != "INSYNC":
        raise NotSpread(
            f"{zone.home}: its name servers did not take a new record in time: the change is {seen}, not INSYNC",
            hint="changes take up to a minute as a rule: see the health of Route 53, or give "
            "[gates.integration] settle more time",
        )
    return looks - 1


def _confirm(aws: Aws, zone: HostedZone, state: ZoneState, probe: RecordState) -> None:
    found = record_at(aws, zone.home, state.id, probe.name, probe.type)
    if found is None or [plain_text(text) for text in found.values] != [plain_text(probe.values[0])]:
        what = "is gone again" if found is None else f"reads {', '.join(found.values)}"
        raise NotSpread(
            f"{zone.home}: the record {probe.name} was added, spread, and {what}",
            hint="see in CloudTrail who else changes the zone: whatever removes unknown records is at work in it",
        )


def _remove(aws: Aws, zone: HostedZone, state: ZoneState, probe: RecordState) -> str:
    """Remove the probe after a failure, if it is there; says so where it stays."""
    try:
        if found := record_at(aws, zone.home, state.id, probe.name, probe.type):
            _change(aws, zone, state, "DELETE", found)
    except Fault as fault:
        return f"its record {probe.name} may still be there ({fault.message}); a run after an hour removes it"
    return ""


def _sweep(aws: Aws, zone: HostedZone, state: ZoneState, now: float) -> tuple[tuple[str, ...], str]:
    """Remove what earlier runs left; another run may do so at the same time, so that it fails breaks nothing."""
    old = tuple(record for record in state.leftovers if _age(record, now) > LEFTOVER_AGE)
    if not old:
        return (), ""
    try:
        _change(aws, zone, state, "DELETE", *old)
    except Fault as fault:
        return (), fault.message
    return tuple(record.name for record in old), ""


def _age(record: RecordState, now: float) -> float:
    """Seconds since a probe record was made; none of ours has no age."""
    made = _TEXT.fullmatch(plain_text(record.values[0]) if len(record.values) == 1 else "")
    return now - int(made[1]) if made else 0.0
