from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import acm
from harness.aws.acm import AcmCertificate, Certificate, CertificateState, choose
from harness.aws.faults import Absent, Broken, Denied
from harness.aws.session import Aws
from harness.model import Phase

Owner = Callable[[str], Any]
DAY = 86400.0
NOW = 1_800_000_000.0
DECLARED = AcmCertificate(domain="example.com", names=["*.example.com"], valid_for=30 * DAY)
GOOD = Certificate(
    "arn:1", "ISSUED", "AMAZON_ISSUED", NOW - DAY, NOW + 90 * DAY, ("*.example.com", "example.com")
)


class Canned:
    """ACM with these certificates, as it describes them; a fault is what describing one comes to."""

    def __init__(self, **described: Any) -> None:
        self.described = described
        self.asked: list[dict[str, Any]] = []

    def shared_items(self, _key: str, _about: str, _field: str, /, **parameters: Any) -> list[dict[str, Any]]:
        self.asked.append(parameters)
        return [
            {"CertificateArn": arn, "DomainName": "Example.com"}
            if not isinstance(found, dict)
            else {"CertificateArn": arn, "DomainName": found.get("DomainName", "example.com")}
            for arn, found in self.described.items()
        ]

    def call(self, _key: str, _about: str, /, *, CertificateArn: str) -> dict[str, Any]:  # noqa: N803 - the API's
        found = self.described[CertificateArn]
        if isinstance(found, BaseException):
            raise found
        return {"Certificate": found}

    def each(self, question: Callable[[Any], Any], things: Any) -> list[Any]:
        return Aws.each(self, question, things)  # type: ignore[arg-type]


def described(**more: Any) -> dict[str, Any]:
    """As ACM describes one that it issued and that a listener uses (the answer's shape is AWS's)."""
    return {
        "DomainName": "example.com",
        "SubjectAlternativeNames": ["example.com", "*.Example.com"],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        "NotBefore": datetime(2027, 1, 1, tzinfo=UTC),
        "NotAfter": datetime(2028, 1, 31, 23, 59, 59, tzinfo=UTC),
        "InUseBy": ["arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/main/1"],
        "RenewalEligibility": "ELIGIBLE",
        **more,
    }


def read(canned: Any, *declared: AcmCertificate) -> Any:
    return AcmCertificate.read(canned, declared or (DECLARED,))


def test_the_state_of_a_real_certificate(aws: Aws, owner: Owner) -> None:
    _, arn = (
        owner("acm").request_certificate(DomainName=domain, SubjectAlternativeNames=[f"*.{domain}"])
        for domain in ("other.com", "example.com")
    )
    found = AcmCertificate.read(aws, [DECLARED, AcmCertificate(domain="nosuch.com")])
    assert found.keys() == {"example.com"}
    state = found["example.com"]
    assert isinstance(state, CertificateState)
    assert state.judged.arn == arn["CertificateArn"]
    assert state.judged.names == ("*.example.com", "example.com")
    assert state.judged.not_after - state.judged.not_before == pytest.approx(365 * DAY, abs=5)
    assert state.choice == f"{state.judged.arn}, the only one"


def test_a_whole_answer_is_read() -> None:
    canned = Canned(
        a=described(
            RenewalSummary={"RenewalStatus": "PENDING_VALIDATION", "RenewalStatusReason": "CAA_ERROR"},
            FailureReason="",
        )
    )
    state = read(canned)["example.com"]
    assert state.judged == Certificate(
        "a",
        "ISSUED",
        "AMAZON_ISSUED",
        datetime(2027, 1, 1, tzinfo=UTC).timestamp(),
        datetime(2028, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp(),
        ("*.example.com", "example.com"),
        ("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/main/1",),
        "ELIGIBLE",
        "PENDING_VALIDATION",
        "CAA_ERROR",
    )
    assert state.judged.until == "2028-01-31 23:59 UTC"
    assert "EC_prime256v1" in canned.asked[0]["Includes"]["keyTypes"], "ACM leaves these out unless asked"


def test_one_that_was_never_issued_has_no_validity() -> None:
    pending = {
        key: value for key, value in described(Status="PENDING_VALIDATION").items() if "Not" not in key
    }
    state = read(Canned(a=pending))["example.com"]
    assert state.judged.not_after == 0
    assert acm.validity_problem(DECLARED, state.judged, NOW) == (
        "it is PENDING_VALIDATION and has no validity at all"
    )


def test_what_is_missing_denied_or_broken_stays_apart() -> None:
    denied, gone = Denied("no", hint=""), Absent("gone", hint="")
    assert read(Canned()) == {}
    assert read(Canned(a=gone)) == {}, "deleted since it was listed"
    assert read(Canned(a=gone, b=described()))["example.com"].judged.arn == "b"
    assert read(Canned(a=denied, b=described()))["example.com"] is denied
    for broken in ({"Status": None}, {"SubjectAlternativeNames": None}, {"NotAfter": "tomorrow"}):
        assert isinstance(read(Canned(a=described(**broken)))["example.com"], Broken)

    class Odd(Canned):
        def shared_items(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            return [{"CertificateArn": "a"}]

    with pytest.raises(Broken, match="DomainName"):
        read(Odd())


def test_of_several_the_one_that_clients_meet_is_judged() -> None:
    used = ("a listener",)
    best = replace(GOOD, arn="best", not_after=NOW + 300 * DAY)
    expired = replace(GOOD, arn="expired", status="EXPIRED", not_after=NOW - DAY)
    assert choose([expired, GOOD, best]) is best, "nothing is in use"
    old = replace(GOOD, arn="old", not_after=NOW + DAY, used_by=used)
    new = replace(best, arn="new", used_by=used)
    assert choose([best, old]) is old, "what is in use counts"
    assert choose([new, old, best]) is old, "of those in use, the first to expire"
    assert choose([new, replace(expired, used_by=used)]).arn == "expired"
    assert CertificateState(old, (new,)).choice == (
        "old, one of 2: in use, and the first to expire of those that are"
    )
    assert CertificateState(best, (GOOD, expired)).choice == "best, one of 3: the best of them"


@pytest.mark.parametrize(
    ("left", "problem"),
    [
        (30 * DAY, ""),
        (30 * DAY - 1, "it is valid for another 30.0 days, until 2027-02-14 07:59 UTC; wanted are 30.0 days"),
        (0, "it is valid for another 0.0 days, until 2027-01-15 08:00 UTC; wanted are 30.0 days"),
        (-DAY, "it expired 1.0 days ago, 2027-01-14 08:00 UTC"),
    ],
)
def test_exactly_as_long_as_declared_is_long_enough(left: float, problem: str) -> None:
    assert acm.validity_left(replace(GOOD, not_after=NOW + left), NOW) == left
    assert acm.validity_problem(DECLARED, replace(GOOD, not_after=NOW + left), NOW) == problem


def test_one_of_tomorrow_is_not_valid() -> None:
    assert acm.validity_problem(DECLARED, replace(GOOD, not_before=NOW), NOW) == ""
    assert acm.validity_problem(DECLARED, replace(GOOD, not_before=NOW + 1), NOW) == "it is not valid yet"


@pytest.mark.parametrize(
    ("names", "declared", "missing"),
    [
        (("example.com", "*.example.com"), ["www.example.com", "*.example.com"], ()),
        (("example.com",), ["www.example.com"], ("www.example.com",)),
        (("*.example.com",), [], ("example.com",)),
        (("example.com", "*.example.com"), ["a.b.example.com"], ("a.b.example.com",)),
        (("example.com", "www.example.com"), ["*.example.com"], ("*.example.com",)),
        (("example.com", "*.com"), ["*.example.com", "*.example.com"], ("*.example.com",)),
        (("example.com", "*."), ["localhost"], ("localhost",)),
    ],
)
def test_a_wildcard_covers_one_label(
    names: tuple[str, ...], declared: list[str], missing: tuple[str, ...]
) -> None:
    certificate = replace(GOOD, names=names)
    assert acm.uncovered(DECLARED.model_copy(update={"names": declared}), certificate) == missing


@pytest.mark.parametrize(
    ("eligibility", "status", "reason", "problem"),
    [
        ("ELIGIBLE", "", "", ""),
        ("ELIGIBLE", "SUCCESS", "", ""),
        ("ELIGIBLE", "PENDING_AUTO_RENEWAL", "", ""),
        ("ELIGIBLE", "FAILED", "CAA_ERROR", "its renewal is FAILED (CAA_ERROR)"),
        ("ELIGIBLE", "PENDING_VALIDATION", "", "its renewal is PENDING_VALIDATION"),
        ("INELIGIBLE", "", "", "it is AMAZON_ISSUED and INELIGIBLE for renewal"),
        ("", "", "", "it is AMAZON_ISSUED and not known to be ELIGIBLE for renewal"),
    ],
)
def test_renewal(eligibility: str, status: str, reason: str, problem: str) -> None:
    certificate = replace(GOOD, renewal_eligibility=eligibility, renewal_status=status, renewal_reason=reason)
    assert acm.renewal_problem(certificate) == problem


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    bare = AcmCertificate(domain="Example.com.", renews=False)
    assert bare.mandatory(make_profile(), Phase.PRE_DEPLOY) == ("acm.is_issued", "acm.is_valid_long_enough")
    full = AcmCertificate(domain="example.com", names=["a.example.com"], in_use=True)
    assert len(full.mandatory(make_profile(), Phase.PRE_DEPLOY)) == 5
    assert (bare.id, bare.home) == ("example.com", "ACM certificate for example.com")
