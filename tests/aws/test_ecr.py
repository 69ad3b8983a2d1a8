import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.aws import ecr as repositories
from harness.aws.ecr import (
    EcrRepository,
    Image,
    Reference,
    RepositoryState,
    images_of,
    is_digest,
    parse_reference,
    resolve_image,
    scan_frequency,
)
from harness.aws.faults import Absent, Broken, Denied, NotEmulated
from harness.aws.image_scan import Scan, Weakness, count_problems, finished_scan, read_scan, scan_problem
from harness.aws.session import Aws
from harness.model import Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
API = EcrRepository(repository="api", immutable=True, lifecycle_policy=True)
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("api", Reference("api")),
        ("api:v1", Reference("api", "v1")),
        (f"api@{DIGEST}", Reference("api", "", DIGEST)),
        (f"team/api:v1@{DIGEST}", Reference("team/api", "v1", DIGEST)),
        ("localhost/api", Reference("api", registry="localhost")),
        ("127.0.0.1:5000/team/api:v1", Reference("team/api", "v1", registry="127.0.0.1:5000")),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/api:v1.2.3",
            Reference("api", "v1.2.3", registry="123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ),
        ("", Reference("")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


def test_a_digest_is_whole_or_none() -> None:
    assert is_digest(DIGEST)
    assert not any(
        is_digest(text) for text in (DIGEST[:-1], DIGEST + "a", DIGEST.upper(), "v1", "", DIGEST + "\n")
    )


def test_a_tag_is_its_bytes(aws: Aws, owner: Callable[[str], Any]) -> None:
    ecr = owner("ecr")
    ecr.create_repository(repositoryName="api")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": DIGEST, "size": 1, "mediaType": "application/json"},
        "layers": [],
    }
    put = ecr.put_image(repositoryName="api", imageManifest=json.dumps(manifest), imageTag="v1")
    digest = put["image"]["imageId"]["imageDigest"]
    assert resolve_image(aws, "api", "v1") == digest
    assert resolve_image(aws, "api", digest) == digest
    for repository, reference in (("api", "v2"), ("api", DIGEST), ("web", "v1")):
        with pytest.raises(Absent, match=f"image {repository}[:@]{reference} does not exist"):
            resolve_image(aws, repository, reference)


def test_an_answer_without_a_digest_is_an_error() -> None:
    class Odd:
        def __init__(self, details: list[dict[str, str]]) -> None:
            self.details = details

        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"imageDetails": self.details}

    odd: Any = Odd([{"imageDigest": "sha256:short"}])
    with pytest.raises(Broken, match="names no digest"):
        resolve_image(odd, "api", "v1")
    empty: Any = Odd([])
    with pytest.raises(Absent):
        resolve_image(empty, "api", "v1")


# Repositories


class Canned:
    """Answers to be given, by operation and in order; what was asked is kept. A fault is raised."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[dict[str, Any]] = []

    def call(self, key: str, _about: str, /, **parameters: Any) -> Any:
        self.asked.append(parameters)
        answers = self.answers[key.partition(":")[2]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def each(self, question: Callable[[Any], Any], things: Any) -> list[Any]:
        return Aws.each(self, question, things)  # type: ignore[arg-type]


def push(owner: Owner, tag: str, repository: str = "api") -> str:
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": DIGEST, "size": 1, "mediaType": "application/json"},
        "layers": [],
        "annotations": {"tag": tag},
    }
    put = owner("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)
    digest: str = put["image"]["imageId"]["imageDigest"]
    return digest


def test_the_state_of_real_repositories(aws: Aws, owner: Owner) -> None:
    ecr = owner("ecr")
    for name in ("api", "web"):
        ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    ecr.put_image_scanning_configuration(
        repositoryName="api", imageScanningConfiguration={"scanOnPush": True}
    )
    rules = {"rules": [{"rulePriority": 1, "description": "x" * 80}, {"rulePriority": 2}]}
    ecr.put_lifecycle_policy(repositoryName="api", lifecyclePolicyText=json.dumps(rules))
    web = API.model_copy(update={"repository": "web"})
    found = EcrRepository.read(aws, [API, web])
    assert found == {
        "api": RepositoryState("api", "IMMUTABLE", (), True, 2),
        "web": RepositoryState("web", "IMMUTABLE", (), False, 0),
    }
    assert aws.calls["ecr:DescribeRepositories"] == 1


def test_one_that_is_missing_does_not_hide_the_others(aws: Aws, owner: Owner) -> None:
    owner("ecr").create_repository(repositoryName="api")
    declared = [EcrRepository(repository=name) for name in ("nosuch", "api")]
    assert EcrRepository.read(aws, declared).keys() == {"api"}
    assert aws.calls["ecr:GetLifecyclePolicy"] == 0, "none is declared"


def test_a_hundred_are_described_a_call() -> None:
    def some(first: int, last: int) -> dict[str, Any]:
        names = (f"r{number}" for number in range(first, last))
        return {"repositories": [{"repositoryName": name, "imageTagMutability": "MUTABLE"} for name in names]}

    canned: Any = Canned(DescribeRepositories=[some(0, 100), some(100, 101)])
    declared = [EcrRepository(repository=f"r{number}") for number in range(101)]
    assert len(EcrRepository.read(canned, declared)) == 101
    assert [len(asked["repositoryNames"]) for asked in canned.asked] == [100, 1]


def test_denied_and_broken_are_no_absence() -> None:
    described = {"repositories": [{"repositoryName": "api", "imageTagMutability": "MUTABLE"}]}
    denied: Any = Canned(DescribeRepositories=[Denied("no", hint="")])
    with pytest.raises(Denied):
        EcrRepository.read(denied, [API])
    answers: tuple[dict[str, Any], ...] = ({}, {"repositories": [{}]})
    for answer in answers:
        odd: Any = Canned(DescribeRepositories=[answer])
        with pytest.raises(Broken, match="the answer has no"):
            EcrRepository.read(odd, [API])
    partly: Any = Canned(DescribeRepositories=[described], GetLifecyclePolicy=[Denied("no", hint="")])
    assert isinstance(EcrRepository.read(partly, [API])["api"], Denied)
    for text in ("{", "[]", "{}", None, '{"rules": 1}'):
        policy: Any = Canned(
            DescribeRepositories=[described], GetLifecyclePolicy=[{"lifecyclePolicyText": text}]
        )
        assert isinstance(EcrRepository.read(policy, [API])["api"], Broken)


def test_tags_are_immutable_but_for_declared_patterns() -> None:
    whole = RepositoryState("api", "IMMUTABLE")
    assert repositories.mutability_problem(API, whole) == ""
    for kind in ("MUTABLE", "MUTABLE_WITH_EXCLUSION"):
        assert f"its tags are {kind}" in repositories.mutability_problem(API, replace(whole, mutability=kind))
    described = {
        "repositoryName": "api",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest*"}],
    }
    canned: Any = Canned(DescribeRepositories=[{"repositories": [described]}])
    declared = EcrRepository(repository="api", immutable=True)
    state = EcrRepository.read(canned, [declared])["api"]
    assert isinstance(state, RepositoryState)
    assert repositories.mutability_problem(declared, state) == (
        "its tags like latest* are excluded from immutability"
    )
    allowed = declared.model_copy(update={"mutable_tags": ["latest*", "dev-*"]})
    assert repositories.mutability_problem(allowed, state) == ""


def test_the_registrys_rules_scan_as_well(make_profile: Callable[..., Any]) -> None:
    answer = {"scanningConfigurations": [{"repositoryName": "api", "scanFrequency": "CONTINUOUS_SCAN"}]}
    canned: Any = Canned(BatchGetRepositoryScanningConfiguration=[answer])
    assert scan_frequency(canned, API) == "CONTINUOUS_SCAN"
    here: Any = Canned(BatchGetRepositoryScanningConfiguration=[NotEmulated("no", hint="")])
    assert scan_frequency(here, API) == ""
    answers: tuple[dict[str, Any], ...] = ({}, {"scanningConfigurations": []})
    for broken in answers:
        odd: Any = Canned(BatchGetRepositoryScanningConfiguration=[broken])
        with pytest.raises(Broken):
            scan_frequency(odd, API)


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    bare = EcrRepository(repository="api")
    assert bare.mandatory(make_profile(), Phase.PRE_DEPLOY) == ("ecr.holds_the_image",)
    full = EcrRepository(
        repository="api", immutable=True, scan_on_push=True, lifecycle_policy=True, max_findings={"high": 0}
    )
    assert len(full.mandatory(make_profile(), Phase.PRE_DEPLOY)) == 6
    assert bare.arn("1", "eu-west-1") == "arn:aws:ecr:eu-west-1:1:repository/api"
    assert bare.home == "ECR repository api"
    for wrong in ({"urgent": 1}, {"high": -1}):
        with pytest.raises(ValidationError):
            EcrRepository.model_validate({"repository": "api", "max_findings": wrong})


# Images


def test_the_image_of_the_release_or_the_newest(aws: Aws, owner: Owner) -> None:
    owner("ecr").create_repository(repositoryName="api")
    with pytest.raises(Absent, match="ECR repository api holds no tagged image"):
        images_of(aws, API, [])
    first, second = push(owner, "v1"), push(owner, "v2")
    (named,) = images_of(aws, API, ["v1"])
    assert (named.digest, named.tags, named.asked) == (first, ("v1",), "v1")
    assert named.pushed_at > 0
    assert named.size > 0
    assert [image.digest for image in images_of(aws, API, ["v2", first])] == [second, first]
    (newest,) = images_of(aws, API, [])
    assert newest.digest in {first, second}, "pushed within one second"
    assert newest.asked == ""
    with pytest.raises(Absent, match="image api:v3 does not exist"):
        images_of(aws, API, ["v1", "v3"])


def test_the_newest_is_the_one_that_was_pushed_last() -> None:
    def detail(number: int, *tags: str) -> dict[str, Any]:
        pushed = datetime(2026, 11, number, tzinfo=UTC)
        return {"imageDigest": f"sha256:{number:064x}", "imageTags": list(tags), "imagePushedAt": pushed}

    class Listing:
        def __init__(self) -> None:
            self.details = [detail(3, "old"), detail(9, "new"), detail(20)]

        def items(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            return self.details

    listing: Any = Listing()
    (newest,) = images_of(listing, API, [])
    assert newest.tags == ("new",)
    assert newest.title == f"image api@sha256:{9:064x}"
    for odd in ({"imageDigest": "sha256:short"}, {"imagePushedAt": None}):
        listing.details = [{**detail(1, "v1"), **odd}]
        with pytest.raises(Broken):
            images_of(listing, API, [])


# Scans; the emulator has none, so the answers are of AWS's shape

PUSHED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IMAGE = Image("api", DIGEST, ("v1",), PUSHED.timestamp())


def basic(severity: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "uri": f"https://security-tracker.debian.org/tracker/{name}",
        "severity": severity,
        "attributes": [
            {"key": "package_version", "value": "3.0.11-1"},
            {"key": "package_name", "value": "openssl"},
            {"key": "CVSS3_SCORE", "value": "9.8"},
        ],
    }


def page(*findings: dict[str, Any], token: str = "", key: str = "findings", **more: Any) -> dict[str, Any]:
    found = {
        key: list(findings),
        "imageScanCompletedAt": PUSHED,
        "vulnerabilitySourceUpdatedAt": PUSHED,
        "findingSeverityCounts": {"CRITICAL": 1, "HIGH": 2},
    }
    return {
        "repositoryName": "api",
        "imageId": {"imageDigest": DIGEST},
        "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
        "imageScanFindings": {**found, **more},
        **({"nextToken": token} if token else {}),
    }


def scanned(*answers: Any) -> Any:
    return Canned(DescribeImageScanFindings=list(answers))


def test_all_pages_of_a_scan_are_read() -> None:
    canned = scanned(
        page(basic("CRITICAL", "CVE-1"), token="more"), page(basic("HIGH", "CVE-2"), basic("HIGH", "CVE-3"))
    )
    scan = read_scan(canned, IMAGE)
    assert scan.status == "COMPLETE"
    assert [weakness.name for weakness in scan.found] == ["CVE-1", "CVE-2", "CVE-3"]
    assert scan.found[0] == Weakness(
        "CVE-1", "critical", "openssl 3.0.11-1", "https://security-tracker.debian.org/tracker/CVE-1"
    )
    assert scan.counts == {"critical": 1, "high": 2}
    assert canned.asked[1]["nextToken"] == "more"
    assert canned.asked[0]["imageId"] == {"imageDigest": DIGEST}


def test_a_scan_of_inspector_is_read_without_what_was_suppressed() -> None:
    def found(severity: str, status: str) -> dict[str, Any]:
        details = {
            "vulnerabilityId": "CVE-9",
            "sourceUrl": "https://nvd.nist.gov/CVE-9",
            "vulnerablePackages": [{"name": "zlib", "version": "1.2"}, {"name": "zlib-dev"}],
        }
        return {"severity": severity, "status": status, "title": "t", "packageVulnerabilityDetails": details}

    answer = page(
        found("HIGH", "ACTIVE"),
        found("CRITICAL", "SUPPRESSED"),
        found("CRITICAL", "CLOSED"),
        {"severity": "UNTRIAGED", "status": "ACTIVE", "title": "no id"},
        key="enhancedFindings",
        findingSeverityCounts={},
    )
    answer["imageScanStatus"] = {"status": "ACTIVE"}
    scan = read_scan(scanned(answer), IMAGE)
    assert scan.found == (
        Weakness("CVE-9", "high", "zlib 1.2, zlib-dev", "https://nvd.nist.gov/CVE-9"),
        Weakness("no id", "undefined"),
    )
    assert scan.counts == {"high": 1, "undefined": 1}
    assert scan_problem(IMAGE, scan) == ""


def test_what_ecr_counts_and_does_not_list_counts() -> None:
    scan = read_scan(scanned(page(findingSeverityCounts={"HIGH": 3})), IMAGE)
    assert scan.found == ()
    assert scan.counts == {"high": 3}


def test_a_limit_may_be_reached_and_not_passed() -> None:
    declared = EcrRepository(repository="api", max_findings={"critical": 0, "high": 2})
    assert count_problems(declared, Scan("COMPLETE", counts={"high": 2, "low": 99})) == ()
    assert count_problems(declared, Scan("COMPLETE", counts={"critical": 1, "high": 3})) == (
        "1 findings are critical, allowed are 0",
        "3 findings are high, allowed are 2",
    )


def test_a_scan_must_be_over_and_of_this_image() -> None:
    at = PUSHED.timestamp()
    assert scan_problem(IMAGE, Scan("COMPLETE", completed_at=at)) == ""
    assert (
        scan_problem(IMAGE, Scan("COMPLETE", completed_at=at - 5)) == "its scan is 5 s older than the image"
    )
    assert "nothing says when" in scan_problem(IMAGE, Scan("COMPLETE"))
    assert scan_problem(IMAGE, Scan("FAILED", "UnsupportedImageError", at)) == (
        "its scan is FAILED: UnsupportedImageError"
    )
    assert scan_problem(IMAGE, Scan("IN_PROGRESS")) == "its scan is IN_PROGRESS"


def test_a_scan_under_way_is_waited_for_and_not_for_ever() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pending, running = ({"imageScanStatus": {"status": status}} for status in ("PENDING", "IN_PROGRESS"))
    over = scanned(pending, running, page())
    assert finished_scan(over, IMAGE, timeout=60, clock=lambda: now[0], sleep=sleep).status == "COMPLETE"
    assert slept == [2.0, 3.0]
    stuck = finished_scan(scanned(running), IMAGE, timeout=3, clock=lambda: now[0], sleep=sleep)
    assert (stuck.status, stuck.completed_at) == ("IN_PROGRESS", 0)
    assert slept == [2.0, 3.0, 2.0, 1.0]


def test_no_scan_is_absence_and_half_an_answer_is_broken() -> None:
    with pytest.raises(Absent):
        read_scan(scanned(Absent("the scan of image api@… does not exist", hint="")), IMAGE)
    answers: tuple[dict[str, Any], ...] = ({}, {"imageScanStatus": {}})
    for answer in answers:
        with pytest.raises(Broken):
            read_scan(scanned(answer), IMAGE)
