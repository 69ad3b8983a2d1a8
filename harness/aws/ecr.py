"""ECR: image references, and the bytes behind a tag."""

import re
from dataclasses import dataclass

from harness.aws.faults import Absent, Broken
from harness.aws.operations import Operation
from harness.aws.session import Aws, need

OPERATIONS = (Operation("ecr", "DescribeImages"),)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


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
    about = f"image {repository}{'@' if is_digest(reference) else ':'}{reference}"
    which = {"imageDigest": reference} if is_digest(reference) else {"imageTag": reference}
    key = "ecr:DescribeImages"
    details = need(
        aws.call(key, about, repositoryName=repository, imageIds=[which]), "imageDetails", key, about
    )
    if not details:
        raise Absent(f"{about} does not exist", hint="push the image, or correct the tag")
    digest = str(details[0].get("imageDigest", ""))
    if not is_digest(digest):
        raise Broken(f"{key} on {about}: the answer names no digest", hint="what answers is not ECR")
    return digest
