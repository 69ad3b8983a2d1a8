"""Each declared load balancer is up and listens as it should."""

import pytest

from harness.aws import alb
from harness.aws.alb import LoadBalancer, LoadBalancerState
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, Patience

_DEPLOY = "deploy the stack that declares it, or correct the profile where the change is meant"


def test_is_active(
    load_balancer: LoadBalancer, survey: Survey, aws: Aws, patience: Patience, check: Check
) -> None:
    """The load balancer is active."""
    state = check.eventually(
        survey.live(aws, load_balancer, LoadBalancerState),
        lambda seen: seen.status == "active",
        timeout=patience.left,
    )
    check.snapshot("load-balancer", state)
    check.fact("dns_name", state.dns_name)
    if state.status != "active":
        why = f": {state.reason}" if state.reason else ""
        check.fail(
            f"{load_balancer.home} is {state.status}, not active{why}",
            hint="wait while it is provisioning; impaired or failed, see its subnets and their free addresses",
        )


def test_is_of_its_kind(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """Its type is as declared, and it faces the internet only where the profile says so."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("load-balancer", state)
    if problems := alb.kind_problems(load_balancer, state):
        check.fail(f"{load_balancer.home}: {'; '.join(problems)}", hint=_DEPLOY)


@pytest.mark.when("listeners")
def test_has_its_listeners(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """It listens on each declared port, with the declared protocol."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("listeners", state.listeners)
    check.fact("listeners", ", ".join(f"{item.protocol}:{item.port}" for item in state.listeners) or "none")
    if problems := alb.listener_problems(load_balancer, state):
        check.fail(f"{load_balancer.home}: {'; '.join(problems)}", hint=_DEPLOY)


@pytest.mark.when("encrypted")
def test_encrypts_with_a_certificate(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """Its HTTPS and TLS listeners have a certificate and a security policy without old TLS versions."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("listeners", state.listeners)
    if problems := alb.tls_problems(load_balancer, state):
        check.fail(
            f"{load_balancer.home}: {'; '.join(problems)}",
            hint="give the listener a certificate and a newer security policy (ELBSecurityPolicy-TLS13-1-2-2021-06), "
            "or lower `min_tls` where old clients are meant to be let in",
        )


@pytest.mark.when("redirects")
def test_redirects_to_https(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """Its plain listeners redirect to HTTPS where the profile says so."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("listeners", state.listeners)
    if problems := alb.redirect_problems(load_balancer, state):
        check.fail(f"{load_balancer.home}: {'; '.join(problems)}", hint=_DEPLOY)


@pytest.mark.when("deletion_protection")
def test_is_protected_from_deletion(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """It cannot be deleted by accident."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("load-balancer", state)
    if not state.deletion_protection:
        check.fail(
            f"{load_balancer.home} is not protected from deletion",
            hint="set its attribute deletion_protection.enabled, in the stack that declares it",
        )


@pytest.mark.when("access_logs")
def test_writes_access_logs(load_balancer: LoadBalancer, survey: Survey, check: Check) -> None:
    """Its access logs go to the declared bucket."""
    state = survey.state(load_balancer, LoadBalancerState)
    check.snapshot("load-balancer", state)
    if state.access_logs != load_balancer.access_logs:
        found = (
            f"writes its access logs to {state.access_logs}" if state.access_logs else "writes no access logs"
        )
        check.fail(
            f"{load_balancer.home} {found}, declared is {load_balancer.access_logs}",
            hint="set its attributes access_logs.s3.enabled and access_logs.s3.bucket, or correct the profile",
        )
