"""Checks of what the stand-in cannot show, judged on states as AWS would give them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness import codec
from harness.aws.acm import AcmCertificate, Certificate, CertificateState
from harness.aws.census import Census, Status
from harness.aws.ecr import EcrRepository, Image, RepositoryState
from harness.aws.faults import NotEmulated
from harness.aws.image_scan import Scan, Weakness
from harness.aws.survey import Survey
from harness.fixtures import Check, Ended
from harness.model import Outcome
from harness.profile.schema import LocalConfig
from suite_parts import suite

CERTIFICATE = AcmCertificate(domain="example.com", in_use=True)
GOOD = Certificate(
    "arn:1", "ISSUED", "AMAZON_ISSUED", 0.0, 9e9, ("example.com",), ("a listener",), "ELIGIBLE"
)
REPOSITORY = EcrRepository(repository="api", scan_on_push=True, max_findings={"high": 1})
IMAGE = Image("api", "sha256:" + "a" * 64, ("v1",), 1000.0, 1, "v1")
Make = Callable[..., Any]


def survey_of(thing: Any, state: object) -> Survey:
    return Survey(Census(Status.PRESENT), {thing.fixture: {thing.id: codec.dump(state)}})


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        (
            "is_issued",
            {"status": "PENDING_VALIDATION"},
            "ACM certificate for example.com is PENDING_VALIDATION",
        ),
        ("is_issued", {"status": "FAILED", "failure": "CAA_ERROR"}, "is FAILED, not ISSUED (CAA_ERROR)"),
        ("is_in_use", {"used_by": ()}, "ACM certificate for example.com is used by nothing"),
        ("renews_itself", {"renewal_eligibility": "INELIGIBLE"}, "AMAZON_ISSUED and INELIGIBLE for renewal"),
        ("renews_itself", {"renewal_status": "FAILED"}, "its renewal is FAILED"),
    ],
)
def test_a_certificate_as_aws_shows_it(
    name: str, changes: dict[str, Any], says: str, check: Check, make_profile: Make
) -> None:
    judge = vars(suite("acm"))[f"test_{name}"]
    aws, here = make_profile(), replace(make_profile(), local=LocalConfig(stand_in=True))
    good = survey_of(CERTIFICATE, CertificateState(GOOD))
    bad = survey_of(CERTIFICATE, CertificateState(replace(GOOD, **changes)))
    judge(CERTIFICATE, good, aws, check)
    with pytest.raises(Ended) as ended:
        judge(CERTIFICATE, bad, aws, check)
    assert ended.value.outcome is Outcome.FAILED
    assert says in ended.value.reason
    assert ended.value.hint
    with pytest.raises(NotEmulated):
        judge(CERTIFICATE, good, here, check)
    assert check.facts["judged"] == "arn:1, the only one"


class Scans:
    """The session's scans, each already read."""

    def __init__(self, *scans: Scan) -> None:
        self._scans = scans

    def of(self, _: EcrRepository) -> tuple[tuple[Image, Scan], ...]:
        return tuple((IMAGE, scan) for scan in self._scans)


def test_a_scan_must_be_over_and_as_new_as_the_image(check: Check) -> None:
    judge = suite("ecr").test_image_is_scanned
    judge(REPOSITORY, Scans(Scan("COMPLETE", completed_at=1000.0)), check)
    with pytest.raises(
        Ended, match=r"ECR repository api, image api@sha256:a+: its scan is FAILED: no such OS"
    ):
        judge(REPOSITORY, Scans(Scan("FAILED", "no such OS")), check)
    with pytest.raises(Ended, match="1 s older than the image"):
        judge(REPOSITORY, Scans(Scan("COMPLETE", completed_at=999.0)), check)


def test_findings_are_counted_and_without_a_scan_nothing_is_known(check: Check) -> None:
    judge = suite("ecr").test_image_has_few_findings
    weak = Weakness("CVE-1", "high", "openssl 3", "https://example.com/CVE-1")
    judge(REPOSITORY, Scans(Scan("COMPLETE", found=(weak,), counts={"high": 1, "low": 9})), check)
    assert [(finding.rule, finding.severity) for finding in check.findings] == [("CVE-1", "high")]
    assert {m.metric: m.value for m in check.measurements} == {"high_findings": 1}
    with pytest.raises(Ended, match="2 findings are high, allowed are 1") as ended:
        judge(REPOSITORY, Scans(Scan("COMPLETE", counts={"high": 2})), check)
    assert ended.value.outcome is Outcome.FAILED
    with pytest.raises(Ended, match="its scan is PENDING, so its findings are not known") as unknown:
        judge(REPOSITORY, Scans(Scan("PENDING")), check)
    assert unknown.value.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("frequency", "passes"), [("SCAN_ON_PUSH", True), ("CONTINUOUS_SCAN", True), ("MANUAL", False)]
)
def test_the_registrys_rules_may_scan_what_is_pushed(frequency: str, passes: bool, check: Check) -> None:
    class Aws:
        def call(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"scanningConfigurations": [{"scanFrequency": frequency}]}

    judge = suite("ecr").test_scans_on_push
    survey = survey_of(REPOSITORY, RepositoryState("api", "IMMUTABLE"))
    if passes:
        judge(REPOSITORY, survey, Aws(), check)
    else:
        with pytest.raises(Ended, match="does not scan what is pushed to it"):
            judge(REPOSITORY, survey, Aws(), check)
    assert check.facts["scan_frequency"] == frequency
