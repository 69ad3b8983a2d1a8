"""Each declared certificate is issued, covers its names, stays valid, and will be renewed."""

import time

import pytest

from harness.aws import acm
from harness.aws.acm import AcmCertificate, Certificate, CertificateState
from harness.aws.faults import NotEmulated
from harness.aws.survey import Survey
from harness.fixtures import Check
from harness.model import Unit
from harness.profile import Profile


def test_is_issued(acm_certificate: AcmCertificate, survey: Survey, profile: Profile, check: Check) -> None:
    """It is ISSUED."""
    certificate = _judged(acm_certificate, survey, check)
    _not_here(profile, "the stand-in issues every certificate at once, validated or not")
    if certificate.status != "ISSUED":
        why = f" ({certificate.failure})" if certificate.failure else ""
        check.fail(
            f"{acm_certificate.home} is {certificate.status}, not ISSUED{why}",
            hint="put the validation records that ACM asks for into the zone, or request the certificate again",
        )


def test_is_valid_long_enough(acm_certificate: AcmCertificate, survey: Survey, check: Check) -> None:
    """It is valid now, and for as long as the profile wants."""
    certificate, now = _judged(acm_certificate, survey, check), time.time()
    check.fact("valid_until", certificate.until)
    check.measure("validity_left", acm.validity_left(certificate, now), Unit.SECONDS)
    if problem := acm.validity_problem(acm_certificate, certificate, now):
        check.fail(
            f"{acm_certificate.home}: {problem}",
            hint="see why it was not renewed (its validation records must stay in the zone), or import a new one",
        )


@pytest.mark.when("names")
def test_covers_its_names(acm_certificate: AcmCertificate, survey: Survey, check: Check) -> None:
    """It covers every declared name, by itself or with a wildcard."""
    certificate = _judged(acm_certificate, survey, check)
    if missing := acm.uncovered(acm_certificate, certificate):
        check.fail(
            f"{acm_certificate.home} does not cover {', '.join(missing)}; it is for {', '.join(certificate.names)}",
            hint="request a certificate with all the names, and put it where this one is used",
        )


@pytest.mark.when("in_use")
def test_is_in_use(acm_certificate: AcmCertificate, survey: Survey, profile: Profile, check: Check) -> None:
    """Something uses it: a load balancer's listener, for one."""
    certificate = _judged(acm_certificate, survey, check)
    _not_here(profile, "the stand-in does not know what uses a certificate")
    check.fact("used_by", ", ".join(certificate.used_by) or "nothing")
    if not certificate.used_by:
        check.fail(
            f"{acm_certificate.home} is used by nothing",
            hint="put it on the listener that clients meet; a certificate that nothing uses is not renewed either",
        )


@pytest.mark.when("renews")
def test_renews_itself(
    acm_certificate: AcmCertificate, survey: Survey, profile: Profile, check: Check
) -> None:
    """ACM can renew it, and the last renewal did not fail."""
    certificate = _judged(acm_certificate, survey, check)
    _not_here(profile, "the stand-in does not renew certificates")
    if problem := acm.renewal_problem(certificate):
        check.fail(
            f"{acm_certificate.home}: {problem}",
            hint="ACM renews what it issued, what is in use, and what its validation records are still there for; "
            "set `renews = false` for an imported certificate",
        )


def _judged(declared: AcmCertificate, survey: Survey, check: Check) -> Certificate:
    """The certificate that clients meet, with the choice on record."""
    state = survey.state(declared, CertificateState)
    check.snapshot("certificate", state)
    check.fact("judged", state.choice)
    return state.judged


def _not_here(profile: Profile, why: str) -> None:
    if profile.local.stand_in:
        raise NotEmulated(why, hint="nothing is claimed about it here; a run against AWS proves it")
