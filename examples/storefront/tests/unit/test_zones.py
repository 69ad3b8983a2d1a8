"""Hosted zones, against a client whose answers are scripted by botocore's own stubber."""

from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from apps import config
from apps.domains import Unavailable
from apps.zones import Route53Zones

NAME = "example.com"


def zone(name: str = "example.com.", comment: str = "storefront-test", id_: str = "/hostedzone/Z1") -> Any:
    return {"Id": id_, "Name": name, "CallerReference": "r", "Config": {"Comment": comment}}


def listed(*zones: Any) -> Any:
    return {"HostedZones": list(zones), "IsTruncated": False, "MaxItems": "100"}


def change(status: str) -> Any:
    return {"Id": "/change/C1", "Status": status, "SubmittedAt": "2026-01-01T00:00:00Z"}


def made(status: str) -> Any:
    return {
        "HostedZone": zone(),
        "ChangeInfo": change(status),
        "DelegationSet": {"NameServers": ["ns-1.example"]},
        "Location": "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1",
    }


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Stubber(config.client("route53"))


def zones(stub: Stubber, **options: float) -> Route53Zones:
    return Route53Zones(lambda: stub.client, "test", poll=0.0, **options)


def test_a_zone_is_made_and_waited_for(stub: Stubber) -> None:
    others = listed(zone(comment="someone else's"), zone("example.com.au."))
    stub.add_response("list_hosted_zones_by_name", others, {"DNSName": NAME})
    wanted = {"Name": NAME, "CallerReference": ANY, "HostedZoneConfig": {"Comment": "storefront-test"}}
    stub.add_response("create_hosted_zone", made("PENDING"), wanted)
    stub.add_response("get_change", {"ChangeInfo": change("PENDING")}, {"Id": "/change/C1"})
    stub.add_response("get_change", {"ChangeInfo": change("INSYNC")}, {"Id": "/change/C1"})
    with stub:
        zones(stub).make(NAME)
    stub.assert_no_pending_responses()


def test_a_zone_that_is_there_is_not_made_again(stub: Stubber) -> None:
    stub.add_response("list_hosted_zones_by_name", listed(zone()))
    with stub:
        zones(stub).make(NAME)
    stub.assert_no_pending_responses()


def test_a_zone_that_does_not_spread_is_said(stub: Stubber) -> None:
    stub.add_response("list_hosted_zones_by_name", listed())
    stub.add_response("create_hosted_zone", made("PENDING"))
    with stub, pytest.raises(Unavailable, match="has not spread"):
        zones(stub, timeout=-1.0).make(NAME)


def test_a_zone_is_removed_with_its_records(stub: Stubber) -> None:
    stub.add_response("list_hosted_zones_by_name", listed(zone()))
    records: list[Any] = [
        {"Name": "example.com.", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "x"}]}
        for kind in ("NS", "SOA", "TXT")
    ]
    page = {"ResourceRecordSets": records, "IsTruncated": False, "MaxItems": "100"}
    stub.add_response("list_resource_record_sets", page, {"HostedZoneId": "/hostedzone/Z1"})
    batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": records[2]}]}
    stub.add_response(
        "change_resource_record_sets",
        {"ChangeInfo": change("PENDING")},
        {"HostedZoneId": "/hostedzone/Z1", "ChangeBatch": batch},
    )
    stub.add_response("delete_hosted_zone", {"ChangeInfo": change("PENDING")}, {"Id": "/hostedzone/Z1"})
    with stub:
        zones(stub).remove(NAME)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("ask", [Route53Zones.make, Route53Zones.remove])
def test_a_route53_that_refuses_is_unavailable(stub: Stubber, ask: Any) -> None:
    stub.add_client_error("list_hosted_zones_by_name", "AccessDenied")
    with stub, pytest.raises(Unavailable, match="AccessDenied"):
        ask(zones(stub), NAME)
