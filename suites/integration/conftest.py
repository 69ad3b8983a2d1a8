"""What the integration suites share: the survey, the census before every check, and how long things may take to settle."""

import pytest

from harness.aws import resource_types
from harness.aws.census import require
from harness.aws.databases import Examined, examine
from harness.aws.rds import RdsInstance
from harness.aws.rds_state import InstanceState
from harness.aws.session import Aws
from harness.aws.survey import FILE, Survey
from harness.fixtures import Patience, SideBySide
from harness.gates.context import GateContext
from harness.gates.integration import IntegrationConfig
from harness.profile import Profile


@pytest.fixture(scope="session")
def survey(context: GateContext) -> Survey:
    """The states of all declared resources, as read once before the checks."""
    return Survey.load(context.work / FILE)


@pytest.fixture(autouse=True)
def deployed(request: pytest.FixtureRequest, survey: Survey) -> None:
    """Every check first asks the census whether its question can be asked at all."""
    for kind in resource_types().values():
        if kind.fixture in request.fixturenames:
            resource = request.getfixturevalue(kind.fixture)
            require(survey.census, kind.fixture, resource.id)
            return
    require(survey.census)


@pytest.fixture(scope="session")
def settle(profile: Profile) -> float:
    """Seconds that eventually consistent things may take to become what they must be."""
    return profile.gate("integration", IntegrationConfig).settle


@pytest.fixture(scope="session")
def patience(settle: float) -> Patience:
    """The shared wait of this session."""
    return Patience(settle)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, aws: Aws, survey: Survey) -> SideBySide[RdsInstance, Examined]:
    """A login to each instance's database and what the server says, all at once; the checks of both judge it."""
    return SideBySide(
        request,
        RdsInstance.fixture,
        lambda instance: examine(aws, instance, survey.state(instance, InstanceState)),
    )
