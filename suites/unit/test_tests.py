"""The application's own unit tests."""

from harness.fixtures import Check
from harness.scanners.interface import tell
from harness.scanners.pytest_app import AppScans


def test_all_pass(unit_run: AppScans, check: Check) -> None:
    """Every unit test of the application passes, and enough of them ran."""
    tell(check, unit_run.tests)
