"""How much of the application its unit tests run."""

from harness.fixtures import Check
from harness.gates.unit import UnitConfig
from harness.profile import Profile
from harness.scanners.interface import tell
from harness.scanners.pytest_app import AppScans


def test_reaches_the_bar(unit_run: AppScans, profile: Profile, check: Check) -> None:
    """The unit tests run enough of the whole source tree, files that nothing imports included."""
    tell(check, unit_run.coverage)
    check.judge(
        profile.gate("unit", UnitConfig).coverage,
        hint="test the files listed below, those with the most that was not run first",
    )
