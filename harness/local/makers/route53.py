"""Hosted zones with their records, and the parent zones that delegate to them."""

from collections.abc import Iterable, Sequence
from typing import Any

from harness.aws.dns_records import DnsRecord, plain_name
from harness.aws.route53 import HostedZone
from harness.local.plan import Plan
from harness.local.resources import Emulator

_DELEGATION_TTL = 172800


def make(aws: Emulator, declared: Sequence[HostedZone], plan: Plan) -> None:
    """Every zone once; a parent that is not declared is made for its NS record alone."""
    names = {plain_name(zone.name) for zone in declared if not zone.private}
    parents = {plain_name(zone.parent) for zone in declared if zone.parent}
    ids = {name: _zone(aws, plan, name) for name in sorted(names | parents)}
    for zone in declared:
        name = plain_name(zone.name)
        id_ = _zone(aws, plan, name, private=True) if zone.private else ids[name]
        _records(aws, id_, (_record_set(aws, record) for record in zone.records))
        if zone.parent:
            _delegate(aws, ids[plain_name(zone.parent)], name, id_)


def _zone(aws: Emulator, plan: Plan, name: str, *, private: bool = False) -> str:
    inside: dict[str, Any] = (
        {
            "VPC": {"VPCRegion": aws.region, "VPCId": "vpc-00000001"},
            "HostedZoneConfig": {"Comment": plan.prefix, "PrivateZone": True},
        }
        if private
        else {"HostedZoneConfig": {"Comment": f"DNS of {plan.prefix}"}}
    )
    made = aws.client("route53").create_hosted_zone(
        Name=name, CallerReference=f"{plan.prefix}-{name}-{'private' if private else 'public'}", **inside
    )
    id_: str = made["HostedZone"]["Id"]
    return id_


def _record_set(aws: Emulator, record: DnsRecord) -> dict[str, Any]:
    named = {"Name": record.name, "Type": record.type}
    if record.set_identifier:
        named |= {"SetIdentifier": record.set_identifier, "Weight": 1}  # type: ignore[dict-item] # a number
    if record.values:
        values = [{"Value": _written(record.type, value)} for value in record.values]
        return {**named, "TTL": int(record.ttl), "ResourceRecords": values}
    target, zone = record.alias, "Z35SXDOTRQ7X7K"
    if record.load_balancer:
        found = aws.client("elbv2").describe_load_balancers(Names=[record.load_balancer])["LoadBalancers"][0]
        target, zone = f"dualstack.{found['DNSName']}", found["CanonicalHostedZoneId"]
    alias = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {**named, "AliasTarget": alias}


def _written(kind: str, value: str) -> str:
    """A TXT record's text needs its quotes."""
    return f'"{value}"' if kind == "TXT" and not value.startswith('"') else value


def _delegate(aws: Emulator, parent: str, name: str, zone: str) -> None:
    servers = aws.client("route53").get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"]
    record = {
        "Name": name,
        "Type": "NS",
        "TTL": _DELEGATION_TTL,
        "ResourceRecords": [{"Value": server} for server in servers],
    }
    _records(aws, parent, [record])


def _records(aws: Emulator, zone: str, records: Iterable[dict[str, Any]]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    if changes:
        aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
