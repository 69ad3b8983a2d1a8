"""What can be wrong with a repository. What a scan finds cannot be broken here: the emulator scans nothing."""

from breakages.parts import Breakage, World

REPOSITORY = "go-dns"


def _movable_tags(world: World) -> None:
    world.owner("ecr").put_image_tag_mutability(repositoryName=REPOSITORY, imageTagMutability="MUTABLE")


def _no_scan(world: World) -> None:
    world.owner("ecr").put_image_scanning_configuration(
        repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": False}
    )


def _no_lifecycle(world: World) -> None:
    world.owner("ecr").delete_lifecycle_policy(repositoryName=REPOSITORY)


def _no_image(world: World) -> None:
    ecr = world.owner("ecr")
    images = ecr.list_images(repositoryName=REPOSITORY)["imageIds"]
    ecr.batch_delete_image(repositoryName=REPOSITORY, imageIds=images)


def _nothing(world: World) -> None:
    """The release itself is what is wrong."""


def _scans(repository: str) -> tuple[str, ...]:
    """What is not there was not scanned either."""
    return (f"ecr.image_is_scanned[{repository}]", f"ecr.image_has_few_findings[{repository}]")


BREAKAGES = (
    Breakage(
        "a tag can be moved to another image",
        f"ecr.tags_are_immutable[{REPOSITORY}]",
        _movable_tags,
        ("its tags are MUTABLE",),
    ),
    Breakage(
        "images are not scanned when they are pushed",
        f"ecr.scans_on_push[{REPOSITORY}]",
        _no_scan,
        ("does not scan what is pushed to it",),
    ),
    Breakage(
        "old images are never expired",
        f"ecr.has_a_lifecycle_policy[{REPOSITORY}]",
        _no_lifecycle,
        ("has no lifecycle policy with a rule",),
    ),
    Breakage(
        "a repository is empty",
        f"ecr.holds_the_image[{REPOSITORY}]",
        _no_image,
        ("holds no tagged image",),
        also=_scans(REPOSITORY),
    ),
    Breakage(
        "the release names an image that was never pushed",
        "ecr.holds_the_image[web]",
        _nothing,
        ("image web:v9.9.9 does not exist",),
        images=(("web", "v9.9.9"),),
        also=_scans("web"),
    ),
)
