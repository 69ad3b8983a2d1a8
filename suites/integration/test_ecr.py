"""Each declared repository holds the image to be run, whose tag means one image, and in which no weakness is known."""

import pytest

from harness.aws import ecr, image_scan
from harness.aws.ecr import EcrRepository, Image, RepositoryState
from harness.aws.image_scan import Scan
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.fixtures import Check, SideBySide
from harness.gates.context import GateContext
from harness.model import Cause, Finding, Unit

Images = SideBySide[EcrRepository, tuple[Image, ...]]
Scans = SideBySide[EcrRepository, tuple[tuple[Image, Scan], ...]]


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest, aws: Aws, context: GateContext) -> Images:
    """The images of this release in each repository; where it names none, the newest there."""

    def find(repository: EcrRepository) -> tuple[Image, ...]:
        names = (name for name, home in context.profile.app.images.items() if home == repository.repository)
        asked = [context.images[name] for name in names if name in context.images]
        return ecr.images_of(aws, repository, asked)

    return SideBySide(request, EcrRepository.fixture, find)


@pytest.fixture(scope="session")
def scans(request: pytest.FixtureRequest, aws: Aws, images: Images, settle: float) -> Scans:
    """What the scans of these images found; one that is under way is waited for."""
    return SideBySide(
        request,
        EcrRepository.fixture,
        lambda repository: tuple(
            (image, image_scan.finished_scan(aws, image, timeout=settle)) for image in images.of(repository)
        ),
    )


def test_holds_the_image(ecr_repository: EcrRepository, images: Images, check: Check) -> None:
    """The image that this release names is in it; where it names none, at least one tagged image is."""
    found = images.of(ecr_repository)
    check.snapshot("images", found)
    check.measure("images", len(found), Unit.COUNT)
    for image in found:
        check.fact(f"image {image.asked}" if image.asked else "newest image", image.digest)


@pytest.mark.when("immutable")
def test_tags_are_immutable(ecr_repository: EcrRepository, survey: Survey, check: Check) -> None:
    """A tag cannot be moved to another image."""
    state = survey.state(ecr_repository, RepositoryState)
    check.snapshot("repository", state)
    if problem := ecr.mutability_problem(ecr_repository, state):
        check.fail(
            f"{ecr_repository.home}: {problem}",
            hint="make its tags immutable: what was proven under a tag is otherwise not what is deployed under it",
        )


@pytest.mark.when("scan_on_push")
def test_scans_on_push(ecr_repository: EcrRepository, survey: Survey, aws: Aws, check: Check) -> None:
    """Every image that is pushed is scanned, by the repository's own setting or by the registry's rules."""
    state = survey.state(ecr_repository, RepositoryState)
    check.snapshot("repository", state)
    if state.scan_on_push:
        return
    frequency = ecr.scan_frequency(aws, ecr_repository)
    check.fact("scan_frequency", frequency or "not known")
    if frequency not in {"SCAN_ON_PUSH", "CONTINUOUS_SCAN"}:
        check.fail(
            f"{ecr_repository.home} does not scan what is pushed to it",
            hint="turn on scan on push, in the registry's scanning rules or for the repository",
        )


@pytest.mark.when("lifecycle_policy")
def test_has_a_lifecycle_policy(ecr_repository: EcrRepository, survey: Survey, check: Check) -> None:
    """Old images are expired by a lifecycle policy with at least one rule."""
    state = survey.state(ecr_repository, RepositoryState)
    check.snapshot("repository", state)
    check.measure("lifecycle_rules", state.lifecycle_rules, Unit.COUNT)
    if not state.lifecycle_rules:
        check.fail(
            f"{ecr_repository.home} has no lifecycle policy with a rule: it grows without end",
            hint="put a lifecycle policy that keeps the images a rollback may need, and expires the others",
        )


@pytest.mark.when("max_findings")
def test_image_is_scanned(ecr_repository: EcrRepository, scans: Scans, check: Check) -> None:
    """The scan of the image is over, and no older than the image."""
    for image, scan in scans.of(ecr_repository):
        check.snapshot(f"scan-{image.digest[7:19]}", scan)
        check.fact(f"scan of {image.digest}", scan.status)
        if problem := image_scan.scan_problem(image, scan):
            check.fail(
                f"{ecr_repository.home}, {image.title}: {problem}",
                hint="scan it (`aws ecr start-image-scan`); of an image index, the images in it are scanned",
            )


@pytest.mark.when("max_findings")
def test_image_has_few_findings(ecr_repository: EcrRepository, scans: Scans, check: Check) -> None:
    """The scan found no more weaknesses of each severity than the profile allows."""
    problems: list[str] = []
    listed = True
    for image, scan in scans.of(ecr_repository):
        check.snapshot(f"scan-{image.digest[7:19]}", scan)
        if scan.status not in image_scan.DONE:
            check.inconclusive(
                Cause.NOTHING_CHECKED,
                f"{ecr_repository.home}, {image.title}: its scan is {scan.status}, so its findings are not known",
                hint="see the check of the scan itself",
            )
        for weakness in scan.found:
            text = f"{weakness.package or 'a package'} in {image.title} {weakness.about}".strip()
            counts = weakness.severity in image_scan.exceeded(ecr_repository, scan)
            check.finding(Finding(weakness.name, text, weakness.severity, counts=counts))
        listed = listed and image_scan.lists_all(ecr_repository, scan)
        for severity in ecr_repository.max_findings:
            check.measure(f"{severity}_findings", scan.counts.get(severity, 0), Unit.COUNT)
        problems += (
            f"{image.title}: {problem}" for problem in image_scan.count_problems(ecr_repository, scan)
        )
    if problems:
        check.fail(
            f"{ecr_repository.home}, {'; '.join(problems)}",
            hint="update what is weak and build the image again, or waive a finding that does not concern it",
            of_findings=listed,
        )
