"""ECR: repositories, image references, and the bytes behind a tag; `harness.aws.image_scan` reads what a scan found."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from harness.aws.faults import Absent, Broken, NotEmulated
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.shapes import Field

OPERATIONS = (
    Operation("ecr", "DescribeImages"),
    Operation("ecr", "DescribeRepositories"),
    Operation("ecr", "GetLifecyclePolicy"),
    Operation("ecr", "BatchGetRepositoryScanningConfiguration", emulated=False),
    Operation("ecr", "DescribeImageScanFindings", emulated=False),
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORIES, _IMAGES, _LIFECYCLE, _SCANNING = (
    "ecr:DescribeRepositories",
    "ecr:DescribeImages",
    "ecr:GetLifecyclePolicy",
    "ecr:BatchGetRepositoryScanningConfiguration",
)
_BATCH = 100
"""Repositories that one call describes."""
Severity = Literal["critical", "high", "medium", "low", "informational", "undefined"]


class EcrRepository(AwsResource):
    """``[[ecr.repositories]]``."""

    fixture: ClassVar[str] = "ecr_repository"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)

    repository: str = Field(min_length=1)
    immutable: bool = False
    """Whether a tag, once pushed, must stay with its image; judged where true."""
    mutable_tags: list[str] = Field(default_factory=list)
    """The patterns (``latest*``) that may be excluded from that."""
    scan_on_push: bool = False
    """Whether every image that is pushed must be scanned; judged where true."""
    lifecycle_policy: bool = False
    """Whether old images must be expired by a lifecycle policy; judged where true."""
    max_findings: dict[Severity, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """For each severity, how many findings of a scan the image may have; one that is not named is not judged."""

    @property
    def id(self) -> str:
        """The repository's name."""
        return self.repository

    @property
    def home(self) -> str:
        """The repository."""
        return f"ECR repository {self.repository}"

    def arn(self, account: str, region: str) -> str:
        """The repository's ARN."""
        return f"arn:aws:ecr:{region}:{account}:repository/{self.repository}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """The image, and of the rest what is declared."""
        asked = {
            "ecr.holds_the_image": True,
            "ecr.tags_are_immutable": self.immutable,
            "ecr.scans_on_push": self.scan_on_push,
            "ecr.has_a_lifecycle_policy": self.lifecycle_policy,
            "ecr.image_is_scanned": bool(self.max_findings),
            "ecr.image_has_few_findings": bool(self.max_findings),
        }
        return tuple(check for check, applies in asked.items() if applies)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["EcrRepository"]) -> Read:
        """The settings of each; a lifecycle policy is asked for where one is declared."""
        described = _describe(aws, [item.repository for item in declared])
        there = [item for item in declared if item.id in described]
        found = aws.each(lambda item: _state(aws, item, described[item.id]), there)
        return {item.id: state for item, state in zip(there, found, strict=True)}


@dataclass(frozen=True)
class RepositoryState:
    """A repository as ECR describes it. `lifecycle_rules` is 0 where it has no policy, or none was asked for."""

    name: str
    mutability: str
    mutable_tags: tuple[str, ...] = ()
    """Patterns of tags that are excluded from immutability."""
    scan_on_push: bool = False
    lifecycle_rules: int = 0


EcrRepository.state_type = RepositoryState


def _describe(aws: Aws, names: Sequence[str]) -> dict[str, Any]:
    """Repositories by name, a hundred a call. One that is missing spoils the whole call, so these are asked alone."""
    found: dict[str, Any] = {}
    for start in range(0, len(names), _BATCH):
        batch = list(names[start : start + _BATCH])
        about = f"ECR repositories {', '.join(batch)}"
        try:
            answer = aws.call(_REPOSITORIES, about, repositoryNames=batch)
        except Absent:
            if len(batch) > 1:
                for alone in batch:
                    found |= _describe(aws, [alone])
            continue
        for item in need(answer, "repositories", _REPOSITORIES, about):
            found[str(need(item, "repositoryName", _REPOSITORIES, about))] = item
    return found


def _state(aws: Aws, declared: EcrRepository, item: dict[str, Any]) -> RepositoryState:
    return RepositoryState(
        name=declared.repository,
        mutability=str(need(item, "imageTagMutability", _REPOSITORIES, declared.home)),
        mutable_tags=tuple(
            str(excluded.get("filter", "")) for excluded in item.get("imageTagMutabilityExclusionFilters", ())
        ),
        scan_on_push=bool(item.get("imageScanningConfiguration", {}).get("scanOnPush", False)),
        lifecycle_rules=_lifecycle_rules(aws, declared) if declared.lifecycle_policy else 0,
    )


def _lifecycle_rules(aws: Aws, declared: EcrRepository) -> int:
    about = f"the lifecycle policy of {declared.home}"
    try:
        answer = aws.call(_LIFECYCLE, about, repositoryName=declared.repository)
    except Absent:
        return 0
    try:
        return len(json.loads(need(answer, "lifecyclePolicyText", _LIFECYCLE, about))["rules"])
    except (ValueError, KeyError, TypeError):
        raise Broken(f"{about} cannot be read", hint="put the policy anew") from None


def mutability_problem(declared: EcrRepository, state: RepositoryState) -> str:
    """How a tag could come to mean other bytes; empty where none can."""
    if state.mutability == "IMMUTABLE":
        return ""
    if state.mutability != "IMMUTABLE_WITH_EXCLUSION":
        return f"its tags are {state.mutability}, declared is that they are immutable"
    more = sorted(set(state.mutable_tags) - set(declared.mutable_tags))
    return f"its tags like {', '.join(more)} are excluded from immutability" if more else ""


def scan_frequency(aws: Aws, declared: EcrRepository) -> str:
    """What the registry's own rules say of the repository (``SCAN_ON_PUSH``, ``CONTINUOUS_SCAN``, ``MANUAL``).

    They count beside the repository's setting. Empty on the stand-in, which has no such rules.

    Raises:
        Fault: it cannot be found out.
    """
    try:
        answer = aws.call(_SCANNING, declared.home, repositoryNames=[declared.repository])
    except NotEmulated:
        return ""
    (found,) = need(answer, "scanningConfigurations", _SCANNING, declared.home) or [{}]
    return str(need(found, "scanFrequency", _SCANNING, declared.home))


@dataclass(frozen=True)
class Image:
    """An image in a repository; `asked` is the release's reference to it, empty for the newest one."""

    repository: str
    digest: str
    tags: tuple[str, ...] = ()
    pushed_at: float = 0.0
    """Seconds since the epoch."""
    size: int = 0
    asked: str = ""

    @property
    def title(self) -> str:
        """For messages: ``image api@sha256:…``."""
        return f"image {self.repository}@{self.digest}"


def images_of(aws: Aws, declared: EcrRepository, references: Sequence[str]) -> tuple[Image, ...]:
    """The images that the release asks for; without any, the newest one with a tag.

    Raises:
        Absent: there is none.
        Fault: it cannot be found out.
    """
    if references:
        return tuple(_asked(aws, declared, reference) for reference in references)
    details = aws.items(
        _IMAGES,
        declared.home,
        "imageDetails",
        repositoryName=declared.repository,
        filter={"tagStatus": "TAGGED"},
    )
    tagged = [_image(declared, item) for item in details if item.get("imageTags")]
    if not tagged:
        raise Absent(
            f"{declared.home} holds no tagged image", hint="push the image that the environment is to run"
        )
    return (max(tagged, key=lambda image: (image.pushed_at, image.digest)),)


def _asked(aws: Aws, declared: EcrRepository, reference: str) -> Image:
    return _image(declared, _detail(aws, declared.repository, reference), reference)


def _image(declared: EcrRepository, detail: dict[str, Any], asked: str = "") -> Image:
    about = declared.home
    digest = str(detail.get("imageDigest", ""))
    if not is_digest(digest):
        raise Broken(f"{_IMAGES} on {about}: the answer names no digest", hint="what answers is not ECR")
    return Image(
        repository=declared.repository,
        digest=digest,
        tags=tuple(sorted(map(str, detail.get("imageTags", ())))),
        pushed_at=need(detail, "imagePushedAt", _IMAGES, about).timestamp(),
        size=int(detail.get("imageSizeInBytes", 0)),
        asked=asked,
    )


@dataclass(frozen=True)
class Reference:
    """An image reference in its parts; empty where it does not say."""

    repository: str
    tag: str = ""
    digest: str = ""
    registry: str = ""


def parse_reference(text: str) -> Reference:
    """Take ``registry/team/api:v1@sha256:…`` apart. A first part with a dot, a colon or ``localhost`` is a registry."""
    rest, _, digest = text.partition("@")
    first, slash, remainder = rest.partition("/")
    registry = first if slash and ("." in first or ":" in first or first == "localhost") else ""
    path = remainder if registry else rest
    repository, _, tag = path.partition(":")
    return Reference(repository, tag, digest, registry)


def is_digest(text: str) -> bool:
    """Whether it is a whole sha256 digest as registries write it."""
    return _DIGEST.fullmatch(text) is not None


def resolve_image(aws: Aws, repository: str, reference: str) -> str:
    """The ``sha256:…`` that a tag points to now; a digest is confirmed to be there.

    Raises:
        Absent: the repository, tag or digest does not exist.
        Fault: it cannot be found out.
    """
    detail = _detail(aws, repository, reference)
    digest = str(detail.get("imageDigest", ""))
    if not is_digest(digest):
        raise Broken(
            f"ecr:DescribeImages on image {repository}:{reference}: the answer names no digest",
            hint="what answers is not ECR",
        )
    return digest


def _detail(aws: Aws, repository: str, reference: str) -> dict[str, Any]:
    """What ECR says of one image, by tag or digest.

    Raises:
        Absent: the repository, tag or digest does not exist.
        Fault: it cannot be found out.
    """
    about = f"image {repository}{'@' if is_digest(reference) else ':'}{reference}"
    which = {"imageDigest": reference} if is_digest(reference) else {"imageTag": reference}
    answer = aws.call(_IMAGES, about, repositoryName=repository, imageIds=[which])
    details = need(answer, "imageDetails", _IMAGES, about)
    if not details:
        raise Absent(f"{about} does not exist", hint="push the image, or correct the tag")
    found: dict[str, Any] = details[0]
    return found
