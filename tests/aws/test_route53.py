from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.aws import route53, zone_probe
from harness.aws.dns_records import DnsRecord, RecordState
from harness.aws.faults import Broken, Denied
from harness.aws.route53 import Delegation, HostedZone, LoadBalancer, ZoneState, zones_named
from harness.aws.session import Aws
from harness.aws.zone_probe import NotSpread, Spread, spread
from harness.model import Outcome, Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
ZONE = HostedZone(
    name="Example.com.", records=[DnsRecord(name="www.example.com", type="CNAME", values=["example.com"])]
)
NOW = 1_800_000_000.0


class Canned:
    """Answers to be given, by operation and in order; what was asked is kept. A fault is raised."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, key: str, _about: str, /, **parameters: Any) -> Any:
        name = key.partition(":")[2]
        self.asked.append((name, parameters))
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def items(self, key: str, about: str, field: str, /, **parameters: Any) -> Any:
        return self.call(key, about, **parameters)[field]

    shared_items = items

    def each(self, question: Callable[[Any], Any], things: Any) -> list[Any]:
        return Aws.each(self, question, things)  # type: ignore[arg-type]


def make_zone(owner: Owner, name: str = "example.com", reference: str = "", **settings: Any) -> str:
    made = owner("route53").create_hosted_zone(Name=name, CallerReference=reference or name, **settings)
    id_: str = made["HostedZone"]["Id"].rpartition("/")[2]
    return id_


def put(owner: Owner, zone: str, *records: dict[str, Any], action: str = "UPSERT") -> None:
    changes = [{"Action": action, "ResourceRecordSet": {"TTL": 300, **record}} for record in records]
    owner("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def record(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "ResourceRecords": [{"Value": value} for value in values]}


def state_of(aws: Aws, zone: HostedZone) -> ZoneState:
    found = HostedZone.read(aws, [zone])[zone.id]
    assert isinstance(found, ZoneState)
    return found


def test_the_state_of_a_real_zone(aws: Aws, owner: Owner) -> None:
    id_ = make_zone(owner)
    make_zone(owner, "example.com.au")
    make_zone(owner, "private.example.com", HostedZoneConfig={"PrivateZone": True, "Comment": ""},
              VPC={"VPCRegion": "us-east-1", "VPCId": "vpc-1"})  # fmt: skip
    put(
        owner,
        id_,
        record("www.example.com", "CNAME", "example.com"),
        record("x.example.com", "A", "192.0.2.1"),
    )
    state = state_of(aws, ZONE)
    assert (state.id, state.name, state.twins) == (id_, "example.com", ())
    assert state.records == (RecordState("www.example.com", "CNAME", 300, ("example.com",)),)
    private = HostedZone(name="private.example.com", private=True)
    assert state_of(aws, private).private
    others = [HostedZone(name="nosuch.com"), HostedZone(name="private.example.com"), private]
    assert HostedZone.read(aws, others).keys() == {"private.example.com-private"}


def test_of_two_zones_of_a_name_the_fuller_is_judged(aws: Aws, owner: Owner) -> None:
    empty = make_zone(owner)
    full = make_zone(owner, reference="another")
    put(owner, full, record("www.example.com", "CNAME", "example.com"))
    state = state_of(aws, ZONE)
    assert (state.id, state.twins) == (full, (empty,))
    assert len(state.records) == 1
    problem = route53.twin_problem(ZONE, state)
    assert problem == f"there are 2: {full}, {empty}; the other checks judge {full}"
    assert route53.twin_problem(ZONE, replace(state, twins=())) == ""
    pinned = ZONE.model_copy(update={"zone_id": empty})
    assert state_of(aws, pinned).id == empty
    assert route53.twin_problem(pinned, state_of(aws, pinned)), "two public zones are never right"
    private = HostedZone(name="example.com", private=True, zone_id="Z1")
    assert route53.twin_problem(private, replace(state, private=True)) == ""
    assert route53.twin_problem(private.model_copy(update={"zone_id": ""}), state)


def test_all_records_of_a_zone_are_read(aws: Aws, owner: Owner) -> None:
    id_ = make_zone(owner)
    for start in (0, 200):
        put(
            owner, id_, *(record(f"a{n:03}.example.com", "A", "192.0.2.1") for n in range(start, start + 200))
        )
    last = HostedZone(
        name="example.com", records=[DnsRecord(name="a399.example.com", type="A", values=["x"])]
    )
    assert len(state_of(aws, last).records) == 1
    assert aws.calls["route53:ListResourceRecordSets"] == 2


def test_a_zone_is_looked_for_on_every_page() -> None:
    def zone(number: int, name: str = "example.com.", **more: Any) -> dict[str, Any]:
        return {"Id": f"/hostedzone/Z{number}", "Name": name, **more}

    more = {"IsTruncated": True, "NextDNSName": "example.com.", "NextHostedZoneId": "Z2"}
    pages = Canned(
        ListHostedZonesByName=[
            {"HostedZones": [zone(1)], **more},
            {"HostedZones": [zone(2, Config={"PrivateZone": True}), zone(3, "example.de.")], **more},
        ]
    )
    found = zones_named(pages, "example.com", private=False)  # type: ignore[arg-type]
    assert [item["Id"] for item in found] == ["/hostedzone/Z1"]
    assert pages.asked[1][1] == {"DNSName": "example.com.", "HostedZoneId": "Z2"}
    assert len(pages.asked) == 2, "names are in order: after another name there is none"
    stuck = Canned(ListHostedZonesByName=[{"HostedZones": [zone(1)], **more}])
    with pytest.raises(Broken, match="the next page is this page"):
        zones_named(stuck, "example.com", private=False)  # type: ignore[arg-type]
    for broken in ({}, {"HostedZones": [{"Id": "Z1"}]}, {"HostedZones": [{"Name": "example.com"}]}):
        with pytest.raises(Broken, match="the answer has no"):
            zones_named(Canned(ListHostedZonesByName=[broken]), "example.com", private=False)  # type: ignore[arg-type]


def test_what_is_denied_is_told_for_the_zones_that_need_it() -> None:
    denied = Denied("no", hint="")
    zones = {"HostedZones": [{"Id": "/hostedzone/Z1", "Name": "example.com."}]}
    refused = Canned(ListHostedZonesByName=[denied])
    assert HostedZone.read(refused, [ZONE])["example.com"] is denied  # type: ignore[arg-type]
    balanced = HostedZone(
        name="example.com", records=[DnsRecord(name="example.com", type="A", load_balancer="m")]
    )
    blind = Canned(
        ListHostedZonesByName=[zones], DescribeLoadBalancers=[denied], ListResourceRecordSets=[{"ResourceRecordSets": []}]
    )  # fmt: skip
    assert HostedZone.read(blind, [balanced])["example.com"] is denied  # type: ignore[arg-type]
    private = {"HostedZones": [{**zones["HostedZones"][0], "Config": {"PrivateZone": True}}]}
    other = HostedZone(name="example.com", private=True)
    blind.answers["ListHostedZonesByName"] = [private]
    assert isinstance(HostedZone.read(blind, [other])["example.com-private"], ZoneState)  # type: ignore[arg-type]


# Aliases and delegation


def test_aliases_point_at_the_load_balancer_that_is_there(aws: Aws, owner: Owner) -> None:
    id_ = make_zone(owner)
    made = owner("elbv2").create_load_balancer(Name="main", Subnets=["subnet-1", "subnet-2"])[
        "LoadBalancers"
    ][0]
    alias = {"HostedZoneId": "Z1", "EvaluateTargetHealth": False, "DNSName": f"dualstack.{made['DNSName']}"}
    owner("route53").change_resource_record_sets(
        HostedZoneId=id_,
        ChangeBatch={
            "Changes": [
                {"Action": "CREATE", "ResourceRecordSet": {"Name": "example.com", "Type": "A", "AliasTarget": alias}}
            ]
        },
    )  # fmt: skip
    zone = HostedZone(
        name="example.com", records=[DnsRecord(name="example.com", type="A", load_balancer="main")]
    )
    state = state_of(aws, zone)
    assert state.load_balancers == (LoadBalancer("main", made["DNSName"]),)
    assert route53.alias_problems(zone, state) == ()
    moved = replace(state, records=(RecordState("example.com", "A", alias="Old.elb.amazonaws.com."),))
    (problem,) = route53.alias_problems(zone, moved)
    assert problem.startswith("A example.com points at old.elb.amazonaws.com, load balancer main is ")
    (gone,) = route53.alias_problems(zone, replace(state, load_balancers=()))
    assert gone == "A example.com is for load balancer main, which does not exist"
    assert route53.alias_problems(zone, replace(state, records=())) == (), "another check says so"


def test_a_zone_is_delegated_to_its_name_servers(aws: Aws, owner: Owner) -> None:
    id_ = make_zone(owner, "dev.example.com")
    zone = HostedZone(name="dev.example.com", parent="example.com")
    alone = state_of(aws, zone).delegation
    assert alone is not None
    assert not alone.parent_id
    assert "the zone example.com, does not exist in this account" in route53.delegation_problem(zone, alone)
    parent = make_zone(owner)
    put(owner, parent, record("zzz.example.com", "A", "192.0.2.1"))
    unknown = state_of(aws, zone).delegation
    assert unknown is not None
    assert route53.delegation_problem(zone, unknown) == "the zone example.com has no NS record for it"
    servers = owner("route53").get_hosted_zone(Id=id_)["DelegationSet"]["NameServers"]
    servers = [server.removesuffix(".") for server in servers]
    put(owner, parent, record("dev.example.com", "NS", *(f"{server}." for server in reversed(servers))))
    whole = state_of(aws, zone).delegation
    assert whole is not None
    assert whole == Delegation(parent, tuple(sorted(servers)), tuple(sorted(servers)))
    assert route53.delegation_problem(zone, whole) == ""
    stale = replace(whole, delegated_to=whole.delegated_to[:-1])
    assert "delegates it to ns-1" in route53.delegation_problem(zone, stale)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"records": [{"name": "www.example.org", "type": "A", "values": ["192.0.2.1"]}]}, "is not in the zone"),
        ({"records": [{"name": "www", "type": "A", "values": ["192.0.2.1"]}]}, "write its whole name"),
        ({"records": [{"name": "notexample.com", "type": "A", "values": ["192.0.2.1"]}]}, "is not in the zone"),
        ({"parent": "example.org"}, "cannot delegate"),
        ({"parent": "example.com"}, "cannot delegate"),
        ({"parent": "com", "private": True}, "cannot delegate"),
    ],
)  # fmt: skip
def test_what_cannot_be_declared(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        HostedZone.model_validate({"name": "example.com", **wrong})


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    bare = HostedZone(name="example.com")
    assert bare.mandatory(make_profile(), Phase.PRE_DEPLOY) == ("route53.is_the_only_one_of_its_name",)
    records = [DnsRecord(name="dev.example.com", type="A", load_balancer="main")]
    full = HostedZone(name="dev.example.com", records=records, parent="example.com", probe=True)
    writing = make_profile(access="read-write")
    assert set(full.mandatory(writing, Phase.PRE_DEPLOY)) - set(
        full.mandatory(make_profile(), Phase.PRE_DEPLOY)
    ) == {"route53.takes_a_record"}
    assert len(full.mandatory(writing, Phase.PRE_DEPLOY)) == 5
    assert full.home == "Route 53 zone dev.example.com"
    assert HostedZone(name="a.com", private=True).home == "private Route 53 zone a.com-private"


# The probe


def _names(owner: Owner, zone: str) -> list[str]:
    return [item["Name"] for item in owner("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]]  # fmt: skip


def test_a_probe_goes_through_a_real_zone_and_leaves_nothing(aws: Aws, owner: Owner) -> None:
    id_ = make_zone(owner)
    old = record("_gonogo-old.example.com", "TXT", f'"gonogo probe {NOW - 3601:.0f}"')
    young = record("_gonogo-young.example.com", "TXT", f'"gonogo probe {NOW - 3600:.0f}"')
    foreign = record("_gonogo-challenge.example.com", "TXT", '"of somebody else"')
    put(owner, id_, old, young, foreign)
    done = spread(aws, ZONE, state_of(aws, ZONE), timeout=10, now=lambda: NOW)
    assert done.name.startswith("_gonogo-")
    assert 0 < done.seconds < 10
    assert done.looks >= 1
    assert done.swept == ("_gonogo-old.example.com",)
    left = {name for name in _names(owner, id_) if name.startswith("_gonogo-")}
    assert left == {"_gonogo-young.example.com.", "_gonogo-challenge.example.com."}


class Time:
    """A clock that runs only while one sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


PENDING = {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING"}}
INSYNC = {"ChangeInfo": {"Id": "/change/C1", "Status": "INSYNC"}}
STATE = ZoneState("Z1", "example.com", False)


def run(canned: Canned, state: ZoneState = STATE, *, timeout: float = 60.0) -> tuple[Spread, Time]:
    time = Time()
    aws: Any = canned
    return spread(aws, ZONE, state, timeout=timeout, clock=time, sleep=time.sleep, now=lambda: NOW), time


class Zone(Canned):
    """A zone that keeps what is created in it; `shown` replaces what is listed."""

    def __init__(
        self, *, shown: Callable[[dict[str, Any]], list[Any]] | None = None, **answers: list[Any]
    ) -> None:
        super().__init__(
            ListResourceRecordSets=[],
            **{"ChangeResourceRecordSets": [INSYNC], "GetChange": [INSYNC], **answers},
        )
        self.shown = shown or (lambda record: [record])
        self.records: list[dict[str, Any]] = []

    def call(self, key: str, about: str, /, **parameters: Any) -> Any:
        if key.endswith("ListResourceRecordSets"):
            self.asked.append((key, parameters))
            return {"ResourceRecordSets": [found for kept in self.records for found in self.shown(kept)]}
        answer = super().call(key, about, **parameters)
        for change in parameters.get("ChangeBatch", {}).get("Changes", ()):
            if change["Action"] == "CREATE":
                self.records.append(change["ResourceRecordSet"])
            else:
                self.records = [
                    kept for kept in self.records if kept["Name"] != change["ResourceRecordSet"]["Name"]
                ]
        return answer  # fmt: skip


def test_it_asks_ever_more_seldom_until_the_change_is_in_sync() -> None:
    zone = Zone(ChangeResourceRecordSets=[PENDING], GetChange=[*[PENDING] * 12, INSYNC])
    done, time = run(zone)
    assert done.seconds == sum(time.slept)
    assert done.looks == 13
    assert time.slept[0] == 0.25
    assert max(time.slept) == 5.0
    assert zone.records == []


def test_a_change_that_does_not_spread_in_time_fails_and_leaves_nothing() -> None:
    zone = Zone(ChangeResourceRecordSets=[PENDING], GetChange=[PENDING])
    with pytest.raises(NotSpread, match=r"Route 53 zone example\.com.* is PENDING, not INSYNC") as caught:
        run(zone, timeout=1.0)
    assert caught.value.outcome is Outcome.FAILED
    assert zone.records == []
    just = Zone(ChangeResourceRecordSets=[PENDING], GetChange=[PENDING, PENDING, INSYNC])
    assert run(just, timeout=0.25 + 0.375 + 0.5625)[0].looks == 3, "in sync at the very end is in time"


def test_a_record_that_is_not_as_it_was_written_fails() -> None:
    with pytest.raises(NotSpread, match="and is gone again"):
        run(Zone(shown=lambda _: []))
    other = {"ResourceRecords": [{"Value": '"something else"'}]}
    changed = Zone(shown=lambda record: [{**record, **other}])
    with pytest.raises(NotSpread, match='and reads "something else"'):
        run(changed)
    assert changed.records == [], "it is removed as it is now"


def test_what_is_left_after_a_failure_is_said() -> None:
    denied = Denied("denied", hint="allow it")
    zone = Zone(
        ChangeResourceRecordSets=[INSYNC, denied], shown=lambda record: [{**record, "ResourceRecords": []}]
    )
    with pytest.raises(NotSpread, match=r"_gonogo-.* may still be there \(denied\)"):
        run(zone)
    broken = Zone(ChangeResourceRecordSets=[denied])
    with pytest.raises(Denied, match=r"^denied"):
        run(broken)
    stuck = Zone(ChangeResourceRecordSets=[INSYNC, denied])
    with pytest.raises(Denied):
        run(stuck)
    bug = Zone(ChangeResourceRecordSets=[INSYNC], shown=lambda _: [{"ResourceRecords": [None]}])
    with pytest.raises(AttributeError):
        run(bug)


def test_a_sweep_that_fails_breaks_nothing() -> None:
    old = RecordState("_gonogo-a.example.com", "TXT", 60, (f'"gonogo probe {NOW - 4000:.0f}"',))
    odd = RecordState("_gonogo-b.example.com", "TXT", 60, (f'"gonogo probe {NOW - 4000:.0f}"', '"more"'))
    zone = Zone(ChangeResourceRecordSets=[INSYNC, INSYNC, Broken("was not found", hint="")])
    done, _ = run(zone, replace(STATE, leftovers=(old, odd)))
    assert (done.swept, done.unswept) == ((), "was not found")
    swept, _ = run(Zone(), replace(STATE, leftovers=(old, odd)))
    assert swept.swept == (old.name,)


def test_an_answer_without_a_status_is_broken() -> None:
    answers: tuple[dict[str, Any], ...] = ({}, {"ChangeInfo": {}})
    for answer in answers:
        with pytest.raises(Broken):
            run(Zone(ChangeResourceRecordSets=[answer]))
    assert zone_probe.LEFTOVER_AGE == 3600
