"""Route 53: hosted zones, what is in them, and who delegates to them; `harness.aws.zone_probe` adds a record to one.

The API takes five requests a second from a whole account, so a zone is read with as few as it allows: its name is
looked up once, and its records are listed page by page, 300 each.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from harness.aws.dns_records import DnsRecord, RecordState, find, plain_name, plain_target, record_state
from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.shapes import Field, model_validator

OPERATIONS = (
    Operation("route53", "ListHostedZonesByName"),
    Operation("route53", "GetHostedZone"),
    Operation("route53", "ListResourceRecordSets"),
    Operation("route53", "ChangeResourceRecordSets", mutating=True),
    Operation("route53", "GetChange"),
    Operation("elbv2", "DescribeLoadBalancers"),
)
PROBE = "_gonogo-"
"""How the names of our own probe records begin."""
_LIST, _RECORDS, _ZONE = (
    "route53:ListHostedZonesByName",
    "route53:ListResourceRecordSets",
    "route53:GetHostedZone",
)


class HostedZone(AwsResource):
    """``[[route53.zones]]``."""

    fixture: ClassVar[str] = "hosted_zone"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)

    name: str = Field(min_length=1)
    """The domain's name."""
    private: bool = False
    """Whether it answers inside VPCs only."""
    zone_id: str = ""
    """Which zone is meant, where several private ones have the name."""
    records: list[DnsRecord] = Field(default_factory=list)
    """The record sets that must be in it, exactly so; it may hold others."""
    parent: str = ""
    """The public zone of this account that delegates to it with an NS record."""
    probe: bool = False
    """Add, find and remove a TXT record of ours, where the profile allows writing."""

    @model_validator(mode="after")
    def _in_the_zone(self) -> "HostedZone":
        zone = plain_name(self.name)
        for record in self.records:
            if plain_name(record.name) != zone and not plain_name(record.name).endswith(f".{zone}"):
                msg = f"the record {record.name} is not in the zone {self.name}: write its whole name"
                raise ValueError(msg)
        if self.parent and (self.private or not zone.endswith(f".{plain_name(self.parent)}")):
            msg = f"{self.parent} cannot delegate to {self.name}: a parent is a public zone one level up or more"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """Its name; a private zone says so, because a public one may have the same."""
        return plain_name(self.name) + ("-private" if self.private else "")

    @property
    def home(self) -> str:
        """The zone."""
        return f"{'private ' if self.private else ''}Route 53 zone {self.id}"

    @property
    def balanced(self) -> tuple[DnsRecord, ...]:
        """The records that are aliases of a load balancer."""
        return tuple(record for record in self.records if record.load_balancer)

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """That it is there once, and of the rest what is declared; the probe where it may write."""
        asked = {
            "route53.is_the_only_one_of_its_name": True,
            "route53.holds_its_records": bool(self.records),
            "route53.aliases_point_at_their_load_balancer": bool(self.balanced),
            "route53.is_delegated": bool(self.parent),
            "route53.takes_a_record": self.probe and profile.aws.access == "read-write",
        }
        return tuple(check for check, applies in asked.items() if applies)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["HostedZone"]) -> Read:
        """Each zone with its declared records, its delegation, and the load balancers it points at."""
        balancers: tuple[LoadBalancer, ...] | Fault = ()
        if any(zone.balanced for zone in declared):
            try:
                balancers = load_balancers(aws)
            except Fault as fault:
                balancers = fault
        found = zip(declared, aws.each(lambda zone: _read(aws, zone, balancers), declared), strict=True)
        return {zone.id: state for zone, state in found if state is not None}


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer and the DNS name that it answers under."""

    name: str
    dns_name: str


@dataclass(frozen=True)
class Delegation:
    """What a parent zone says of a zone. `parent_id` is empty where there is no such parent in the account."""

    parent_id: str = ""
    name_servers: tuple[str, ...] = ()
    """The zone's own name servers."""
    delegated_to: tuple[str, ...] = ()
    """The name servers in the parent's NS record; empty where it has none."""


@dataclass(frozen=True)
class ZoneState:
    """A hosted zone; of its records those whose names are declared.

    `twins` are the ids of other zones of the same name and kind; where there are any and the profile does not say
    which is meant, the one with the most records is the one that is judged.
    """

    id: str
    name: str
    private: bool
    twins: tuple[str, ...] = ()
    records: tuple[RecordState, ...] = ()
    leftovers: tuple[RecordState, ...] = ()
    """Probe records of ours, this run's or an earlier one's."""
    delegation: Delegation | None = None
    load_balancers: tuple[LoadBalancer, ...] = ()
    """Those that its records are to point at, of those that exist."""


HostedZone.state_type = ZoneState


def _read(aws: Aws, zone: HostedZone, balancers: "tuple[LoadBalancer, ...] | Fault") -> ZoneState | None:
    """The zone's state; nothing where it does not exist."""
    same = zones_named(aws, zone.name, private=zone.private)
    meant = [item for item in same if not zone.zone_id or _bare(item["Id"]) == zone.zone_id]
    if not meant:
        return None
    if zone.balanced and isinstance(balancers, Fault):
        raise balancers
    chosen = max(meant, key=lambda item: (int(item.get("ResourceRecordSetCount", 0)), item["Id"]))
    id_ = _bare(chosen["Id"])
    every = [
        record_state(item) for item in aws.items(_RECORDS, zone.home, "ResourceRecordSets", HostedZoneId=id_)
    ]
    names = {plain_name(record.name) for record in zone.records}
    wanted = {record.load_balancer for record in zone.balanced}
    return ZoneState(
        id=id_,
        name=plain_name(zone.name),
        private=zone.private,
        twins=tuple(sorted(_bare(item["Id"]) for item in same if item is not chosen)),
        records=tuple(state for state in every if state.name in names),
        leftovers=tuple(state for state in every if state.name.startswith(PROBE) and state.type == "TXT"),
        delegation=_delegation(aws, zone, id_) if zone.parent else None,
        load_balancers=()
        if isinstance(balancers, Fault)
        else tuple(item for item in balancers if item.name in wanted),
    )


def zones_named(aws: Aws, name: str, *, private: bool) -> list[dict[str, Any]]:
    """All zones of this name and kind, as Route 53 lists them. The list begins at the name, so it ends with it too.

    Raises:
        Fault: it cannot be found out.
    """
    about, wanted = f"Route 53 zone {name}", plain_name(name)
    found: dict[str, dict[str, Any]] = {}
    start: dict[str, str] = {"DNSName": wanted}
    while True:
        answer = aws.call(_LIST, about, **start)
        page = need(answer, "HostedZones", _LIST, about)
        same = [item for item in page if plain_name(str(need(item, "Name", _LIST, about))) == wanted]
        found |= {str(need(item, "Id", _LIST, about)): item for item in same}
        if not answer.get("IsTruncated") or len(same) < len(page):
            return [
                item
                for item in found.values()
                if bool(item.get("Config", {}).get("PrivateZone", False)) == private
            ]
        following = {
            "DNSName": str(need(answer, "NextDNSName", _LIST, about)),
            "HostedZoneId": str(need(answer, "NextHostedZoneId", _LIST, about)),
        }
        if following == start:
            raise Broken(
                f"{_LIST} on {about}: the next page is this page", hint="what answers is not Route 53"
            )
        start = following


def _delegation(aws: Aws, zone: HostedZone, id_: str) -> Delegation:
    own = need(aws.call(_ZONE, zone.home, Id=id_), "DelegationSet", _ZONE, zone.home)
    servers = tuple(sorted(map(plain_name, need(own, "NameServers", _ZONE, zone.home))))
    parents = zones_named(aws, zone.parent, private=False)
    if not parents:
        return Delegation(name_servers=servers)
    parent = _bare(max(parents, key=lambda item: int(item.get("ResourceRecordSetCount", 0)))["Id"])
    record = record_at(aws, f"Route 53 zone {zone.parent}", parent, plain_name(zone.name), "NS")
    found = () if record is None else tuple(sorted(map(plain_name, record.values)))
    return Delegation(parent, servers, found)


def record_at(aws: Aws, about: str, zone: str, name: str, kind: str) -> RecordState | None:
    """The record set of this name and type, asked for alone; nothing where there is none.

    Raises:
        Fault: it cannot be found out.
    """
    answer = aws.call(
        _RECORDS, about, HostedZoneId=zone, StartRecordName=name, StartRecordType=kind, MaxItems="1"
    )
    records = [record_state(item) for item in need(answer, "ResourceRecordSets", _RECORDS, about)]
    return next((state for state in records if state.key == (plain_name(name), kind)), None)


def load_balancers(aws: Aws) -> tuple[LoadBalancer, ...]:
    """All load balancers of the region.

    Raises:
        Fault: it cannot be found out.
    """
    key, about = "elbv2:DescribeLoadBalancers", "load balancers"
    return tuple(
        LoadBalancer(str(need(item, "LoadBalancerName", key, about)), str(need(item, "DNSName", key, about)))
        for item in aws.shared_items(key, about, "LoadBalancers")
    )


def twin_problem(zone: HostedZone, state: ZoneState) -> str:
    """What is wrong with further zones of the same name; empty where nothing is."""
    if not state.twins or (zone.private and zone.zone_id):
        return ""
    several = f"there are {len(state.twins) + 1}: {', '.join((state.id, *state.twins))}"
    return f"{several}; the other checks judge {state.id}"


def alias_problems(zone: HostedZone, state: ZoneState) -> tuple[str, ...]:
    """Which aliases do not point at the load balancer they should; one that is missing is another check's."""
    targets = {item.name: item.dns_name for item in state.load_balancers}
    problems: list[str] = []
    for record in zone.balanced:
        found = find(record, state.records)
        if record.load_balancer not in targets:
            problems.append(
                f"{record.title} is for load balancer {record.load_balancer}, which does not exist"
            )
        elif (
            isinstance(found, RecordState)
            and found.alias
            and plain_target(found.alias) != plain_target(targets[record.load_balancer])
        ):
            problems.append(
                f"{record.title} points at {plain_name(found.alias)}, load balancer {record.load_balancer} "
                f"is {targets[record.load_balancer]}"
            )
    return tuple(problems)


def delegation_problem(zone: HostedZone, delegation: Delegation) -> str:
    """Why nobody who asks the parent zone comes to this one; empty where they do."""
    if not delegation.parent_id:
        return f"its parent, the zone {zone.parent}, does not exist in this account"
    if not delegation.delegated_to:
        return f"the zone {zone.parent} has no NS record for it"
    if delegation.delegated_to != delegation.name_servers:
        return (
            f"the zone {zone.parent} delegates it to {_listed(delegation.delegated_to)}, "
            f"its name servers are {_listed(delegation.name_servers)}"
        )
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _bare(id_: str) -> str:
    return id_.rpartition("/")[2]
