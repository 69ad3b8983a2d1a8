"""What is declared of repositories; those that the application's own images do not make, with an image each."""

import json
from collections.abc import Sequence

from harness.aws.ecr import EcrRepository
from harness.local.plan import Plan
from harness.local.resources import Emulator

_LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "a year of releases to go back to",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100},
            "action": {"type": "expire"},
        }
    ]
}


def make(aws: Emulator, declared: Sequence[EcrRepository], plan: Plan) -> None:
    """Every repository as declared. Its image is pushed before its tags can no longer be moved."""
    made = {image.repository for image in plan.images}
    ecr = aws.client("ecr")
    for repository in declared:
        name = repository.repository
        if name not in made:
            _with_image(aws, name)
        if repository.immutable:
            ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
        if repository.scan_on_push:
            ecr.put_image_scanning_configuration(
                repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
            )
        if repository.lifecycle_policy:
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(_LIFECYCLE))


def _with_image(aws: Emulator, repository: str) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName=repository)
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": empty,
        "layers": [],
        "annotations": {"org.opencontainers.image.title": repository},
    }
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="stable")
