"""Hosted zones made and removed under load. They are public zones that nobody delegates to, so that nothing resolves in
them, below a suffix that the profile names.

Zones of ours are told by two marks, which both must be there before one is removed: the first label of the name, and a
comment that says which run made it and when. Route 53 takes five requests a second from a whole account, and charges
nothing for a zone that is removed within twelve hours.
"""

import re
from time import time
from typing import Any

from harness.aws.dns_records import plain_name
from harness.aws.faults import Fault
from harness.aws.operations import Operation
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.polling import poll

OPERATIONS = (
    Operation("route53", "CreateHostedZone", mutating=True),
    Operation("route53", "DeleteHostedZone", mutating=True),
    Operation("route53", "ListHostedZones"),
)
USES = tuple(row.key for row in OPERATIONS)
"""What a load of hosted zones asks."""
_CREATE, _DELETE, _LIST = USES
LEFTOVER_AGE = 600.0
"""Seconds after which a zone of another load run belongs to nobody any more."""
_LABEL = "gonogo-load-"
_COMMENT = re.compile(r"load probe of gonogo, run ([0-9a-f]*), made (\d+)")


@dataclass(frozen=True)
class LoadZone:
    """A hosted zone that a load run made; `age` in seconds."""

    id: str
    name: str
    run: str
    age: float


def create(aws: Aws, suffix: str, *, run: str, number: str) -> str:
    """Make the zone ``gonogo-load-<number>.<suffix>``; returns its id.

    Raises:
        Fault: Route 53 refused, or does not answer: it may be there all the same (`leftovers`).
    """
    name = f"{_LABEL}{number}.{plain_name(suffix)}"
    answer = aws.call(
        _CREATE,
        f"Route 53 zone {name}",
        Name=name,
        CallerReference=f"{run}-{number}",
        HostedZoneConfig={
            "Comment": f"load probe of gonogo, run {run}, made {time():.0f}",
            "PrivateZone": False,
        },
    )
    zone = need(answer, "HostedZone", _CREATE, name)
    return str(need(zone, "Id", _CREATE, name)).rpartition("/")[2]


def delete(aws: Aws, id_: str) -> None:
    """Remove a zone that this run made.

    Raises:
        Fault: Route 53 refused, or does not answer.
    """
    need(aws.call(_DELETE, f"Route 53 zone {id_}", Id=id_), "ChangeInfo", _DELETE, id_)


def leftovers(aws: Aws, suffix: str) -> tuple[LoadZone, ...]:
    """The zones below a suffix that load runs made.

    Raises:
        Fault: Route 53 cannot be asked.
    """
    listed = aws.items(_LIST, f"Route 53 zones below {suffix}", "HostedZones")
    return tuple(zone for answer in listed if (zone := _ours(answer, suffix)) is not None)


def sweep(aws: Aws, suffix: str, *, run: str = "") -> int:
    """Remove the zones that the run `run` made, and those of runs that are long over; returns how many.

    Raises:
        Fault: one could not be removed.
    """
    found = [zone for zone in leftovers(aws, suffix) if zone.run == run or zone.age > LEFTOVER_AGE]
    for zone in found:
        delete(aws, zone.id)
    return len(found)


def sweep_soon(aws: Aws, suffix: str, *, run: str, timeout: float) -> Fault | None:
    """As `sweep`, tried again for `timeout` seconds where Route 53 throttles; the fault where zones are still there."""

    def attempt() -> Fault | None:
        try:
            sweep(aws, suffix, run=run)
        except Fault as fault:
            return fault
        return None

    return poll(attempt, lambda fault: fault is None, timeout=timeout, pause=1.0)


def _ours(zone: dict[str, Any], suffix: str) -> LoadZone | None:
    """The zone, where it bears both marks."""
    name = plain_name(zone["Name"])
    label, _, rest = name.partition(".")
    told = _COMMENT.fullmatch(zone.get("Config", {}).get("Comment", ""))
    if not label.startswith(_LABEL) or rest != plain_name(suffix) or told is None:
        return None
    return LoadZone(str(zone["Id"]).rpartition("/")[2], name, told[1], time() - int(told[2]))
