"""What can be wrong with a certificate. Its status, use and renewal cannot be broken here: the emulator shows none."""

from breakages.parts import Breakage, World

DOMAIN = "staging.example.com"


def _certificate_without_its_names(world: World) -> None:
    acm = world.owner("acm")
    for certificate in acm.list_certificates()["CertificateSummaryList"]:
        if certificate["DomainName"] == DOMAIN:
            acm.delete_certificate(CertificateArn=certificate["CertificateArn"])
    acm.request_certificate(DomainName=DOMAIN, ValidationMethod="DNS")


def _nothing(world: World) -> None:
    """The emulator's certificates are valid for a year whatever one asks for: the profile wants longer."""


BREAKAGES = (
    Breakage(
        "a certificate lacks one of its names",
        f"acm.covers_its_names[{DOMAIN}]",
        _certificate_without_its_names,
        (f"does not cover www.{DOMAIN}",),
    ),
    Breakage(
        "a certificate expires too soon",
        f"acm.is_valid_long_enough[{DOMAIN}]",
        _nothing,
        ("it is valid for another", "wanted are 400.0 days"),
        overrides=(
            f'acm.certificates=[{{ domain = "{DOMAIN}", names = ["www.{DOMAIN}"], valid_for = "400d", in_use = true }}]',
        ),
    ),
)
