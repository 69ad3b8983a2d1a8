"""Known vulnerabilities in what the application depends on."""

from harness.fixtures import Check
from harness.scanners.interface import Scan, tell


def test_have_no_known_vulnerability(safety_scan: Scan, check: Check) -> None:
    """Safety knows no vulnerability of any pinned dependency, from an advisory source that may be believed."""
    tell(check, safety_scan)
