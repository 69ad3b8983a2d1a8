"""What can be wrong with a hosted zone."""

import threading
import time
from typing import Any

from breakages.parts import Breakage, World

ZONE = "staging.example.com"
CAA = {
    "Name": ZONE,
    "Type": "CAA",
    "TTL": 300,
    "ResourceRecords": [{"Value": '0 issue "amazon.com"'}],
}


def _zone(world: World, name: str = ZONE) -> str:
    (found,) = (
        zone
        for zone in world.owner("route53").list_hosted_zones()["HostedZones"]
        if zone["Name"] == f"{name}."
    )
    id_: str = found["Id"]
    return id_


def _change(world: World, zone: str, action: str, record: dict[str, Any]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": record}]
    world.owner("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _second_zone(world: World) -> None:
    world.owner("route53").create_hosted_zone(Name=ZONE, CallerReference="a second one, by hand")


def _other_value(world: World) -> None:
    _change(
        world, _zone(world), "UPSERT", CAA | {"ResourceRecords": [{"Value": '0 issue "letsencrypt.org"'}]}
    )


def _no_record(world: World) -> None:
    _change(world, _zone(world), "DELETE", CAA)


def _servers(world: World) -> dict[str, Any]:
    servers = world.owner("route53").get_hosted_zone(Id=_zone(world))["DelegationSet"]["NameServers"]
    values = [{"Value": server} for server in servers]
    return {"Name": ZONE, "Type": "NS", "TTL": 172800, "ResourceRecords": values}


def _alias_of_an_old_load_balancer(world: World) -> None:
    alias = {
        "HostedZoneId": "Z35SXDOTRQ7X7K",
        "DNSName": "storefront-staging-web-00000000.us-east-1.elb.amazonaws.com",
        "EvaluateTargetHealth": False,
    }
    _change(world, _zone(world), "UPSERT", {"Name": ZONE, "Type": "A", "AliasTarget": alias})


def _not_delegated(world: World) -> None:
    _change(world, _zone(world, "example.com"), "DELETE", _servers(world))


def _delegated_elsewhere(world: World) -> None:
    old = _servers(world) | {"ResourceRecords": [{"Value": "ns-1.old-registrar.example."}]}
    _change(world, _zone(world, "example.com"), "UPSERT", old)


def _zealous_cleaner(world: World) -> None:
    """Something removes each record that it does not know, as soon as it is there."""
    client, zone = world.owner("route53"), _zone(world)

    def clean() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for record in client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
                if record["Name"].startswith("_gonogo-"):
                    _change(world, zone, "DELETE", record)
                    return

    threading.Thread(target=clean, daemon=True).start()


BREAKAGES = (
    Breakage(
        "a second zone of the same name was made",
        f"route53.is_the_only_one_of_its_name[{ZONE}]",
        _second_zone,
        ("there are 2",),
    ),
    Breakage(
        "a record has another value",
        f"route53.holds_its_records[{ZONE}]",
        _other_value,
        (f'CAA {ZONE} is 0 issue "letsencrypt.org", declared is 0 issue "amazon.com"',),
    ),
    Breakage(
        "a record was deleted",
        f"route53.holds_its_records[{ZONE}]",
        _no_record,
        (f"CAA {ZONE} does not exist",),
    ),
    Breakage(
        "an alias points at a load balancer that was replaced",
        f"route53.aliases_point_at_their_load_balancer[{ZONE}]",
        _alias_of_an_old_load_balancer,
        (f"A {ZONE} points at storefront-staging-web-00000000.", "load balancer storefront-staging-web is"),
    ),
    Breakage(
        "the parent zone does not delegate",
        f"route53.is_delegated[{ZONE}]",
        _not_delegated,
        ("the zone example.com has no NS record for it",),
    ),
    Breakage(
        "the parent zone delegates to another provider",
        f"route53.is_delegated[{ZONE}]",
        _delegated_elsewhere,
        ("delegates it to ns-1.old-registrar.example, its name servers are ns-1.awsdns-1.com",),
    ),
    Breakage(
        "new records do not stay in the zone",
        f"route53.takes_a_record[{ZONE}]",
        _zealous_cleaner,
        ("was added, spread, and is gone again",),
    ),
)
