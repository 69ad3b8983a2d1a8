"""Hosted zones in Route 53. Those of an environment are told by their comment; others are left alone."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from apps.domains import Unavailable

Client = Any
"""A client of botocore; the application does without its type stubs."""
_OWN = frozenset({"NS", "SOA"})
"""The record sets that a zone has by itself, and that go with it."""


class Route53Zones:
    """Makes and removes the hosted zones of one environment; asking again is harmless."""

    def __init__(
        self, connect: Callable[[], Client], environment: str, *, timeout: float = 120.0, poll: float = 0.2
    ) -> None:
        self._connect = connect
        self._comment = f"storefront-{environment}"
        self._timeout = timeout
        self._poll = poll

    @cached_property
    def _route53(self) -> Client:
        """Made when it is first needed: most of the time there is nothing to do."""
        return self._connect()

    def make(self, name: str) -> None:
        """Make the zone, and wait until all name servers know it.

        Raises:
            Unavailable: Route 53 refuses, does not answer, or takes too long.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._find(name):
                return
            made = self._route53.create_hosted_zone(
                Name=name,
                CallerReference=f"{self._comment}-{name}-{time.time_ns()}",
                HostedZoneConfig={"Comment": self._comment},
            )
            self._settled(name, made["ChangeInfo"])
        except (BotoCoreError, ClientError) as error:
            msg = f"Route 53 did not make {name}: {error}"
            raise Unavailable(msg) from error

    def remove(self, name: str) -> None:
        """Remove the zone with all its records.

        Raises:
            Unavailable: Route 53 refuses or does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for zone in self._find(name):
                self._empty(zone)
                self._route53.delete_hosted_zone(Id=zone)
        except (BotoCoreError, ClientError) as error:
            msg = f"Route 53 did not remove {name}: {error}"
            raise Unavailable(msg) from error

    def _find(self, name: str) -> list[str]:
        """The ids of this environment's zones of this name; several may have the same."""
        found = self._route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
        return [
            zone["Id"]
            for zone in found
            if zone["Name"].rstrip(".") == name and zone.get("Config", {}).get("Comment") == self._comment
        ]

    def _settled(self, name: str, change: dict[str, str]) -> None:
        deadline = time.monotonic() + self._timeout
        while change["Status"] != "INSYNC":
            if time.monotonic() > deadline:
                msg = f"Route 53 has not spread {name} within {self._timeout:g} s"
                raise Unavailable(msg)
            time.sleep(self._poll)
            change = self._route53.get_change(Id=change["Id"])["ChangeInfo"]

    def _empty(self, zone: str) -> None:
        records = self._route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": record}
            for page in records
            for record in page["ResourceRecordSets"]
            if record["Type"] not in _OWN
        ]
        if changes:
            self._route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
