"""Weaknesses in the application's source."""

from harness.fixtures import Check
from harness.scanners.interface import Scan, tell


def test_has_no_weakness(bandit_scan: Scan, check: Check) -> None:
    """Bandit read every source file and found nothing at or above the profile's bars."""
    tell(check, bandit_scan)
