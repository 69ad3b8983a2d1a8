"""What the integration suites share: the census before every check, and how long things may take to settle."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.aws import resource_types
from harness.aws.census import Census, require
from harness.aws.faults import Broken
from harness.fixtures import Patience
from harness.gates.integration import IntegrationConfig
from harness.profile import Profile


@pytest.fixture(scope="session")
def census(prepared: Mapping[str, Any]) -> Census:
    """Which declared resources exist, as asked once before the checks."""
    if not prepared:
        raise Broken("the census of this run is missing", hint="start the run again")
    return Census.from_json(prepared)


@pytest.fixture(autouse=True)
def deployed(request: pytest.FixtureRequest, census: Census) -> None:
    """Every check first asks the census whether its question can be asked at all."""
    for kind in resource_types().values():
        if kind.fixture in request.fixturenames:
            resource = request.getfixturevalue(kind.fixture)
            require(census, kind.fixture, resource.id)
            return
    require(census)


@pytest.fixture(scope="session")
def settle(profile: Profile) -> float:
    """Seconds that eventually consistent things may take to become what they must be."""
    return profile.gate("integration", IntegrationConfig).settle


@pytest.fixture(scope="session")
def patience(settle: float) -> Patience:
    """The shared waits of this session."""
    return Patience(settle)
