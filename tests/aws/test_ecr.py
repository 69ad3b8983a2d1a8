import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.aws.ecr import Reference, is_digest, parse_reference, resolve_image
from harness.aws.faults import Absent, Broken
from harness.aws.session import Aws

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
