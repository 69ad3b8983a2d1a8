"""Each declared hosted zone is there once, holds its records, is delegated to, and takes a new record."""

import pytest

from harness.aws import route53
from harness.aws.dns_records import record_problems
from harness.aws.route53 import HostedZone, ZoneState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.aws.zone_probe import Spread, spread
from harness.fixtures import Check, SideBySide
from harness.model import Unit


@pytest.fixture(scope="session")
def spreads(
    request: pytest.FixtureRequest, aws: Aws, survey: Survey, settle: float
) -> SideBySide[HostedZone, Spread]:
    """A probe record through each zone that may be given one, all at once."""
    return SideBySide(
        request,
        HostedZone.fixture,
        lambda zone: spread(aws, zone, survey.state(zone, ZoneState), timeout=settle),
    )


def test_is_the_only_one_of_its_name(hosted_zone: HostedZone, survey: Survey, check: Check) -> None:
    """One zone has this name: of two, only one is delegated to, and records in the other are never seen."""
    state = survey.state(hosted_zone, ZoneState)
    check.snapshot("zone", state)
    check.measure("zones", 1 + len(state.twins), Unit.COUNT)
    if problem := route53.twin_problem(hosted_zone, state):
        check.fail(
            f"{hosted_zone.home}: {problem}",
            hint="write `zone_id` in the profile, where both are meant"
            if hosted_zone.private
            else "remove the one that its registrar or parent zone does not delegate to",
        )


@pytest.mark.when("records")
def test_holds_its_records(hosted_zone: HostedZone, survey: Survey, check: Check) -> None:
    """Every declared record is in it, with exactly the declared values."""
    state = survey.state(hosted_zone, ZoneState)
    check.snapshot("zone", state)
    check.measure("declared_records", len(hosted_zone.records), Unit.COUNT)
    if problems := record_problems(hosted_zone.records, state.records):
        check.fail(
            f"{hosted_zone.home}: {'; '.join(problems)}",
            hint="deploy the stack that declares the records, or correct the profile where the change is meant",
        )


@pytest.mark.when("balanced")
def test_aliases_point_at_their_load_balancer(hosted_zone: HostedZone, survey: Survey, check: Check) -> None:
    """Each alias of a load balancer points at that load balancer as it is now."""
    state = survey.state(hosted_zone, ZoneState)
    check.snapshot("zone", state)
    if problems := route53.alias_problems(hosted_zone, state):
        check.fail(
            f"{hosted_zone.home}: {'; '.join(problems)}",
            hint="a load balancer that is made anew has a new name: deploy the stack that holds the record",
        )


@pytest.mark.when("parent")
def test_is_delegated(hosted_zone: HostedZone, survey: Survey, check: Check) -> None:
    """The parent zone's NS record names exactly this zone's name servers."""
    delegation = survey.state(hosted_zone, ZoneState).delegation
    assert delegation is not None, f"{hosted_zone.home}: the survey did not look for its parent"
    check.snapshot("delegation", delegation)
    if problem := route53.delegation_problem(hosted_zone, delegation):
        check.fail(
            f"{hosted_zone.home}: {problem}",
            hint=f"put an NS record with {', '.join(delegation.name_servers)} into {hosted_zone.parent}",
        )


@pytest.mark.destructive
@pytest.mark.when("probe")
def test_takes_a_record(
    hosted_zone: HostedZone, spreads: SideBySide[HostedZone, Spread], check: Check
) -> None:
    """A probe record is added, spreads to all name servers, is found, and is removed."""
    done = spreads.of(hosted_zone)
    check.snapshot("probe", done)
    check.fact("probe", done.name)
    check.measure("propagation", done.seconds, Unit.SECONDS)
    if done.swept:
        check.diagnose(f"removed what earlier runs left: {', '.join(done.swept)}")
    if done.unswept:
        check.diagnose(f"what earlier runs left could not be removed: {done.unswept}")
