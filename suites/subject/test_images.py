"""The images that are released, by digest: a tag can move, bytes cannot."""

from typing import TYPE_CHECKING

from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.model import Subject

if TYPE_CHECKING:
    from harness.aws.session import Aws


def test_resolve(image: tuple[str, str], context: GateContext, aws: "Aws", check: Check) -> None:
    """The image asked for exists in its repository; its digest becomes part of what the verdict speaks of."""
    from harness.aws.ecr import resolve_image

    name, reference = image
    repository = context.profile.app.images.get(name)
    if repository is None:
        known = ", ".join(sorted(context.profile.app.images)) or "none"
        check.error(
            f"the profile knows no image {name!r} (it knows: {known})",
            hint="add it to `[app] images` with its ECR repository, or correct `--image`",
        )
    digest = resolve_image(aws, repository, reference)
    asked = {} if reference == digest else {"tag": reference}
    check.fact("digest", digest)
    algorithm, _, value = digest.partition(":")
    check.subject(Subject(name, {algorithm: value}, f"{repository}@{digest}", asked))
