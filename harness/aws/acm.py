"""ACM: certificates. Several may be for one domain; the one that is judged is the one that clients meet."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from harness.aws.dns_records import plain_name
from harness.aws.faults import Absent, Broken, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Duration
from harness.shapes import Field

OPERATIONS = (Operation("acm", "ListCertificates"), Operation("acm", "DescribeCertificate"))
KEY_TYPES = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
"""ACM lists certificates with RSA keys of up to 2048 bits alone, unless all are named."""
_LIST, _DESCRIBE = "acm:ListCertificates", "acm:DescribeCertificate"


class AcmCertificate(AwsResource):
    """``[[acm.certificates]]``."""

    fixture: ClassVar[str] = "acm_certificate"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)

    domain: str = Field(min_length=1)
    """The certificate's domain name: what it was requested for first of all."""
    names: list[str] = Field(default_factory=list)
    """Further names that it must cover; ``*.example.com`` must be among its names as such."""
    valid_for: Duration = 30 * 86400.0
    """How long it must still be valid, at least."""
    in_use: bool = False
    """Whether a load balancer, a distribution or another service must use it."""
    renews: bool = True
    """Whether ACM must be able to renew it; an imported certificate is renewed by whoever imported it."""

    @property
    def id(self) -> str:
        """The domain."""
        return plain_name(self.domain)

    @property
    def home(self) -> str:
        """The certificate."""
        return f"ACM certificate for {self.id}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """That it is issued and valid, and of the rest what is declared."""
        names = ("acm.covers_its_names",) if self.names else ()
        in_use = ("acm.is_in_use",) if self.in_use else ()
        renews = ("acm.renews_itself",) if self.renews else ()
        return ("acm.is_issued", "acm.is_valid_long_enough", *names, *in_use, *renews)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["AcmCertificate"]) -> Read:
        """Each domain's certificate: all are listed once, and those of the declared domains described."""
        summaries = aws.shared_items(
            _LIST, "certificates", "CertificateSummaryList", Includes={"keyTypes": list(KEY_TYPES)}
        )
        arns: dict[str, list[str]] = {item.id: [] for item in declared}
        for summary in summaries:
            domain = plain_name(str(need(summary, "DomainName", _LIST, "certificates")))
            if domain in arns:
                arns[domain].append(str(need(summary, "CertificateArn", _LIST, "certificates")))
        wanted = [arn for found in arns.values() for arn in found]
        described = dict(zip(wanted, aws.each(lambda arn: describe(aws, arn), wanted), strict=True))
        return {
            item.id: state
            for item in declared
            if (state := _state([described[arn] for arn in arns[item.id]])) is not None
        }


@dataclass(frozen=True)
class Certificate:
    """A certificate as ACM describes it. Times are seconds since the epoch, 0 where it has none."""

    arn: str
    status: str
    kind: str
    not_before: float = 0.0
    not_after: float = 0.0
    names: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()
    renewal_eligibility: str = ""
    renewal_status: str = ""
    renewal_reason: str = ""
    failure: str = ""
    """Why it was not issued."""

    @property
    def until(self) -> str:
        """When its validity ends, for people."""
        return datetime.fromtimestamp(self.not_after, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class CertificateState:
    """The certificate of a domain that is judged, and the others there are."""

    judged: Certificate
    others: tuple[Certificate, ...] = ()

    @property
    def choice(self) -> str:
        """Which is judged, and why it."""
        if not self.others:
            return f"{self.judged.arn}, the only one"
        why = (
            "in use, and the first to expire of those that are" if self.judged.used_by else "the best of them"
        )
        return f"{self.judged.arn}, one of {len(self.others) + 1}: {why}"


AcmCertificate.state_type = CertificateState


def describe(aws: Aws, arn: str) -> Certificate:
    """A certificate.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be found out.
    """
    about = f"ACM certificate {arn}"
    found = need(aws.call(_DESCRIBE, about, CertificateArn=arn), "Certificate", _DESCRIBE, about)
    renewal = found.get("RenewalSummary", {})
    return Certificate(
        arn=arn,
        status=str(need(found, "Status", _DESCRIBE, about)),
        kind=str(found.get("Type", "")),
        not_before=_epoch(found.get("NotBefore"), about),
        not_after=_epoch(found.get("NotAfter"), about),
        names=tuple(
            sorted(
                {plain_name(str(name)) for name in need(found, "SubjectAlternativeNames", _DESCRIBE, about)}
            )
        ),
        used_by=tuple(str(user) for user in found.get("InUseBy", ())),
        renewal_eligibility=str(found.get("RenewalEligibility", "")),
        renewal_status=str(renewal.get("RenewalStatus", "")),
        renewal_reason=str(renewal.get("RenewalStatusReason", "")),
        failure=str(found.get("FailureReason", "")),
    )


def _epoch(moment: object, about: str) -> float:
    """ACM gives no validity for what was never issued."""
    if moment is None:
        return 0.0
    if not isinstance(moment, datetime):
        raise Broken(f"{about}: {moment!r} is no point in time", hint="what answers is not ACM")
    return moment.timestamp()


def _state(found: "Sequence[Certificate | Fault]") -> "CertificateState | Fault | None":
    """The certificate to judge among those of one domain; a deleted one is none, one that cannot be read decides."""
    for item in found:
        if isinstance(item, Fault) and not isinstance(item, Absent):
            return item
    certificates = [item for item in found if isinstance(item, Certificate)]
    if not certificates:
        return None
    chosen = choose(certificates)
    others = sorted((item for item in certificates if item is not chosen), key=lambda item: item.arn)
    return CertificateState(chosen, tuple(others))


def choose(certificates: Sequence[Certificate]) -> Certificate:
    """The one to judge. Clients meet any that is in use, so the worst of these; else the best there is.

    Worse is first what is not ISSUED, then what expires earlier.
    """

    def good(item: Certificate) -> tuple[bool, float, str]:
        return item.status == "ISSUED", item.not_after, item.arn

    used = [item for item in certificates if item.used_by]
    return min(used, key=good) if used else max(certificates, key=good)


def validity_left(certificate: Certificate, now: float) -> float:
    """Seconds until it expires; negative after that."""
    return certificate.not_after - now


def validity_problem(declared: AcmCertificate, certificate: Certificate, now: float) -> str:
    """Why it is not valid, or not for long enough; exactly as long as declared is enough."""
    if not certificate.not_after:
        return f"it is {certificate.status} and has no validity at all"
    if certificate.not_before > now:
        return "it is not valid yet"
    left = validity_left(certificate, now)
    if left < 0:
        return f"it expired {_days(-left)} ago, {certificate.until}"
    if left < declared.valid_for:
        return (
            f"it is valid for another {_days(left)}, until {certificate.until}; "
            f"wanted are {_days(declared.valid_for)}"
        )
    return ""


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days"


def uncovered(declared: AcmCertificate, certificate: Certificate) -> tuple[str, ...]:
    """The declared names that clients would refuse it for."""
    wanted = (declared.id, *(plain_name(name) for name in declared.names))
    return tuple(dict.fromkeys(name for name in wanted if not _covers(certificate.names, name)))


def _covers(names: Iterable[str], wanted: str) -> bool:
    """Whether one of a certificate's names covers a name: the same, or a wildcard for its first label (RFC 6125, 6.4.3)."""
    _, dot, rest = wanted.partition(".")
    return any(
        name == wanted or (dot and not wanted.startswith("*") and name == f"*.{rest}") for name in names
    )


def renewal_problem(certificate: Certificate) -> str:
    """Why ACM will not renew it; empty where it will."""
    if certificate.renewal_status in {"FAILED", "PENDING_VALIDATION"}:
        reason = f" ({certificate.renewal_reason})" if certificate.renewal_reason else ""
        return f"its renewal is {certificate.renewal_status}{reason}"
    if certificate.renewal_eligibility != "ELIGIBLE":
        said = certificate.renewal_eligibility or "not known to be ELIGIBLE"
        return f"it is {certificate.kind} and {said} for renewal"
    return ""
