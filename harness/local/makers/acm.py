"""Certificates, issued at once."""

from collections.abc import Sequence

from harness.aws.acm import AcmCertificate
from harness.local.plan import Plan
from harness.local.resources import Emulator


def make(aws: Emulator, declared: Sequence[AcmCertificate], plan: Plan) -> None:  # noqa: ARG001
    """One for each declared domain, with all its names."""
    for certificate in declared:
        names = {"SubjectAlternativeNames": certificate.names} if certificate.names else {}
        aws.client("acm").request_certificate(DomainName=certificate.domain, ValidationMethod="DNS", **names)
