"""What ECR's scan of an image found, page by page; basic scans and those of Inspector ("enhanced") alike."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.aws.ecr import EcrRepository, Image
from harness.aws.paging import pages
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field
from harness.polling import poll

DONE = ("COMPLETE", "ACTIVE")
"""A scan is over, or (Inspector) goes on for as long as the image is kept."""
UNDER_WAY = ("IN_PROGRESS", "PENDING")
_SCAN = "ecr:DescribeImageScanFindings"
_PAUSE = 2.0
_NO_LONGER = ("SUPPRESSED", "CLOSED")


@dataclass(frozen=True)
class Weakness:
    """One finding of a scan. `severity` is in lower case, ``undefined`` where nobody has judged it yet."""

    name: str
    severity: str
    package: str = ""
    about: str = ""


@dataclass(frozen=True)
class Scan:
    """An image's newest scan. `completed_at` is seconds since the epoch, 0 where it did not come to an end."""

    status: str
    said: str = ""
    completed_at: float = 0.0
    found: tuple[Weakness, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Findings by severity: as ECR counts them, or as many as it lists, whichever is more."""


def finished_scan(
    aws: Aws,
    image: Image,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Scan:
    """The image's scan when it is over, or as it is after `timeout` seconds.

    Raises:
        Absent: it was never scanned.
        Fault: it cannot be found out.
    """
    return poll(
        lambda: read_scan(aws, image),
        lambda scan: scan.status not in UNDER_WAY,
        timeout=timeout,
        pause=_PAUSE,
        clock=clock,
        sleep=sleep,
    )


def read_scan(aws: Aws, image: Image) -> Scan:
    """The image's newest scan, as it is now.

    Raises:
        Absent: it was never scanned.
        Fault: it cannot be found out.
    """
    about = f"the scan of {image.title}"
    status: Mapping[str, Any] = {}
    found: list[Weakness] = []
    counted: Counter[str] = Counter()
    completed = 0.0
    asked = pages(
        aws,
        _SCAN,
        about,
        leads="nextToken",
        repositoryName=image.repository,
        imageId={"imageDigest": image.digest},
    )
    for page in asked:
        status = need(page, "imageScanStatus", _SCAN, about)
        part = page.get("imageScanFindings", {})
        found.extend(_weaknesses(part))
        counted |= Counter(
            {_severity(name): int(number) for name, number in part.get("findingSeverityCounts", {}).items()}
        )
        if (moment := part.get("imageScanCompletedAt")) is not None:
            completed = moment.timestamp()
    counted |= Counter(weakness.severity for weakness in found)
    return Scan(
        status=str(need(status, "status", _SCAN, about)),
        said=str(status.get("description", "")),
        completed_at=completed,
        found=tuple(found),
        counts=dict(sorted(counted.items())),
    )


def _weaknesses(part: Mapping[str, Any]) -> Iterator[Weakness]:
    for item in part.get("findings", ()):
        attributes = {str(pair.get("key")): str(pair.get("value", "")) for pair in item.get("attributes", ())}
        package = " ".join(filter(None, (attributes.get("package_name"), attributes.get("package_version"))))
        yield Weakness(
            str(item.get("name", "")), _severity(item.get("severity")), package, str(item.get("uri", ""))
        )
    for item in part.get("enhancedFindings", ()):
        if item.get("status") in _NO_LONGER:
            continue
        details = item.get("packageVulnerabilityDetails", {})
        packages = (
            " ".join(filter(None, (str(one.get("name", "")), str(one.get("version", "")))))
            for one in details.get("vulnerablePackages", ())
        )
        name = str(details.get("vulnerabilityId") or item.get("title", ""))
        yield Weakness(
            name, _severity(item.get("severity")), ", ".join(packages), str(details.get("sourceUrl", ""))
        )


def _severity(text: object) -> str:
    """In lower case; what is no severity (``UNTRIAGED``) is ``undefined``."""
    known = {"critical", "high", "medium", "low", "informational"}
    found = str(text).lower()
    return found if found in known else "undefined"


def scan_problem(image: Image, scan: Scan) -> str:
    """Why the scan says nothing of this image as it is; one that ended the moment it was pushed says enough."""
    if scan.status not in DONE:
        said = f": {scan.said}" if scan.said else ""
        return f"its scan is {scan.status}{said}"
    if not scan.completed_at:
        return f"its scan is {scan.status}, and nothing says when it took place"
    if scan.completed_at < image.pushed_at:
        return f"its scan is {image.pushed_at - scan.completed_at:.0f} s older than the image"
    return ""


def count_problems(declared: EcrRepository, scan: Scan) -> tuple[str, ...]:
    """Of which severities there are more findings than the profile allows; exactly as many are allowed."""
    return tuple(
        f"{scan.counts.get(severity, 0)} findings are {severity}, allowed are {limit}"
        for severity, limit in declared.max_findings.items()
        if severity in exceeded(declared, scan)
    )


def exceeded(declared: EcrRepository, scan: Scan) -> tuple[str, ...]:
    """The severities with more findings than the profile allows."""
    return tuple(
        severity for severity, limit in declared.max_findings.items() if scan.counts.get(severity, 0) > limit
    )


def lists_all(declared: EcrRepository, scan: Scan) -> bool:
    """Whether every finding that is one too many is listed with its name, and not only counted."""
    listed = Counter(weakness.severity for weakness in scan.found)
    return all(listed[severity] >= scan.counts[severity] for severity in exceeded(declared, scan))
